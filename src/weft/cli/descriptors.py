"""Makes sure that as many connections can be open at once as were asked for."""

from weft.cli.parsing import UsageError

__all__ = ["SPARE", "make_room_for"]

SPARE = 64  # descriptors for everything that is no connection


def make_room_for(connections: int) -> None:
    """Raise this process's limit of open files as far as the connections need and the system allows.

    Raises:
        UsageError: it allows fewer.
    """
    try:
        import resource  # noqa: PLC0415 - Unix only
    except ImportError:  # pragma: no cover - Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise UsageError(
            f"check: --limit {connections} needs {wanted} open files, and this system allows {hard}: "
            f"write --limit {max(1, hard - SPARE)}, or raise the limit (ulimit -n)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
