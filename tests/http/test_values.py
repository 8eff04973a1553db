"""Requests, header fields, answers and errors, as values."""

import pickle

import pytest

from weft.errors import InvalidCall, InvalidValue, WeftError
from weft.http import errors
from weft.http.headers import Headers
from weft.http.outgoing import Options, Request, Timeouts
from weft.http.response import Response

URL = "http://example.org/"


def answer(*lines, content=b"", status=200):
    return Response(Request("GET", URL), status, [line.encode("latin-1") + b"\r\n" for line in lines], content)


def test_requests_are_frozen_and_comparable():
    """A request cannot be changed, and equals one of the same parts."""
    one = Request("GET", URL, {"A": "1"})
    assert one == Request("GET", URL, [("A", "1")])
    with pytest.raises(AttributeError):
        one.url = "http://elsewhere/"


def test_equal_options_hash_alike():
    """Options that are equal hash alike: their calls share handles and connections."""
    assert hash(Options(max_redirects=3)) == hash(Options(max_redirects=3))
    assert Options(verify=False) != Options()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: Request("GE T", URL), InvalidValue),
        (lambda: Request("", URL), InvalidValue),
        (lambda: Request("GET", URL, body="text"), InvalidCall),
        (lambda: Request("GET", URL, {"A": 1}), InvalidValue),
        (lambda: Request("GET", URL, {"A": "\u20ac"}), InvalidValue),
        (lambda: Timeouts(connect=0), InvalidValue),
        (lambda: Timeouts(read="1"), InvalidCall),
        (lambda: Timeouts(total=float("nan")), InvalidValue),
        (lambda: Options(max_redirects=-1), InvalidValue),
        (lambda: Options(max_body=0), InvalidValue),
        (lambda: Options(proxy="localhost"), InvalidValue),
    ],
)
def test_impossible_values_are_refused(make, kind):
    """What cannot be sent cannot be made."""
    with pytest.raises(kind, match=r"write|percent-encode|\bbytes\b"):
        make()


def test_a_guard_and_a_proxy_exclude_each_other():
    """A proxy resolves names itself, out of the guard's sight."""
    from weft.http.guards import guard

    with pytest.raises(InvalidValue, match="guard"):
        Options(proxy="http://p:1", guard=guard())


def test_headers_behave_like_a_mapping():
    """Names are found in any case; a name that is not there is a KeyError; iteration gives each once."""
    headers = Headers([("A", "1"), ("a", "2"), ("B", "3")])
    assert dict(headers) == {"a": "1, 2", "b": "3"}
    assert ("A" in headers, "c" in headers, len(headers)) == (True, False, 2)
    assert headers.get_list("c") == []
    with pytest.raises(KeyError):
        headers["c"]


def test_the_last_head_counts():
    """Interim answers, redirects and trailers leave no field behind."""
    one = answer(
        "HTTP/1.1 100 Continue", "", "HTTP/1.1 302 Found", "Location: /b", "X: old", "",
        "HTTP/1.1 200 Fine by me", "Y: new", "Folded: a", "  b", "", "Trailer: t", "",
    )  # fmt: skip
    assert dict(one.headers) == {"y": "new", "folded": "a b"}
    assert (one.reason, one.http_version) == ("Fine by me", "1.1")
    assert one.history == ((302, URL),)


def test_text_is_decoded_by_its_charset():
    """The charset of Content-Type is used where it is known, else UTF-8."""
    for kind, content, text in (
        ("text/html; charset=ISO-8859-1", b"\xe9", "é"),
        ("text/html", "é".encode(), "é"),
        ("text/html; charset=nonsense", b"a", "a"),
        ("text/html", b"\xff", "\ufffd"),
    ):
        assert answer("HTTP/1.1 200 OK", f"Content-Type: {kind}", content=content).text == text


def test_json_that_is_none_is_a_value_error():
    """A body that is no JSON raises a ValueError."""
    with pytest.raises(ValueError, match="Expecting"):
        answer("HTTP/1.1 200 OK", content=b"<html>").json()


def test_errors_are_one_tree():
    """Every error is a WeftError; timeouts are TimeoutErrors, broken connections ConnectionErrors."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(kind, errors.HTTPError) and issubclass(kind, WeftError) for kind in kinds)
    assert issubclass(errors.ConnectTimeout, TimeoutError)
    assert issubclass(errors.ReadTimeout, TimeoutError)
    assert issubclass(errors.ConnectTimeout, ConnectionError)
    assert issubclass(errors.TLSError, ConnectionError)
    assert issubclass(errors.InvalidURL, InvalidValue)


@pytest.mark.parametrize("name", errors.__all__)
def test_errors_travel_between_processes(name):
    """An error that is pickled keeps its type, message, address and verb."""
    error = getattr(errors, name)("it broke", url=URL, method="GET")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.url, copy.method) == (type(error), f"it broke [GET {URL}]", URL, "GET")
