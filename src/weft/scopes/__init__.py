"""Structured concurrency: scopes, the tasks they own, batches, and the two colours of waiting."""
