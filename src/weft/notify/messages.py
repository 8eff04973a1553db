"""Mail, as data that a job can carry, and as what goes over the wire. Pure."""

import mimetypes
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses, parseaddr

from weft.errors import InvalidCall, InvalidValue
from weft.uploads.records import Upload

__all__ = ["Mail", "addresses", "on_the_wire"]

_OURS = {
    "from", "to", "cc", "bcc", "subject", "message-id", "date", "content-type", "content-transfer-encoding",
    "mime-version",
}  # fmt: skip
_FIELD_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322, 2.2: no colon, no space
_MOST_ATTACHED = 15_000_000  # bytes, which are 20 MB on the wire: large mailboxes take 20 to 25


@dataclass(frozen=True, slots=True)
class Mail:
    """One message.

    Attributes:
        to: addresses, each as in "ada@example.org" or "Ada <ada@example.org>".
        sender: None: the one that the server's setting names.
        headers: further header fields, as in {"List-Unsubscribe": "<...>"}.
        id: None: made of the job's.
        cc: addresses that everybody sees.
        bcc: addresses that nobody sees.
        attachments: files in the storage of uploads, which are read when the mail is sent.
        only: whom it is sent to, of all who are named above; none: all of them.

    Raises:
        InvalidValue: an address is none, there is no text, a header field is none or would end before it ends, or
            the attachments are too large for mail.
        InvalidCall: an attachment is no upload.
    """

    to: tuple[str, ...]
    subject: str
    text: str = ""
    html: str | None = None
    sender: str | None = None
    reply_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    attachments: tuple[Upload, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def recipients(self) -> tuple[str, ...]:
        """Whom it is sent to: addresses without names, each once."""
        named = self.only or (*self.to, *self.cc, *self.bcc)
        return tuple(dict.fromkeys(parseaddr(each)[1] for each in named))

    def __post_init__(self) -> None:
        if not self.recipients:
            raise InvalidValue("the mail is to nobody: write to='ada@example.org', or several of them in a list")
        if not self.text and not self.html:
            raise InvalidValue("the mail says nothing: write text=..., html=... or both")
        for address in (*self.to, *self.cc, *self.bcc, self.sender, self.reply_to):
            if address is not None:
                _checked(address)
        _check_fields({"subject": self.subject, **self.headers})
        ours = _OURS if self.reply_to is None else {*_OURS, "reply-to"}
        taken = sorted(name for name in self.headers if name.lower() in ours)
        if taken:
            raise InvalidValue(f"header field {taken[0]!r} is made of what the mail says elsewhere: leave it out")
        _check_attachments(self.attachments)


def on_the_wire(
    mail: Mail, sender: str, uid: str, at: float, attached: Iterable[tuple[Upload, bytes]] = ()
) -> EmailMessage:
    """The message. Its id is the job's: who gets it twice can know."""
    made = EmailMessage(policy=SMTP)
    made["From"] = mail.sender or sender
    for name, named in (("To", mail.to), ("Cc", mail.cc)):
        if named:
            made[name] = ", ".join(named)
    made["Subject"] = mail.subject
    made["Date"] = formatdate(at)
    made["Message-ID"] = mail.id or f"<{uid}@{parseaddr(mail.sender or sender)[1].rpartition('@')[2]}>"
    if mail.reply_to is not None:
        made["Reply-To"] = mail.reply_to
    for name, value in mail.headers.items():
        made[name] = value
    made.set_content(mail.text or "This message is in HTML.")
    if mail.html is not None:
        made.add_alternative(mail.html, subtype="html")
    for upload, content in attached:
        main, _, sub = _type_of(upload).partition("/")
        made.add_attachment(content, maintype=main, subtype=sub, filename=upload.filename or upload.key)
    return made


def addresses(to: str | Sequence[str]) -> tuple[str, ...]:
    """One or several."""
    return (to,) if isinstance(to, str) else tuple(to)


def _type_of(upload: Upload) -> str:
    # Of what its own bytes have told, not of its name: a client has given that.
    return mimetypes.guess_type(f"file.{upload.format}")[0] or "application/octet-stream"


def _checked(address: str) -> None:
    name, found = parseaddr(address)
    try:
        Address(name, addr_spec=found)
    except (ValueError, IndexError, MessageError):
        found = ""
    # Of several in one text only the first would get it.
    if "@" not in found or _breaks(address) or len(getaddresses([address])) != 1:
        raise InvalidValue(f"{address!r} is no mail address: write 'ada@example.org' or 'Ada <ada@example.org>'")


def _check_fields(fields: Mapping[str, str]) -> None:
    for name, value in fields.items():
        if _breaks(name) or _breaks(value):
            raise InvalidValue(f"header field {name!r} has a line break, and could smuggle others in: take it out")
        if not _FIELD_NAME.fullmatch(name):
            raise InvalidValue(f"{name!r} names no header field, and could smuggle others in: write 'X-Order'")


def _check_attachments(attachments: Sequence[Upload]) -> None:
    for each in attachments:
        if not isinstance(each, Upload):
            raise InvalidCall(
                f"{each!r} cannot be attached: store it with weft.uploads, and write attachments=[upload]"
            )
        if _breaks(each.filename):
            raise InvalidValue(f"filename {each.filename!r} has a line break, and could smuggle header fields in")
    attached = sum(each.size for each in attachments)
    if attached > _MOST_ATTACHED:
        raise InvalidValue(
            f"the attachments have {attached / 1e6:.3g} MB, and mail takes {_MOST_ATTACHED / 1e6:.3g}: send a link"
        )


def _breaks(words: str) -> bool:
    """Whether `email` would see more than one line: it knows more ends of lines than CR and LF."""
    return "\0" in words or f"{words}." not in f"{words}.".splitlines()
