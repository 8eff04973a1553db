"""Where lines end up: a file that several processes share and rotate, or a stream."""
