package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	tf "github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

const (
	// connecting bounds the login: the provider's own two seconds end with the TCP connection.
	connecting = 20 * time.Second
	// operating bounds everything else. The longest is a domain's start, which has five minutes of its own.
	operating = 10 * time.Minute
)

// bounded gives an end to everything that the provider asks of libvirt, which it would wait for without one: a host
// that goes silent in the middle is then an error and not a deployment that hangs.
func bounded(provider *tf.Provider) *tf.Provider {
	configure := provider.ConfigureFunc
	provider.ConfigureFunc = func(settings *tf.ResourceData) (any, error) {
		type answer struct {
			client any
			err    error
		}
		answered, ok := within(connecting, func() answer {
			client, err := configure(settings)
			return answer{client, err}
		})
		if !ok {
			return nil, fmt.Errorf("libvirt at %s did not answer within %s: is the host there, and its libvirt running?",
				settings.Get("uri"), connecting)
		}
		return answered.client, answered.err
	}
	for name, resource := range provider.ResourcesMap {
		resource.CreateContext = bound("create", name, resource.CreateContext)
		resource.ReadContext = bound("read", name, resource.ReadContext)
		resource.DeleteContext = bound("delete", name, resource.DeleteContext)
		if resource.UpdateContext != nil {
			resource.UpdateContext = bound("update", name, resource.UpdateContext)
		}
	}
	return provider
}

type operation interface {
	~func(context.Context, *tf.ResourceData, any) diag.Diagnostics
}

func bound[Operation operation](verb, name string, wanted Operation) Operation {
	return func(ctx context.Context, data *tf.ResourceData, client any) diag.Diagnostics {
		done, ok := within(operating, func() diag.Diagnostics { return wanted(ctx, data, client) })
		if !ok {
			return diag.Errorf("libvirt did not answer within %s, asked to %s a %s. It may have done so: see to the "+
				"host, then run `pulumi refresh` and `pulumi up` again.", operating, verb, name)
		}
		return done
	}
}

// within is what call returns, unless that takes longer; then the call is left to itself.
func within[T any](limit time.Duration, call func() T) (T, bool) {
	done := make(chan T, 1)
	go func() { done <- call() }()
	select {
	case result := <-done:
		return result, true
	case <-time.After(limit):
		var none T
		return none, false
	}
}
