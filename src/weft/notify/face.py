"""What an application says: tell somebody something, some time soon."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from weft.clock import wall
from weft.errors import InvalidValue
from weft.http.errors import InvalidURL
from weft.http.url import target
from weft.jobs.declaring import Job
from weft.jobs.handles import Handle
from weft.notify.deliveries import deliver_email, deliver_to_channel, deliver_webhook
from weft.notify.messages import Mail, addresses
from weft.notify.settings import DEFAULT, settings
from weft.notify.templates import rendered
from weft.uploads.records import Upload

__all__ = ["email", "send", "webhook"]


def email(
    to: str | Sequence[str],
    *,
    cc: str | Sequence[str] = (),
    bcc: str | Sequence[str] = (),
    subject: str = "",
    text: str = "",
    html: str | None = None,
    template: str | None = None,
    values: Mapping[str, Any] | None = None,
    sender: str | None = None,
    reply_to: str | None = None,
    headers: Mapping[str, str] | None = None,
    attachments: Upload | Sequence[Upload] = (),
    delay: float = 0.0,
    dedupe: str | None = None,
) -> Handle[dict[str, str]]:
    """Have a mail sent. It is stored when this returns; in async code, when it has been awaited.

    The job's result is whom the server has refused for good, with its words.

    Args:
        to: one address, or several; each of them sees the others.
        cc: further ones, whom everybody sees.
        bcc: further ones, whom nobody sees.
        subject: what it is about.
        text: what it says.
        html: the same, for those who see HTML.
        template: all three, from a template; see `use`.
        values: what to fill in there.
        sender: None: as the server's setting says.
        reply_to: who is to have the answer.
        headers: further header fields.
        attachments: one or several files in the storage of uploads, up to 15 MB together. They are read when the mail
            is sent: keep them until the job has ended, and tell the worker's process where they are
            (`weft.uploads.use`).
        delay: seconds before which it is not sent.
        dedupe: a second mail with this key to the same recipients is not sent, as long as the first is known.

    Raises:
        InvalidValue: an address is none, there is no text, a line break in a header field, a template's value missing,
            attachments too large for mail.
        InvalidCall: an attachment is no upload.
        StoreError: it could not be stored.
    """
    texts = {"subject": subject, "text": text, "html": html}
    if template is not None:
        texts = {**texts, **rendered(settings().templates, template, values or {})}
    mail = Mail(
        addresses(to), texts["subject"] or "", texts["text"] or "", texts["html"], sender, reply_to,
        dict(headers or {}), cc=addresses(cc), bcc=addresses(bcc),
        attachments=(attachments,) if isinstance(attachments, Upload) else tuple(attachments),
    )  # fmt: skip
    return _adjusted(deliver_email, "email", delay, dedupe, *sorted(mail.recipients)).enqueue(mail)


def webhook(
    url: str, event: str, payload: Any, *, secret: str = DEFAULT, delay: float = 0.0, dedupe: str | None = None
) -> Handle[int]:
    """Have an event posted to a receiver, signed as Standard Webhooks has it, until it is taken: for three days.

    Args:
        url: the receiver's. What lies in a private network is refused at delivery, and redirects are not followed.
        event: its type, as in "order.sent".
        payload: what JSON can carry.
        secret: the name of the secret to sign it with.
        delay: seconds before which it is not sent.
        dedupe: a second event with this key to the same receiver is not sent, as long as the first is known.

    Raises:
        InvalidValue: the URL cannot be called, or holds a password.
        NotSerializable: the payload is nothing that JSON can carry.
        StoreError: it could not be stored.
    """
    try:
        where = target(url)
    except InvalidURL as error:
        raise InvalidValue(f"{url!r} is no receiver's address: write https://partner.example/hooks") from error
    if "@" in where.url.partition("://")[2].partition("/")[0]:
        raise InvalidValue(
            "a receiver's address is stored, and so must hold no password: sign it with a secret instead"
        )
    at = datetime.fromtimestamp(wall(), UTC).isoformat()
    return _adjusted(deliver_webhook, "webhook", delay, dedupe, url).enqueue(url, event, payload, at, secret)


def send(channel: str, title: str, body: str = "", *, delay: float = 0.0, dedupe: str | None = None) -> Handle[None]:
    """Have a message sent by any service that Apprise reaches: Slack, Telegram, SMS and a hundred others.

    Args:
        channel: the name of its address; see `use`.
        title: what it is about.
        body: what it says.
        delay: seconds before which it is not sent.
        dedupe: a second message with this key to the same channel is not sent, as long as the first is known.

    Raises:
        StoreError: it could not be stored.
    """
    return _adjusted(deliver_to_channel, "send", delay, dedupe, channel).enqueue(channel, title, body)


def _adjusted(job: Job[..., Any], kind: str, delay: float, dedupe: str | None, *whom: str) -> Job[..., Any]:
    options: dict[str, Any] = {"delay": delay} if delay else {}
    if dedupe is not None:  # the key is of what is said to whom: the same order is told to the customer and to the shop
        options["idempotency_key"] = "\n".join((f"weft.notify.{kind}:{dedupe}", *whom))
    return job.using(**options) if options else job
