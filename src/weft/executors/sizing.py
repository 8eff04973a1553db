"""How many workers: the CPUs this process may really use, and what follows from them.

Only `usable_cpus` reads anything; the rest is arithmetic. Nothing here is cached: a container's quota can change while
the process runs, and a reading costs less than a millisecond.

Sources: B. Goetz, "Java Concurrency in Practice", section 8.2 (threads = CPUs x utilisation x (1 + wait / compute));
J. Little, "A Proof for the Queuing Formula L = lambda W" (calls in flight = calls per second x seconds per call).
"""

import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CPUs",
    "Quota",
    "own_groups",
    "process_workers",
    "read_text",
    "thread_workers",
    "usable_cpus",
    "with_parents",
]

THREADS_PER_CPU = 32
FEWEST_THREADS = 32
MOST_THREADS = 256


@dataclass(frozen=True, slots=True)
class Quota:
    """A cgroup's limit on CPU time: `cpus` is the number of CPUs it is worth, `path` the file that says so."""

    cpus: float
    path: str


@dataclass(frozen=True, slots=True)
class CPUs:
    """The CPUs this process may use, with the evidence.

    Attributes:
        chosen: the number to size by; at least 1.
        source: what decided: "affinity", "quota" or "override".
        affinity: CPUs that the scheduler may put this process on.
        quota: the tightest cgroup quota, or None where there is none.
        override: what the operator set by `PYTHON_CPU_COUNT` or `-X cpu_count`, or None.
    """

    chosen: int
    source: str
    affinity: int
    quota: Quota | None
    override: int | None


def usable_cpus(root: Path = Path("/")) -> CPUs:
    """Read how many CPUs this process may use. Never raises: what cannot be read is taken as no limit.

    Args:
        root: the directory that holds `proc` and `sys`; another one in tests.
    """
    return choose(_affinity(), quota(root), override(sys._xoptions, os.environ))  # noqa: SLF001 - documented for use


def choose(affinity: int, quota: Quota | None, override: int | None) -> CPUs:
    """Decide: an operator's number is taken at its word (as Python 3.13 does), else the lower of affinity and quota.

    A quota is rounded up: 1.5 CPUs keep two processes busy for three quarters of the time, one process would idle.
    """
    if override is not None:
        return CPUs(override, "override", affinity, quota, override)
    if quota is not None and math.ceil(quota.cpus) < affinity:
        return CPUs(max(1, math.ceil(quota.cpus)), "quota", affinity, quota, override)
    return CPUs(affinity, "affinity", affinity, quota, override)


def thread_workers(cpus: int | None = None) -> int:
    """How many threads to keep for calls that wait: 32 per usable CPU, at least 32, at most 256.

    The rule "2 to 5 times the CPUs" is Goetz' formula for calls that wait 1 to 4 times as long as they compute. A call
    to a web API that takes 200 ms, 2 ms of them in Python, waits 99 times as long; 32 per CPU is a third of that, so
    that the threads run out before the CPU does. A thread that waits costs 16 to 25 KiB of memory (measured), hence
    256 threads cost 4 to 6 MiB. By Little's law 32 threads serve 160 such calls per second.

    Args:
        cpus: usable CPUs; read from the machine if None.
    """
    cpus = usable_cpus().chosen if cpus is None else cpus
    return min(max(FEWEST_THREADS, THREADS_PER_CPU * cpus), MOST_THREADS)


def process_workers(cpus: int | None = None) -> int:
    """How many processes to keep for calls that compute: one per usable CPU (Goetz' formula with no waiting).

    Args:
        cpus: usable CPUs; read from the machine if None.
    """
    return usable_cpus().chosen if cpus is None else cpus


def override(options: Mapping[str, str | bool], environ: Mapping[str, str]) -> int | None:
    """The operator's own number: `-X cpu_count=N` before `PYTHON_CPU_COUNT=N`. Works on Python 3.11 and 3.12 too."""
    said = options.get("cpu_count", environ.get("PYTHON_CPU_COUNT", ""))
    return int(said) if isinstance(said, str) and said.isdecimal() and int(said) > 0 else None


def quota(root: Path = Path("/")) -> Quota | None:
    """The tightest CPU quota of this process's control groups, version 2 or 1, or None."""
    return min(_quotas(root), key=lambda found: found.cpus, default=None)


def parse_v2(text: str) -> float | None:
    """CPUs allowed by a `cpu.max` file: "150000 100000" is 1.5, "max 100000" is None."""
    allowed, _, period = text.strip().partition(" ")
    return None if allowed == "max" else int(allowed) / int(period or 100_000)


def parse_v1(allowed: str, period: str) -> float | None:
    """CPUs allowed by `cpu.cfs_quota_us` and `cpu.cfs_period_us`: "150000", "100000" is 1.5, "-1" is None."""
    return int(allowed) / int(period) if int(allowed) > 0 else None


def own_groups(text: str, controller: str = "cpu") -> tuple[str | None, str | None]:
    """The version 2 path and the version 1 path of a controller in a `/proc/self/cgroup` file."""
    lines = [line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2]  # noqa: PLR2004 - id:names:path
    paths = {name: path for _, names, path in lines for name in names.split(",")}
    return paths.get(""), paths.get(controller)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - macOS and Windows


def _quotas(root: Path) -> Iterator[Quota]:
    v2, v1 = own_groups(read_text(root / "proc/self/cgroup") or "")
    for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
        for folder in with_parents(root / mount, v2):
            yield from _quota_of(folder / "cpu.max", None)
    for mount in ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"):
        for folder in with_parents(root / mount, v1):
            yield from _quota_of(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def with_parents(mount: Path, path: str | None) -> Iterator[Path]:
    """The folder of a group and those above it, because a parent's limit binds its children.

    In a container the path may be the host's, of which only the mount itself is visible here: what is not there is to
    be read as no limit.
    """
    if path is None:
        return
    folder = mount / path.strip("/")
    yield folder
    while folder != mount:
        folder = folder.parent
        yield folder


def _quota_of(file: Path, period: Path | None) -> Iterator[Quota]:
    allowed, per = read_text(file), read_text(period) if period else None
    try:
        cpus = parse_v2(allowed or "max") if period is None else parse_v1(allowed or "-1", per or "100000")
    except (ValueError, ZeroDivisionError):
        return
    if cpus is not None:
        yield Quota(cpus, str(file))


def read_text(file: Path) -> str | None:
    """What stands in a file of the kernel's; None: it cannot be read."""
    try:
        return file.read_text("ascii")
    except (OSError, ValueError):
        return None
