"""Which addresses a guard refuses."""

import pytest

from weft.errors import InvalidValue
from weft.http.errors import GuardRefused
from weft.http.guards import guard
from weft.http.url import target

REFUSED = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",
    "192.168.1.1", "198.18.0.1", "203.0.113.7", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1",
    "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::",
    "2002:a00:1::1", "2001::1", "2001:db8::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "100::1", "3fff::1", "5f00::1", "4000::1",
]  # fmt: skip
ALLOWED = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1",
           "64:ff9b::101:101", "2002:101:101::1"]  # fmt: skip
SPELLINGS = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.0.0.1.",
             "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]"]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_refuses(address):
    """An address of a special range is refused, at connect and when written."""
    with pytest.raises(GuardRefused, match="refuses"):
        guard().check_address("example.org", address)


@pytest.mark.parametrize("address", ALLOWED)
def test_allows(address):
    """A public address is allowed, embedded or not."""
    guard().check_address("example.org", address)


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize(
    "form", ["http://{}/", "https://{}:8443/x", "http://user:secret@{}/", "http://example.org@{}/"]
)
def test_sees_through_spellings(host, form):
    """Loopback is refused in every spelling that a resolver would take, whatever stands before the @."""
    with pytest.raises(GuardRefused):
        guard().check_url(target(form.format(host)))


def test_names_are_for_the_connect_check():
    """A name passes the first look: what it resolves to is looked at when the socket is opened."""
    guard().check_url(target("http://localhost/"))
    with pytest.raises(GuardRefused):
        guard().check_address("localhost", "127.0.0.1")


def test_rebinding():
    """A name that was public a moment ago is refused when it becomes private: each connection is looked at anew."""
    one = guard()
    one.check_address("rebind.example", "93.184.216.34")
    with pytest.raises(GuardRefused):
        one.check_address("rebind.example", "10.0.0.1")


def test_schemes_and_ports():
    """Only the schemes and ports named are allowed."""
    one = guard(schemes=["https"], ports=[443, 8443])
    one.check_url(target("https://example.org/"))
    one.check_url(target("https://example.org:8443/"))
    for url in ("http://example.org/", "https://example.org:22/"):
        with pytest.raises(GuardRefused):
            one.check_url(target(url))


def test_exceptions():
    """`allow` takes host names, addresses and networks; each excepts itself alone."""
    one = guard(allow=["Internal.example.", "10.0.0.1", "192.168.0.0/16", "[::1]"])
    one.check_address("internal.example", "10.9.9.9")
    one.check_address("other.example", "10.0.0.1")
    one.check_url(target("http://192.168.7.7/"))
    one.check_url(target("http://[::1]/"))
    for address in ("10.0.0.2", "127.0.0.1"):
        with pytest.raises(GuardRefused):
            one.check_address("other.example", address)


def test_equal_guards_are_equal():
    """Two guards of the same rules are equal and hash alike, so that their calls share connections."""
    assert guard(allow=["a", "b"]) == guard(allow=["b", "a"])
    assert hash(guard(ports=[1])) == hash(guard(ports=[1]))
    assert guard() != guard(allow=["a"])


def test_mistakes():
    """Impossible rules are refused with what to write instead."""
    for rules, message in (
        ({"schemes": ["ftp"]}, "schemes="),
        ({"ports": [0]}, "65535"),
        ({"allow": "localhost"}, r"allow=\['localhost'\]"),
    ):
        with pytest.raises(InvalidValue, match=message):
            guard(**rules)
