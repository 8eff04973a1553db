"""Addresses, checked and parsed."""

import pytest

from weft.errors import InvalidValue
from weft.http.url import join, target, with_params


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "authority"),
    [
        ("http://example.org", "http", "example.org", 80, "example.org:80"),
        ("https://Example.ORG/a?b#c", "https", "example.org", 443, "example.org:443"),
        ("HTTPS://user:pw@example.org:8443/", "https", "example.org", 8443, "example.org:8443"),
        ("http://[::1]:8000/", "http", "::1", 8000, "[::1]:8000"),
        ("http://bücher.example/ü", "http", "xn--bcher-kva.example", 80, "xn--bcher-kva.example:80"),
    ],
)
def test_parses(url, scheme, host, port, authority):
    """Scheme, host, port and authority are told, in their canonical form."""
    assert target(url)[1:] == (scheme, host, port, authority)


def test_sends_ascii():
    """Letters beyond ASCII are sent as IDNA in the host, as percent-encoded UTF-8 elsewhere; escapes stay."""
    assert target("http://bücher.example/ü%20?q=ß").url == "http://xn--bcher-kva.example/%C3%BC%20?q=%C3%9F"


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "//example.org/", "http:/example.org", "http://", "https://:80/", "ftp://a/", "javascript:1",
     "http://a b/", "http://a\tb/", "http://a\x00/", "http://a/\r\nX: 1", "http://a\\@b/", "http://a:b/", "http://a:70000/",
     "http://[::1/", "http://\ud800/"],
)  # fmt: skip
def test_refuses(url):
    """What is no http(s) address, or could be read in two ways, is refused with what to write instead."""
    with pytest.raises(InvalidValue, match="write"):
        target(url)


def test_refuses_other_types():
    """Bytes are no address."""
    with pytest.raises(InvalidValue, match="string"):
        target(b"http://example.org/")


@pytest.mark.parametrize(
    ("url", "params", "result"),
    [
        ("http://a/", {"q": "1 2&3"}, "http://a/?q=1+2%263"),
        ("http://a/?x=1", {"q": [1, 2]}, "http://a/?x=1&q=1&q=2"),
        ("http://a/?", {"q": True, "n": None, "f": False}, "http://a/?q=true&f=false"),
        ("http://a/#frag", [("q", "ü"), ("q", 1.5)], "http://a/?q=%C3%BC&q=1.5#frag"),
        ("http://a/", "raw=1", "http://a/?raw=1"),
        ("http://a/", {}, "http://a/"),
    ],
)
def test_params(url, params, result):
    """Parameters are added before the fragment; lists repeat the name, None leaves it out."""
    assert with_params(url, params) == result


def test_join():
    """A Location is resolved against the address that sent it; what is not ASCII in it is percent-encoded."""
    assert join("http://a/b/c?d", "../e") == "http://a/e"
    assert join("http://a/b", "//c/d") == "http://c/d"
    assert join("http://a/b", "https://c/ü d") == "https://c/%C3%BC%20d"
