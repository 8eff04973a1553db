"""Two workers that write one log, each line once, whatever becomes of them."""

import weft

logconfig_dict = weft.logs.config("shop.log", access=False, max_bytes=50_000_000, keep=5, compress=True)
workers = 2
worker_class = "gthread"
