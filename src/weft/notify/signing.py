"""Signatures of webhooks, as Standard Webhooks 1.0.0 has them (https://www.standardwebhooks.com/). Pure.

The package `standardwebhooks` signs the same; the tests hold these few lines to what it does. It judges by its own
clock, and a header that is no signature makes it fail otherwise than by its own error.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from weft.clock import wall
from weft.errors import InvalidValue, WeftError

__all__ = ["SignatureRefused", "key_of", "signed", "verify"]

_TOLERANCE = 300.0  # seconds, as the standard has it
_STAMP = re.compile(r"[0-9]{1,15}")
_LEAST, _MOST = 24, 64  # bytes of a secret


class SignatureRefused(WeftError, ValueError):
    """The request is not from somebody who has the secret, or not from now: answer 400 or 401."""


def key_of(secret: str) -> bytes:
    """The bytes of a secret.

    Raises:
        InvalidValue: it is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not _LEAST <= len(key) <= _MOST:
        raise InvalidValue(
            f"a webhook secret is whsec_ and {_LEAST} to {_MOST} bytes in base64: make one with "
            "'whsec_' + base64.b64encode(secrets.token_bytes(32)).decode()"
        )
    return key


def signed(uid: str, at: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The header fields of a message: one signature for each secret, so that receivers can change theirs in turn."""
    content = f"{uid}.{at}.".encode() + body
    marks = [base64.b64encode(hmac.digest(key_of(secret), content, hashlib.sha256)).decode() for secret in secrets]
    return {
        "webhook-id": uid,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def verify(body: bytes, headers: Mapping[str, str], secret: str | Sequence[str], *, now: float | None = None) -> Any:
    """On the receiving side: the JSON of a webhook that one of the secrets has signed, at most 5 minutes ago.

    Keep `webhook-id` for some time, to know a message that comes again.

    Args:
        body: as it came, before anything was decoded.
        headers: those of the request; the case of their names does not matter.
        secret: ours, or several of them while they change.
        now: None: the clock's.

    Raises:
        SignatureRefused: nobody who has a secret has signed it, or it is too old or too young.
        InvalidValue: a secret is none.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    uid, at, marks = (fields.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not _STAMP.fullmatch(at) or abs((wall() if now is None else now) - int(at)) > _TOLERANCE:
        raise SignatureRefused("webhook-timestamp is missing, or more than 5 minutes away from now")
    secrets = [secret] if isinstance(secret, str) else list(secret)
    expected = signed(uid, int(at), body, secrets)["webhook-signature"].split(" ")
    given = [mark.encode() for mark in marks.split(" ")]
    if not any(hmac.compare_digest(mark, one.encode()) for mark in given for one in expected):
        raise SignatureRefused("webhook-signature is of nobody who has the secret")
    try:
        return json.loads(body)
    except ValueError as error:
        raise SignatureRefused(f"the body is no JSON: {error}") from error
