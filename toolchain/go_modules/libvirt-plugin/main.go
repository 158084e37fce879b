// The Pulumi plugin `libvirt`: the Terraform provider, bridged, under the tokens of pulumi-libvirt 0.5.4.
//
// The Python SDK pulumi-libvirt 0.5.4 meets the same package, whether this plugin or the published one serves it.
package main

import (
	"encoding/json"
	"io"

	"github.com/dmacvicar/terraform-provider-libvirt/libvirt"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
)

const (
	name = "libvirt"
	// version is the SDK's, not the Terraform provider's: the engine looks for the plugin by it.
	version = "0.5.4"
)

func provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:       sdkv2.NewProvider(bounded(libvirt.Provider())),
		Name:    name,
		Version: version,
		Config: map[string]*tfbridge.SchemaInfo{
			"uri": {Default: &tfbridge.DefaultInfo{EnvVars: []string{"LIBVIRT_DEFAULT_URI"}}},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			// Computed, it would be CloudinitDisk.
			"libvirt_cloudinit_disk": {Tok: "libvirt:index/cloudInitDisk:CloudInitDisk"},
		},
	}
	info.MustComputeTokens(tokens.SingleModule("libvirt_", "index", tokens.MakeStandard(name)))
	info.SetAutonaming(255, "-")
	return info
}

// schema describes the bridged provider; made at every start, so that no generated file can be out of date.
func schema(info tfbridge.ProviderInfo) ([]byte, error) {
	silent := diag.DefaultSink(io.Discard, io.Discard, diag.FormatOptions{Color: colors.Never})
	generated, err := tfgen.GenerateSchemaWithOptions(tfgen.GenerateSchemaOptions{
		ProviderInfo:    info,
		DiagnosticsSink: silent,
		XInMemoryDocs:   true,
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(generated.PackageSpec)
}

func main() {
	info := provider()
	spec, err := schema(info)
	if err != nil {
		cmdutil.ExitError(err.Error())
	}
	tfbridge.Main(name, version, info, spec)
}
