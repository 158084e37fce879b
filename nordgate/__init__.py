"""What turns a stack file into proved gateways: see docs/architecture.md."""
