"""Addresses of stores and brokers, as they may be shown."""

import re
from urllib.parse import urlsplit

__all__ = ["masked", "public"]


def public(url: str, *, user: bool = False) -> str:
    """Where it is, with all its hosts: without the password, and without options, which may hold one.

    Args:
        url: the address.
        user: show who logs in, too; not where a token may stand in that place.
    """
    parts = urlsplit(url)  # whose `port` takes no list of hosts
    who, at, hosts = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{who.partition(':')[0] + at if user else ''}{hosts}{parts.path}"


def masked(url: str) -> str:
    """As it was written, but for the passwords, also those of an address among its options."""
    return re.sub(r":[^@/]*@", ":***@", url)
