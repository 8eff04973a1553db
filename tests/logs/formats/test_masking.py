"""Secrets are found by the names of fields, and in texts by a filter."""

import logging
import sys
from unittest.mock import MagicMock

import pytest

from weft.logs.formats.masking import Mask, is_secret, masked, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "password", "Authorization", "proxy-authorization", "Cookie", "set-cookie", "access_token", "clientSecret",
        "X-Api-Key", "APIKey", "api_key", "csrfToken", "private_key", "password_hash", "user.passwd", "session_id",
        "password2", "password_confirmation", "authorization_header", "accesstoken", "HTTP_COOKIE",
        "x" * 100 + "_token",
    ],
)  # fmt: skip
def test_secrets_are_known_by_their_names(name):
    """However it is spelt, a name with the word for a secret in it is one."""
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "token_count",
        "cookie_domain",
        "password_changed_at",
        "tokens",
        "passwords_changed",
        "key",
        "secretary",
        "author",
        "",
        "compass",
    ],
)
def test_other_names_are_not_secret(name):
    """A word that only looks like one is none, nor is what is told of a secret."""
    assert not is_secret(name)


def test_only_the_values_of_secrets_are_masked():
    """Keys that are no text pass; the fields that were given stay as they are."""
    given = {"user": 1, "token": "x", 3: "y"}
    assert masked(given) == {"user": 1, "token": "[masked]", 3: "y"}
    assert given["token"] == "x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [masked]"),
        ("login with password=hunter2&user=a", "login with password=[masked]&user=a"),
        ('{"api_key": "s3cr3t", "a": 1}', '{"api_key": "[masked]", "a": 1}'),
        ("postgres://app:pa55@db/shop", "postgres://app:[masked]@db/shop"),
        ("DB_PASSWORD: x1", "DB_PASSWORD: [masked]"),
        ("Proxy-Authorization: Basic dXNlcjpwYXNzMQ==", "Proxy-Authorization: Basic [masked]"),
        ("basic configuration loaded", "basic configuration loaded"),
        ("nothing to hide: tokens are fine", "nothing to hide: tokens are fine"),
    ],
)
def test_secrets_in_texts_are_found(text, shown):
    """Tokens, passwords and the credentials of URLs are masked; the rest stays."""
    assert Mask()(text) == shown


def test_patterns_of_ones_own():
    """A group `secret` is masked, or all that is found, where there is none."""
    assert (
        Mask(r"\b\d{16}\b", r"pin (?P<secret>\d+)")("card 4111111111111111, pin 123") == "card [masked], pin [masked]"
    )


def test_the_filter_masks_messages_and_tracebacks():
    """Arguments become part of the masked message; a traceback is masked before anybody formats it."""
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        record = logging.LogRecord("a", 20, "p", 1, "token=%s", ("t0p",), sys.exc_info())
    assert Mask().filter(record)
    assert record.getMessage() == "token=[masked]"
    assert "hunter2" not in record.exc_text


def test_a_message_that_cannot_be_made_passes():
    """The filter leaves it to the formatter to say what is wrong."""
    assert Mask().filter(logging.LogRecord("a", 20, "p", 1, "%d", ("x",), None))


class Hostile(dict):
    def items(self):
        raise RuntimeError("changed meanwhile")


def test_masking_raises_nothing():
    """A value that cannot be looked into is not shown, since a secret may be in it."""
    assert masked({"a": Hostile(b=1)}) == {"a": "<Hostile that cannot be shown: RuntimeError>"}
    assert masked({"a": MagicMock()})["a"] is not None


def test_what_has_no_secret_is_itself():
    """Nothing is copied but what has to be changed."""
    given = {"a": [1, {"b": (2, 3)}]}
    assert without_secrets(given) is given
    assert without_secrets([given, {"token": 1}])[0] is given


@pytest.mark.parametrize("piece", ["a-", "a.", "http", "token ", "basic ", "://", "://a:", "Bearer ", "secret= "])
def test_the_time_to_search_grows_with_the_text(piece):
    """No text of a client's choosing takes the square of its length: 400 KB are done well within the timeout."""
    assert isinstance(Mask()(piece * (400_000 // len(piece))), str)
