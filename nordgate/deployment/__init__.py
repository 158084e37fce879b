"""What a deployment has to know of what stands already, and the files that it hands to Pulumi."""
