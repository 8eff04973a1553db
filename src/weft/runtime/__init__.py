"""The runtime: one per process. It opens lazily, closes in order, and a forked child gets a fresh one."""
