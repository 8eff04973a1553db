"""The client behind proxies: whose word on its address counts. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from weft.errors import InvalidValue

__all__ = ["Proxies"]

Address: TypeAlias = IPv4Address | IPv6Address


class Proxies:
    """Proxies that may say, by `X-Forwarded-For`, for whom they ask. Everybody can send that header: trust only yours.

    Args:
        trusted: addresses or networks, such as "10.0.0.0/8"; "unix": whoever connects by a Unix socket.

    Raises:
        InvalidValue: something else.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        if isinstance(trusted, str):
            raise InvalidValue(f"trusted_proxies={trusted!r} is one string: write trusted_proxies=[{trusted!r}]")
        named = list(trusted)
        self._unix = "unix" in named
        self._networks = [_network(name) for name in named if name != "unix"]

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def client(self, peer: str, forwarded: str) -> str:
        """The address nearest to the client for which a trusted proxy vouches.

        The header is read from its end, where the nearest proxy wrote: an entry counts if who wrote it is trusted.

        Args:
            peer: the address that has connected; "" for a Unix socket.
            forwarded: `X-Forwarded-For`, all its lines joined by commas; "" if there is none.
        """
        if not forwarded or not self._trusts(peer):
            return peer
        known = peer
        for entry in reversed(forwarded.split(",")):
            address = _address(entry)
            if address is None:
                break
            known = str(address)
            if not self._includes(address):
                break
        return known

    def _trusts(self, peer: str) -> bool:
        if not peer:
            return self._unix
        address = _address(peer)
        return address is not None and self._includes(address)

    def _includes(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _network(name: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(name)
    except ValueError as error:
        raise InvalidValue(
            f"trusted_proxies: {error}: write an address, a network such as '10.0.0.0/8', or 'unix'"
        ) from None


@lru_cache(1024)
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _address(entry: str) -> Address | None:
    """The address of an entry, which may have a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1]:80."""
    text = entry.strip().partition("%")[0]  # a zone means something to the machine alone that wrote it
    if len(text) > _LONGEST:
        return None
    if text.startswith("["):
        return _parsed(text[1:].partition("]")[0])
    return _parsed(text.partition(":")[0] if text.count(":") == 1 else text)


_LONGEST = 64  # characters of an address with a port, and some to spare
