"""What deliveries need and no job may carry: servers, secrets, addresses of channels. Known to the process alone."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from weft.errors import InvalidCall, InvalidValue
from weft.notify.signing import key_of

__all__ = ["DEFAULT", "Server", "Settings", "install", "settings", "use"]

DEFAULT = "default"
"""The name of the webhook secret that is taken where none is named."""

_CHANNEL = "WEFT_NOTIFY_CHANNEL_"
_HERE = {"localhost", "127.0.0.1", "::1"}
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server.

    Attributes:
        security: "smtp": none, "smtp+starttls", or "smtps": TLS from the first byte.
        sender: the address that mail is from, unless it says otherwise.
    """

    security: str
    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    trusted: str | None = None  # a file of certificates; None: the system's

    @classmethod
    def of(cls, url: str) -> "Server":
        """The server that a URL names: `smtp+starttls://user:password@host:587?from=shop@example.org`.

        Raises:
            InvalidValue: it names none.
        """
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        sender, trusted = query.pop("from", ""), query.pop("trusted", None)
        if (
            parts.scheme not in _PORTS
            or not parts.hostname
            or "@" not in sender
            or query
            or parts.path not in {"", "/"}
        ):
            raise InvalidValue(
                "this names no mail server: write smtp+starttls://user:password@host:587?from=shop@example.org "
                "(smtps:// for TLS from the start, smtp:// for none)"
            )
        user, password = (None if word is None else unquote(word) for word in (parts.username, parts.password))
        port = parts.port or _PORTS[parts.scheme]
        if password is not None and parts.scheme == "smtp" and parts.hostname not in _HERE:
            raise InvalidValue("the password would travel in clear: write smtp+starttls:// or smtps://")
        return cls(parts.scheme, parts.hostname, port, sender, user, password, trusted)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it. Frozen."""

    smtp: Server | None = None
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    channels: Mapping[str, str] = field(default_factory=dict, repr=False)
    templates: str | os.PathLike[str] | Mapping[str, str] | None = None
    allow: tuple[str, ...] = ()
    per_receiver: int | None = None

    def server(self) -> Server:
        """The mail server.

        Raises:
            InvalidCall: none is known.
        """
        if self.smtp is None:
            raise InvalidCall(
                "no mail server is known in this process: write weft.notify.use(smtp=...), or set WEFT_SMTP, where the "
                "worker starts as well"
            )
        return self.smtp

    def secrets_of(self, name: str) -> tuple[str, ...]:
        """The secrets of this name, the newest first.

        Raises:
            InvalidCall: there are none.
        """
        if name not in self.secrets:
            raise InvalidCall(
                f"no webhook secret {name!r} is known in this process: write weft.notify.use(secrets={{{name!r}: ...}})"
            )
        return self.secrets[name]

    def channel(self, name: str) -> str:
        """The address of a channel.

        Raises:
            InvalidCall: there is none.
        """
        if name not in self.channels:
            known = ", ".join(sorted(self.channels)) or "none"
            raise InvalidCall(
                f"no channel {name!r} is known in this process (known: {known}): write "
                "weft.notify.use(channels={...})"
            )
        return self.channels[name]


def _of_environment() -> Settings:
    given = {
        "smtp": _read("WEFT_SMTP", Server.of),
        "secrets": _read("WEFT_WEBHOOK_SECRET", lambda words: {DEFAULT: _secrets(words.split())}),
        "templates": os.environ.get("WEFT_NOTIFY_TEMPLATES"),
        "allow": _read(
            "WEFT_NOTIFY_ALLOW", lambda words: tuple(each.strip() for each in words.split(",") if each.strip())
        ),
        "per_receiver": _read("WEFT_NOTIFY_PER_RECEIVER", lambda words: _at_least_one(_number(words))),
    }
    channels = {
        name.removeprefix(_CHANNEL).lower(): url for name, url in os.environ.items() if name.startswith(_CHANNEL)
    }
    return Settings(channels=channels, **_without_none(given))


def _read(variable: str, reader: Callable[[str], Any]) -> Any:
    words = os.environ.get(variable)
    try:
        return None if words is None else reader(words)
    except InvalidValue as error:
        raise InvalidValue(f"{variable} in the environment: {error}") from error


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


_settings: Settings | None = None


def settings() -> Settings:
    """Those of this process, from the environment where nothing else was said. Any thread."""
    global _settings
    if _settings is None:
        _settings = _of_environment()
    return _settings


def install(new: Settings) -> None:
    """Take over the settings of the process that this one was started by."""
    global _settings
    _settings = new


def use(
    *,
    smtp: str | None = None,
    secrets: Mapping[str, str | Sequence[str]] | None = None,
    channels: Mapping[str, str] | None = None,
    templates: str | os.PathLike[str] | Mapping[str, str] | None = None,
    allow: Sequence[str] | None = None,
    per_receiver: int | None = None,
) -> None:
    """Say how notifications leave this process. What is not given stays as it is; call it where workers start, too.

    What nobody has said is taken from the environment, when the first notification needs it.

    Args:
        smtp: the mail server: `smtp+starttls://user:password@host:587?from=shop@example.org`; `smtps://` for TLS from
            the start, `smtp://` for none. Else WEFT_SMTP.
        secrets: name -> webhook secret, as in `whsec_MfKQ9r8G...`, or several while they change, the newest first.
            Else WEFT_WEBHOOK_SECRET is the one called "default", or several of them with spaces between.
        channels: name -> Apprise's URL of a service. Else each WEFT_NOTIFY_CHANNEL_OPS is one, called "ops".
        templates: the folder of templates, or name -> template. Else the folder WEFT_NOTIFY_TEMPLATES.
        allow: networks and hosts that webhooks may go to although they are private: ["10.1.0.0/16"]. Else
            WEFT_NOTIFY_ALLOW, with commas between.
        per_receiver: deliveries that are under way at once from this process to one host of webhooks, or to one
            channel. What is more waits in the store, and is charged no attempt. Else WEFT_NOTIFY_PER_RECEIVER, or no
            bound but the slots of the queue: to put a delivery off costs more than to make one that is taken at once.

    Raises:
        InvalidValue: a URL or a secret is none, here or in the environment, or nothing could ever be delivered.
    """
    global _settings
    given: dict[str, Any] = {
        "smtp": None if smtp is None else Server.of(smtp),
        "secrets": None if secrets is None else {name: _secrets(given) for name, given in secrets.items()},
        "channels": None if channels is None else dict(channels),
        "templates": templates,
        "allow": None if allow is None else tuple(allow),
        "per_receiver": None if per_receiver is None else _at_least_one(per_receiver),
    }
    _settings = replace(settings(), **_without_none(given))


def _secrets(given: str | Sequence[str]) -> tuple[str, ...]:
    found = (given,) if isinstance(given, str) else tuple(given)
    for secret in found or ("",):  # with none at all, a webhook would be signed by nobody
        key_of(secret)
    return found


def _at_least_one(given: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InvalidValue(f"per_receiver={given!r} lets nothing be delivered: write a whole number, 1 or more")
    return given


def _number(words: str) -> int:
    return int(words) if words.isdecimal() else 0
