"""What a file's header says of it, and whether that is wanted."""
