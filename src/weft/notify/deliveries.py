"""The three jobs. Their names and their arguments are kept in stores: change neither.

A worker that imports this module, or the application's that does, delivers: `weft worker weft.notify.deliveries`.
"""

import json
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

from weft.clock import wall
from weft.errors import Overloaded
from weft.http.api import stream
from weft.http.errors import GuardRefused, HTTPError, InvalidURL
from weft.http.guards import guard
from weft.http.url import target
from weft.jobs.context import current
from weft.jobs.declaring import job
from weft.jobs.errors import Discard
from weft.notify.breakers import Silent, attempt
from weft.notify.bulkheads import place
from weft.notify.messages import Mail, on_the_wire
from weft.notify.settings import Settings, install, settings
from weft.notify.signing import signed
from weft.notify.smtp import deliver
from weft.uploads.records import Upload
from weft.uploads.storing.storages import address, inherit, storage

__all__ = ["deliver_email", "deliver_to_channel", "deliver_webhook"]

SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further attempt at a webhook, as Standard Webhooks recommends: three days in all."""

_GONE = 410
_BUSY = {429, 503}
_PATIENCE = 15.0  # seconds for a receiver's answer
_LATEST = 86_400.0  # seconds: a receiver that asks for years would never hear of it again
_PERMANENT = range(500, 600)


@job(name="weft.notify.email", queue="email", retries=10, backoff=10.0, longest_backoff=7200.0, timeout=300.0)
def deliver_email(mail: Mail) -> dict[str, str]:
    """Send it; whom the server has refused for good, and its words. Those whom it wants later are sent to later.

    Raises:
        Discard: the server refuses it, or all recipients, for good.
    """
    server, recipients = settings().server(), mail.recipients
    message = on_the_wire(mail, server.sender, current().uid, wall(), map(_read, mail.attachments))
    try:
        found = deliver(server, message, recipients)
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        if error.smtp_code in _PERMANENT:
            raise Discard(f"{server.host} refuses the mail: {error.smtp_code} {error.smtp_error!r}") from error
        raise
    if len(found.refused) == len(recipients):
        raise Discard(f"{server.host} refuses all recipients: {found.refused}")
    if found.later:
        if len(found.later) == len(recipients):
            raise Overloaded(f"{server.host} takes no mail for {', '.join(found.later)} just now")
        rest = replace(mail, only=tuple(found.later), id=str(message["Message-ID"]))
        deliver_email.using(delay=60.0, idempotency_key=f"{current().uid}:rest").enqueue(rest)
    return found.refused


@job(name="weft.notify.webhook", queue="webhook", retries=len(SCHEDULE), timeout=60.0)
async def deliver_webhook(url: str, event: str, payload: Any, at: str, secret: str) -> int:
    """Post it; the status that the receiver has answered with.

    Raises:
        Discard: the receiver is gone for good, or an address that nothing may be sent to.
        Overloaded: it answered anything but 2xx, or not at all, now or the last time: again later.
        Snooze: as many as may be are under way to it: in a moment.
    """
    here = current()
    body = json.dumps({"type": event, "timestamp": at, "data": payload}, separators=(",", ":")).encode()
    headers = {
        "content-type": "application/json",
        "user-agent": "weft-notify",
        **signed(here.uid, int(wall()), body, settings().secrets_of(secret)),
    }
    again: float = SCHEDULE[min(here.attempt, len(SCHEDULE)) - 1]
    try:
        status, wanted = await _posted(url, body, headers)
    except (GuardRefused, InvalidURL) as error:
        raise Discard(f"nothing is sent there: {error}") from error
    except Silent as error:
        raise Overloaded(f"{url} did not answer just now, and was not asked again", retry_after=again) from error
    except HTTPError as error:
        raise Overloaded(f"{url} cannot be reached: {error}", retry_after=again) from error
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110
        return status
    if status == _GONE:
        raise Discard(f"{url} answers 410: nobody wants to hear there any more")
    if status in _BUSY:
        again = max(again, _asked_for(wanted))
    raise Overloaded(f"{url} answers {status}", retry_after=again)


@job(name="weft.notify.send", queue="notify", retries=6, backoff=10.0, timeout=120.0)
def deliver_to_channel(channel: str, title: str, body: str) -> None:
    """Hand it to Apprise.

    Raises:
        RuntimeError: the service did not take it.
        Snooze: as many as may be are under way to it: in a moment.
    """
    try:
        import apprise  # noqa: PLC0415 - heavy, and an extra
    except ImportError as missing:
        raise ImportError("weft.notify.send needs Apprise: run pip install 'weft[notify]'") from missing
    service = apprise.Apprise()
    if not service.add(settings().channel(channel)):
        raise Discard(f"Apprise knows no such address as that of channel {channel!r}")
    with place(f"channel {channel}", settings().per_receiver):
        # Apprise takes no message without a body.
        taken = service.notify(title=title, body=body) if body else service.notify(body=title)
    if not taken:
        raise RuntimeError(f"channel {channel!r} did not take the message; the log of Apprise says why")


async def _posted(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and Retry-After of the answer."""
    receiver = target(url).authority
    # In this order: the circuit breaker takes what leaves its block for an answer, unless it is told otherwise.
    with place(receiver, settings().per_receiver), attempt(receiver) as this:
        try:
            async with stream(
                "POST", url, data=body, headers=headers, guard=guard(allow=settings().allow), follow_redirects=False,
                timeout=_PATIENCE,
            ) as answer:  # fmt: skip
                return answer.status_code, answer.headers.get("retry-after", "")
        except (GuardRefused, InvalidURL):
            raise
        except HTTPError:
            this.unanswered = True
            raise


def _read(upload: Upload) -> tuple[Upload, bytes]:
    with storage().open(upload.key) as file:
        return upload, file.read()


def _asked_for(words: str) -> float:
    """Seconds of a Retry-After, which is a number or a date (RFC 9110, 10.2.3); 0 if it is neither."""
    try:
        seconds = float(words) if words.isdecimal() else parsedate_to_datetime(words).timestamp() - wall()
    except (ValueError, OverflowError):
        return 0.0
    return min(_LATEST, seconds)


def _settings_along() -> tuple[Callable[[Settings, str | None], None], tuple[Settings, str | None]]:
    # What was under way when its worker died runs in a process of its own, where no application has said anything.
    return _settle, (settings(), address())


def _settle(known: Settings, uploads: str | None) -> None:
    install(known)
    inherit(uploads)


deliver_email.brings = deliver_webhook.brings = deliver_to_channel.brings = _settings_along
