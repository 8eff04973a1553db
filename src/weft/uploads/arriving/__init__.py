"""A request's files on their way to the storage."""
