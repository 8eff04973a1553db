"""The lines and fields of the access log."""

import json
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.logs import access
from weft.logs.access import Hit, combined, common, escaped, without_secrets, write
from weft.logs.formats.jsonlines import JsonFormatter
from weft.scopes.tally import Totals

NOON = 1795608000.9  # 2026-11-25 12:00:00 UTC
HIT = Hit(NOON, 0.25, "GET", "/a?b=c", "HTTP/1.1", 200, 17, remote="192.0.2.1", agent="curl/8", request_id="4f1a")


@pytest.fixture
def zone(monkeypatch):
    """Set the local time zone."""

    def choose(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def records():
    """The records of the access log."""
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    access.log.addHandler(handler)
    access.log.setLevel(logging.INFO)
    yield seen
    access.log.removeHandler(handler)
    access.log.setLevel(logging.NOTSET)


def logged(records, hit=HIT, kind="json", **fields):
    write(hit, kind, fields)
    return records.pop()


def as_json(record):
    return json.loads(JsonFormatter().format(record))


# -- the classic lines


def test_the_common_format(zone):
    """`common` is that of NCSA, with the time at which the request came."""
    zone("UTC")
    assert common(HIT) == '192.0.2.1 - - [25/Nov/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 17'


def test_the_combined_format(zone):
    """`combined` adds where the client came from and what it is; what is missing is `-`."""
    zone("UTC")
    assert combined(HIT._replace(user="ann", size=0, referer="http://r/")) == (
        '192.0.2.1 - ann [25/Nov/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 - "http://r/" "curl/8"'
    )
    assert combined(HIT._replace(remote="", agent="")).startswith("- - - [")
    assert combined(HIT._replace(agent="")).endswith('200 17 "-" "-"')


def test_the_time_is_local(zone):
    """The time is that of the place, with its offset."""
    zone("America/St_Johns")
    assert "[25/Nov/2026:08:30:01 -0330]" in common(HIT._replace(received=NOON + 0.2))


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ('say "x"', r"say \"x\""),
        ("a\\b", r"a\\b"),
        ("1\r\n2\t3\v4\b5", r"1\r\n2\t3\v4\b5"),
        ("\x1b[31m\x7f\x00\x0c", r"\x1b[31m\x7f\x00\x0c"),
        ("caf\xc3\xa9 \x9b", r"caf\xc3\xa9 \x9b"),
        ("\u202e\ud800", r"\xe2\x80\xae\\ud800"),
    ],
)
def test_strangers_texts_are_escaped_as_by_apache(sent, shown):
    r"""Quotes and backslashes get a backslash, white space its name in C, all else that is not plain ASCII `\xhh`."""
    assert escaped(sent) == shown


@given(st.builds(HIT._replace, **dict.fromkeys(("method", "path", "protocol", "user", "referer", "agent"), st.text())))
def test_nothing_forges_a_line(hit):
    """Whatever is sent, the line is one line of printable ASCII, and a parser finds in it what there was."""
    line = combined(hit)
    assert line.isascii()
    assert line.isprintable()
    plain = line.replace("\\\\", "").replace('\\"', "")
    assert plain.count('"') == 6  # the three quoted parts
    assert plain.split(" ")[3].startswith("[")


def test_the_words_without_quotes_stay_words():
    """A space in a user's name or in an address would move the parts behind it: it is escaped."""
    assert common(HIT._replace(user='x - [1] "', remote="1 2")).startswith(r"1\x202 - x\x20-\x20[1]\x20\" [")


# -- what is logged


def test_the_record_of_a_classic_line(records):
    """In `common` and `combined` the message is the line; the record carries nothing else but fields of the user's."""
    record = logged(records, kind="combined", tenant="blue")
    plain = vars(logging.LogRecord("", 0, "", 0, "", None, None)).keys()
    assert (record.name, record.levelno, record.getMessage()) == ("weft.access", logging.INFO, combined(HIT))
    assert vars(record).keys() - plain - {"message"} == {"tenant"}


def test_percent_signs_stay(records):
    """A line with `%s` in it is no template."""
    assert "/%s%d" in logged(records, HIT._replace(path="/%s%d"), "common").getMessage()


def test_the_fields_of_json(records):
    """In `json` what is known stands beside the message; what is not known is left out."""
    shown = as_json(logged(records))
    assert {name: shown[name] for name in shown if name not in {"time", "level", "logger"}} == {
        "message": "GET /a?b=c 200", "method": "GET", "path": "/a?b=c", "protocol": "HTTP/1.1", "status": 200,
        "bytes": 17, "seconds": 0.25, "remote": "192.0.2.1", "user_agent": "curl/8", "request_id": "4f1a", "calls": 0,
    }  # fmt: skip


def test_the_calls_of_a_request(records):
    """The calls that were made stand there with how long they were waited for, and what came of them if anything."""
    record = logged(records, HIT._replace(totals=Totals(5, 0.2, ok=3, timed_out=2)))
    found = {name: value for name, value in vars(record).items() if name.startswith("calls")}
    assert found == {"calls": 5, "calls_wait": 0.2, "calls_ok": 3, "calls_timed_out": 2}


def test_what_went_wrong(records):
    """The class of an error stands there, and whether the answer broke off."""
    shown = as_json(logged(records, HIT._replace(error="KeyError", aborted=True, status=500)))
    assert (shown["error"], shown["aborted"], shown["status"]) == ("KeyError", True, 500)


def test_texts_are_readable_in_json(records):
    """Bytes that stand for UTF-8 are shown as what they stand for; others as escapes."""
    shown = as_json(logged(records, HIT._replace(agent="caf\xc3\xa9 \xff", user="\u65e5")))
    assert (shown["user_agent"], shown["user"]) == ("caf\xe9 \\xff", "\u65e5")


def test_fields_of_the_users_own(records):
    """They stand beside the others, and win; one that is called as an attribute of records gets an underscore."""
    record = logged(records, tenant="blue", status="fine", name="n", message="m")
    assert (record.tenant, record.status, record.name_, record.message_) == ("blue", "fine", "n", "m")
    assert record.name == "weft.access"


def test_secrets_are_masked(records):
    """The values of secret parameters and fields are masked in every format, for every formatter."""
    record = logged(records, HIT._replace(path=without_secrets("/?token=1&x=2")), "common", authorization="Basic 1")
    assert record.authorization == "[masked]"
    assert "GET /?token=[masked]&x=2 HTTP" in record.getMessage()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/a?b", "/a?b"),
        ("/token=1", "/token=1"),
        ("/?api_key=1&&a=b=c&password=", "/?api_key=[masked]&&a=b=c&password=[masked]"),
        ("/?access%5Ftoken=1&user[password]=2", "/?access%5Ftoken=[masked]&user[password]=[masked]"),
        ("https://r.example/?" + "x" * 100 + "_token=1", "https://r.example/?" + "x" * 100 + "_token=[masked]"),
    ],
)
def test_secret_parameters(address, shown):
    """A parameter is secret by its name, however that is spelt; the rest of the address stays as it was."""
    assert without_secrets(address) == shown


def test_a_format_of_the_users_own(records):
    """A function of the hit makes the message."""
    record = logged(records, kind=lambda hit: f"{hit.status} after {hit.seconds}")
    assert record.getMessage() == "200 after 0.25"


def test_an_unknown_format_is_told():
    """The error says which formats there are."""
    with pytest.raises(weft.InvalidValue, match="'common', 'combined', 'json', or a function"):
        access.line_of("apache")
