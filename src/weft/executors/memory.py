"""How much memory this process may use: what the machine has, or its control group allows.

Nothing here is cached: a container's limit can change while the process runs.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from weft.executors.sizing import own_groups, read_text, with_parents

__all__ = ["usable_memory"]

_NO_LIMIT = 1 << 60  # version 1 writes the largest number of pages there could be


def usable_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may use; None where nothing tells.

    Args:
        root: the directory that holds `proc` and `sys`; another one in tests.
    """
    return min((found for found in (*_groups(root), *_machine(root)) if 0 < found < _NO_LIMIT), default=None)


def _groups(root: Path) -> Iterator[int]:
    v2, v1 = own_groups(read_text(root / "proc/self/cgroup") or "", "memory")
    for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
        for folder in with_parents(root / mount, v2):
            yield _number(read_text(folder / "memory.max"))
    for folder in with_parents(root / "sys/fs/cgroup/memory", v1):
        yield _number(read_text(folder / "memory.limit_in_bytes"))


def _machine(root: Path) -> Iterator[int]:
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            yield 1024 * _number(line.split()[1])
            return
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:  # pragma: no cover - macOS
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _number(text: str | None) -> int:
    said = (text or "").strip()
    return int(said) if said.isdecimal() else 0
