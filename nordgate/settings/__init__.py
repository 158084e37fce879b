"""What stack and region files may say, and the rules between them. Pure, but for the loader, which reads files."""
