"""What each gateway of a stack is to be, worked out from its settings. Pure."""
