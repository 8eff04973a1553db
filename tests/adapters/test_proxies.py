"""Whose word on the client's address counts."""

import pytest

import weft
from weft.adapters.proxies import Proxies

OURS = Proxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # a stranger's word
        ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),  # what the client itself had written comes first
        ("10.0.0.1", "1.1.1.1, 198.51.100.7,10.0.0.2 , 192.0.2.1", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),  # a client inside
        ("10.0.0.1", "198.51.100.7, nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("2001:db8::1", "[2a00::7]:4711", "2a00::7"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", 'fe80::1%"\n', "fe80::1"),
        ("10.0.0.1", "9" * 10_000, "10.0.0.1"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_header_is_read_from_its_end(peer, forwarded, client):
    """Each entry counts if who wrote it is trusted, back to the first that is not; nonsense ends the search."""
    assert OURS.client(peer, forwarded) == client


def test_a_proxy_on_a_unix_socket():
    """It has no address, and is trusted by the name "unix"."""
    assert Proxies(["unix"]).client("", "198.51.100.7") == "198.51.100.7"


def test_by_default_nobody_is_believed():
    """Without trusted proxies the header says nothing."""
    assert not Proxies([])
    assert Proxies([]).client("127.0.0.1", "198.51.100.7") == "127.0.0.1"


@pytest.mark.parametrize("wrong", ["10.0.0.0/8", ["localhost"], ["10.0.0.1/8"]])
def test_what_is_no_network_is_told(wrong):
    """One string, a name, or a network with a host's bits are refused where they are written."""
    with pytest.raises(weft.InvalidValue, match="trusted_proxies"):
        Proxies(wrong)
