"""Mail, as data that a job can carry, and as what goes over the wire. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses, parseaddr

from weft.errors import InvalidValue

__all__ = ["Mail", "addresses", "on_the_wire"]

_OURS = {"from", "to", "subject", "message-id", "date", "content-type", "content-transfer-encoding", "mime-version"}


@dataclass(frozen=True, slots=True)
class Mail:
    """One message.

    Attributes:
        to: addresses, each as in "ada@example.org" or "Ada <ada@example.org>".
        sender: None: the one that the server's setting names.
        headers: further header fields, as in {"List-Unsubscribe": "<...>"}.
        id: None: made of the job's.

    Raises:
        InvalidValue: an address is none, there is no text, or a header field would end before it ends.
    """

    to: tuple[str, ...]
    subject: str
    text: str = ""
    html: str | None = None
    sender: str | None = None
    reply_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None

    def __post_init__(self) -> None:
        if not self.to:
            raise InvalidValue("the mail is to nobody: write to='ada@example.org', or several of them in a list")
        if not self.text and not self.html:
            raise InvalidValue("the mail says nothing: write text=..., html=... or both")
        for address in (*self.to, self.sender, self.reply_to):
            if address is not None:
                _checked(address)
        for name, value in {"subject": self.subject, **self.headers}.items():
            if _breaks(name) or _breaks(value):
                raise InvalidValue(f"header field {name!r} has a line break, and could smuggle others in: take it out")
        taken = sorted(name for name in self.headers if name.lower() in _OURS)
        if taken:
            raise InvalidValue(f"header field {taken[0]!r} is made of what the mail says elsewhere: leave it out")


def on_the_wire(mail: Mail, sender: str, uid: str, at: float) -> EmailMessage:
    """The message. Its id is the job's: who gets it twice can know."""
    made = EmailMessage(policy=SMTP)
    made["From"] = mail.sender or sender
    made["To"] = ", ".join(mail.to)
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
    return made


def addresses(to: str | Sequence[str]) -> tuple[str, ...]:
    """One or several."""
    return (to,) if isinstance(to, str) else tuple(to)


def _checked(address: str) -> None:
    name, found = parseaddr(address)
    try:
        Address(name, addr_spec=found)
    except (ValueError, IndexError, MessageError):
        found = ""
    # Of several in one text only the first would get it.
    if "@" not in found or _breaks(address) or len(getaddresses([address])) != 1:
        raise InvalidValue(f"{address!r} is no mail address: write 'ada@example.org' or 'Ada <ada@example.org>'")


def _breaks(words: str) -> bool:
    """Whether `email` would see more than one line: it knows more ends of lines than CR and LF."""
    return "\0" in words or f"{words}." not in f"{words}.".splitlines()
