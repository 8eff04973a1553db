"""Where a call runs: threads for functions that block, processes for functions that compute.

(The event loop needs no room here: `weft.calls` awaits async functions directly.)
"""
