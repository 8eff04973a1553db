"""Which addresses a call may reach: a guard for URLs that users give (server-side request forgery).

A guard looks three times: at the address as it is written, at each network address that a name resolved to, at the
moment a socket would be opened to it (so a name that changes its mind between check and use gains nothing), and at
each redirect. The refused ranges are those of the IANA special-purpose registries (RFC 6890 and its updates), and the
IPv4 addresses that IPv6 embeds: mapped (RFC 4291), 6to4 (RFC 3056) and NAT64 (RFC 6052).
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from weft.errors import InvalidValue
from weft.http.errors import GuardRefused
from weft.http.url import Target

__all__ = ["Guard", "guard"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED_4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "reserved",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_REFUSED_6 = {
    "::1/128": "loopback",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "private",
    "ff00::/8": "multicast",
    "2001::/23": "reserved",
    "2001:db8::/32": "documentation",
    "3fff::/20": "documentation",
}
_REFUSED = tuple((ipaddress.ip_network(net), why) for net, why in {**_REFUSED_4, **_REFUSED_6}.items())
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Guard:
    """What a guarded call may reach; make one with `weft.http.guard`. Frozen, any thread.

    Calls share connections only with calls under an equal guard, and never use a proxy.
    """

    schemes: frozenset[str]
    ports: frozenset[int] | None
    hosts: frozenset[str]
    networks: tuple[Network, ...]

    def check_url(self, where: Target) -> None:
        """Look at an address as it is written.

        Raises:
            GuardRefused: its scheme, its port or its literal IP address, in any spelling, is not allowed.
        """
        if where.scheme not in self.schemes:
            raise GuardRefused(f"the guard allows {_words(self.schemes)}, not {where.scheme}", url=where.url)
        if self.ports is not None and where.port not in self.ports:
            raise GuardRefused(f"the guard does not allow port {where.port}", url=where.url)
        literal = _literal(where.host)
        if literal is not None:
            self.check_address(where.host, literal)

    def check_address(self, host: str, address: str) -> None:
        """Look at a network address that a connection is about to use for `host`.

        Raises:
            GuardRefused: the address is in a refused range, and neither it nor the host is in `allow`.
        """
        ip = ipaddress.ip_address(address.partition("%")[0])
        if host.rstrip(".") in self.hosts or any(ip in network for network in self.networks):
            return
        why = _refusal(ip)
        if why:
            raise GuardRefused(f"the guard refuses {host}: {ip} is a {why} address")


def guard(
    *,
    schemes: Iterable[str] = ("http", "https"),
    ports: Iterable[int] | None = None,
    allow: Iterable[str] = (),
) -> Guard:
    """Make a guard for addresses that users give.

    Args:
        schemes: of "http" and "https".
        ports: the ports allowed; None (the default): any.
        allow: exceptions from the refused ranges: host names, IP addresses, or networks such as "10.1.0.0/16".

    Raises:
        InvalidValue: an unknown scheme or an impossible port.
    """
    known = frozenset(schemes)
    if not known or known - {"http", "https"}:
        raise InvalidValue(f"schemes={sorted(known)!r}: write schemes=('https',) or ('http', 'https')")
    numbers = None if ports is None else frozenset(ports)
    if numbers is not None and not all(0 < port < 65536 for port in numbers):  # noqa: PLR2004 - TCP's own bound
        raise InvalidValue(f"ports={sorted(numbers)!r}: write numbers between 1 and 65535")
    hosts, networks = _exceptions(allow)
    return Guard(known, numbers, hosts, networks)


def _exceptions(allow: Iterable[str]) -> tuple[frozenset[str], tuple[Network, ...]]:
    if isinstance(allow, str):
        raise InvalidValue(f"allow={allow!r} is one string: write allow=[{allow!r}]")
    hosts, networks = set[str](), list[Network]()
    for entry in allow:
        try:
            networks.append(ipaddress.ip_network(entry.strip("[]")))
        except ValueError:
            hosts.add(entry.lower().rstrip("."))
    return frozenset(hosts), tuple(networks)


def _literal(host: str) -> str | None:
    """Return the IP address that a host spells, in any form that `inet_aton` knows: 2130706433, 0x7f.1, 0177.0.0.1."""
    bare = host.rstrip(".")
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(bare))
    except OSError:
        return None


def _refusal(ip: Address) -> str:
    """Say why an address is refused; "" if it is not."""
    embedded = _embedded(ip)
    if embedded is not None:
        return _refusal(embedded)
    for network, why in _REFUSED:
        if ip in network:
            return why
    return "reserved" if ip.version == 6 and ip not in _GLOBAL_6 else ""  # noqa: PLR2004 - IPv6


def _embedded(ip: Address) -> ipaddress.IPv4Address | None:
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _words(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))
