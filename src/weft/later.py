"""Packages whose names are loaded at their first use: not every program needs all that a package has."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["later"]


def later(package: str, home: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` (PEP 562) of such a package; what it has loaded stays in the package.

    Args:
        package: its name.
        home: each name, and the module of the package that has it.
    """

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
