"""What a stack would put on its machines, as a tree of texts, and what changes between two such trees. Pure."""
