"""The two formats: text for people, JSON for machines."""

import json
import logging
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from weft.errors import InvalidValue
from weft.logs.context import bound
from weft.logs.formats.jsonlines import JsonFormatter
from weft.logs.formats.named import formatter_named
from weft.logs.formats.text import TextFormatter


def record_of(msg="text", args=(), error=None, stack=None, **extra):
    made = logging.getLogger("shop").makeRecord(
        "shop", logging.INFO, "/app/cart.py", 7, msg, args, error, "add", extra, stack
    )
    made.created = 1_764_036_924.1239
    return made


def parsed(record, **options):
    text = JsonFormatter(**options).format(record)
    assert "\n" not in text
    return json.loads(text)


def failure():
    try:
        raise ValueError("what")
    except ValueError:
        return sys.exc_info()


def test_text_shows_time_level_logger_message_and_fields(monkeypatch):
    """The line of the documentation, in local time with its offset."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    made = TextFormatter().format(record_of("added %d", (2,), item=3, note='two "words"', empty=""))
    monkeypatch.undo()
    time.tzset()
    assert made == (r'2025-11-25T02:15:24.123+00:00 INFO     shop added 2 item=3 note="two \"words\"" empty=""')


def test_colour_is_for_the_level_alone():
    """With colour, what a record says still cannot put a colour of its own."""
    made = TextFormatter(color=True).format(record_of("\x1b[31mred"))
    assert "\x1b[32mINFO    \x1b[0m" in made
    assert made.endswith(r"shop \x1b[31mred")


def test_json_shows_the_same_for_machines():
    """Time in UTC, level, logger, message, extra fields as values of their own kinds."""
    found = parsed(record_of("added %d", (2,), item=3, price=1.5, tags=["a", "b"], gift=True, none=None))
    assert found == {
        "time": "2025-11-25T02:15:24.123Z", "level": "INFO", "logger": "shop", "message": "added 2",
        "item": 3, "price": 1.5, "tags": ["a", "b"], "gift": True, "none": None,
    }  # fmt: skip


def test_an_error_is_an_object_in_json():
    """Type, message and stack, the traceback in one string; a stack that was asked for stands beside."""
    found = parsed(record_of(error=failure()))["exception"]
    assert (found["type"], found["message"]) == ("ValueError", "what")
    assert found["stack"].startswith("Traceback (most recent call last):\n")
    assert parsed(record_of(stack="Stack:\n  here"))["stack"] == "Stack:\n  here"


def test_fixed_fields_and_the_caller_can_be_had():
    """`fields` are in every line, `caller` says where it was logged."""
    found = parsed(record_of(), fields={"service": "shop", "api_key": "x"}, caller=True)
    assert (found["service"], found["api_key"]) == ("shop", "[masked]")
    assert (found["file"], found["line"], found["function"]) == ("/app/cart.py", 7, "add")


def test_a_field_cannot_take_the_place_of_another():
    """An extra field that is called as one of the format's own gets an underscore."""
    assert parsed(record_of(time="noon", level=3))["time_"] == "noon"


def test_no_name_occurs_twice():
    """Fixed fields give way to those of the record, the caller's do not; parsers disagree about names that repeat."""
    formatter = JsonFormatter(fields={"service": "a", "time_": 0}, caller=True)
    made = formatter.format(record_of(service="b", file="x", time="noon", **{"1": 1}))
    names = [name for name, _ in json.loads(made, object_pairs_hook=list)]
    assert len(names) == len(set(names))
    found = json.loads(made)
    assert (found["service"], found["file_"], found["time_"], found["time__"]) == ("b", "x", 0, "noon")


def test_a_field_cannot_forge_another_in_text():
    """A name has neither spaces nor equals signs; nested values are JSON, whole."""
    made = TextFormatter().format(record_of(**{"a b=1 c": 2}, items=list(range(20)), odd=[float("nan"), Odd()]))
    assert " a_b_1_c=2 items=[0,1,2," in made
    assert ",19] odd=" in made
    assert r"\"nan\"" in made


HEADERS = [
    {"Authorization": "hunter2", "Accept": "all"},
    [("authorization", "hunter2"), ("accept", "all")],
    [[b"authorization", b"hunter2"], [b"accept", b"all"]],
    {b"authorization": b"hunter2", b"accept": b"all"},
    Headers({"Authorization": "hunter2", "Accept": "all"}),
    {"deep": {"deeper": ({"api_key": "hunter2", "accept": "all"},)}},
]


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize("headers", HEADERS, ids=["dict", "WSGI", "ASGI", "bytes", "werkzeug", "nested"])
def test_secrets_are_masked_at_any_depth(formatter, headers):
    """Headers in all the forms in which frameworks have them; what is no secret stays."""
    made = formatter.format(record_of(headers=headers))
    assert "hunter2" not in made
    assert "[masked]" in made
    assert "all" in made


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_fields_of_the_context_are_in_every_line(formatter):
    """What is bound is shown, a field of the call wins, and secrets are masked in both."""
    with bound(request_id="4f1a", token="t0p", user=1):
        made = formatter.format(record_of(user=2, nested={"password": "hunter2", "a": [1]}))
    assert "4f1a" in made
    assert "t0p" not in made
    if isinstance(formatter, JsonFormatter):
        found = json.loads(made)
        assert (found["request_id"], found["user"]) == ("4f1a", 2)
        assert found["nested"] == {"password": "[masked]", "a": [1]}
    assert "4f1a" not in formatter.format(record_of())


class Odd:
    def __str__(self):
        raise RuntimeError


def circle():
    made = []
    made.extend([made] * 5)
    return made


ANY_TEXT = st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def without_repetition(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@given(message=ANY_TEXT, name=st.text(min_size=1), value=VALUES)
def test_json_is_json_whatever_it_is_given(message, name, value):
    """Any text and any value: one line, strict JSON, with nothing in it that a terminal could take for a command."""
    made = JsonFormatter().format(record_of("%s", (message,), **{f"x{name}": value}))
    found = dict(json.loads(made, parse_constant=pytest.fail, object_pairs_hook=without_repetition))
    assert found["message"].encode("utf-8", "backslashreplace") == message.encode("utf-8", "backslashreplace")
    assert not [character for character in made if not character.isprintable()]
    assert made.encode("utf-8")  # without a lone surrogate


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"), (float("inf"), "inf"), (b"bytes", "bytes"), (b"\xff", "b'\\xff'"), ({1: 2}, {"1": 2}),
        ({1}, [1]),
        (Odd(), "<Odd that cannot be shown: RuntimeError>"), (2**70, 2**70),
        ({"a": {"b": float("nan")}}, {"a": {"b": "nan"}}),
    ],
)  # fmt: skip
def test_values_that_json_does_not_know_are_text(value, shown):
    """Not a number, bytes, sets, objects: shown as text or as the nearest thing."""
    found = parsed(record_of(value=value))["value"]
    assert found == shown or str(found).startswith("<")


def nested(depth):
    made = {"password": "hunter2"}
    for _ in range(depth):
        made = {"a": made}
    return made


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize(
    "value", [circle(), nested(30), 10**5000], ids=["a list that holds itself five times", "deep", "many digits"]
)
def test_endless_values_end(formatter, value):
    """What holds itself, what is too deep to look into, and a number that Python does not write, do no harm."""
    made = formatter.format(record_of(value=value))
    assert "text" in made
    assert len(made) < 2000
    assert "hunter2" not in made


def test_an_unknown_name_is_refused():
    """The error names the formats there are."""
    with pytest.raises(InvalidValue, match="'text', 'json', 'console'"):
        formatter_named("xml")
