"""Decisions, and nothing but decisions: given `now`, a policy answers Go, Wait or Stop.

Nothing here imports asyncio, threading, time or socket; `weft.calls` is where an answer meets a wait. One file per
policy, all of one shape. No policy is concurrency safe: whoever owns one guards it.
"""
