// The Pulumi plugin `command`, as far as this project uses it: `command:local:Command` of pulumi-command 1.2.1.
//
// The Python SDK pulumi-command 1.2.1 meets the same resource, whether this plugin or the published one serves it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-go-provider/infer"

	"nordgate/tools/command-plugin/local"
)

func main() {
	provider := infer.Provider(infer.Options{
		Resources: []infer.InferredResource{infer.Resource(&local.Command{})},
	})
	// The version is the SDK's: the engine looks for the plugin by it.
	if err := provider.Run(context.Background(), "command", "1.2.1"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
