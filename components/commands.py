"""What the components run on this machine."""

HOSTS = ".nordgate/venv/bin/python -m hosts"
"""Relative to the project, where Pulumi runs its plugins: no checkout's path enters a resource."""
