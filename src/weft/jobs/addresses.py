"""Addresses of stores and brokers, as they may be shown."""

from urllib.parse import urlsplit

__all__ = ["public"]


def public(url: str) -> str:
    """The address without its password, and without its options, which may hold one; with all its hosts."""
    parts = urlsplit(url)  # whose `port` takes no list of hosts
    if not parts.netloc:
        return url  # a file's
    user, _, hosts = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return f"{parts.scheme}://{name}{'@' if name else ''}{hosts}{parts.path}"
