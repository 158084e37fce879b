"""What the Makefile and the workflows call around Pulumi. Knows the pure packages, never the components."""
