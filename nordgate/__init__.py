"""What turns a stack file into proved gateways: see docs/architecture.md."""

__version__ = "0.2.0"
"""Here alone; the newest entry of CHANGELOG.md is about it."""
