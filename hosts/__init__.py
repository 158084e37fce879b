"""The command that Pulumi's states have recorded, kept for good: see docs/decisions/0014."""
