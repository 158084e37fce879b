"""Whether this machine and the hosts of a stack can do what the stack asks: asked before anything is changed."""
