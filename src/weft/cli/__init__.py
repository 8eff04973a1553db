"""The `weft` command. Its modules import what is heavy only when they need it, so that help comes at once."""
