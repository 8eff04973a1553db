"""A call on its way: what it is, where it may run, what it must pass, and the driver that takes it there.

The only room where decisions meet waiting.
"""
