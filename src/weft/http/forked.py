"""What a forked child does with its parent's engines: nothing, not even cleaning up.

Closing would write TLS goodbyes into the parent's connections and take its sockets out of its epoll, both of which the
child shares. So the engines are kept from the child's garbage collector for good.
"""

import os
import weakref
from typing import Protocol

__all__ = ["belongs_to_this_process"]


class _Inherited(Protocol):
    def disown(self) -> None:
        """Never touch the connections again."""


_engines: "weakref.WeakSet[_Inherited]" = weakref.WeakSet()


def belongs_to_this_process(engine: _Inherited) -> None:
    """Have the engine disowned in every child that is forked from now on."""
    _engines.add(engine)


def _disown_all() -> None:
    if not _engines:
        return
    import ctypes  # noqa: PLC0415 - for forked children alone

    for engine in list(_engines):
        engine.disown()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
    _engines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
