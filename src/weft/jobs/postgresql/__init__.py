"""The engine for several machines: the same store in PostgreSQL."""
