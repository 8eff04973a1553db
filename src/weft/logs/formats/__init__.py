"""From a log record to the bytes of its line."""
