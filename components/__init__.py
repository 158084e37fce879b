"""The Pulumi components: the only code that knows pulumi_libvirt and pulumi_command."""
