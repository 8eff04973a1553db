"""Mail to a server, over connections that are kept: to make one takes longer than to send over it.

`smtplib` of the standard library, on a worker's threads: it is as old as the protocol's pitfalls, and knows them.
"""

import os
import smtplib
import ssl
import threading
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import parseaddr
from typing import NamedTuple

from weft.clock import now
from weft.executors.exits import at_exit, mind_exit
from weft.notify.settings import Server

__all__ = ["Delivered", "close_all", "deliver"]

_PATIENCE = 30.0  # seconds for each answer of the server's
_KEPT = 20.0  # seconds for which a connection is kept unused
_MOST = 32  # connections kept

_TEMPORARY = range(400, 500)


class Delivered(NamedTuple):
    """What the server has said of each recipient.

    Attributes:
        later: those whom it would not take just now.
        refused: those whom it will never take, and its words.
    """

    later: list[str]
    refused: dict[str, str]


class _Idle(NamedTuple):
    since: float
    server: Server
    connection: smtplib.SMTP


_lock = threading.Lock()
_idle: list[_Idle] = []
_owner = os.getpid()


def deliver(server: Server, message: EmailMessage, to: Sequence[str]) -> Delivered:
    """Send it. Blocks.

    Raises:
        smtplib.SMTPException: the server would not take it.
        OSError: there is no such server, or it says nothing.
    """
    connection = _taken(server)
    try:
        recipients = [parseaddr(address)[1] for address in to]
        try:
            answers = connection.send_message(message, to_addrs=recipients)
        except smtplib.SMTPRecipientsRefused as error:
            answers = error.recipients
    except BaseException:
        connection.close()
        raise
    _keep(server, connection)
    later = [address for address, (code, _) in answers.items() if code in _TEMPORARY]
    refused = {address: _words(*answer) for address, answer in answers.items() if address not in later}
    return Delivered(later, refused)


def _taken(server: Server) -> smtplib.SMTP:
    while True:
        with _lock:
            _after_fork()
            found = next((each for each in reversed(_idle) if each.server == server), None)
            if found is None:
                break
            _idle.remove(found)
        if now() - found.since < _KEPT and _lives(found.connection):
            return found.connection
        found.connection.close()
    return _connected(server)


def _lives(connection: smtplib.SMTP) -> bool:
    try:
        return connection.noop()[0] == 250  # noqa: PLR2004 - "OK", RFC 5321
    except (OSError, smtplib.SMTPException):
        return False


def _connected(server: Server) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=server.trusted)
    connection: smtplib.SMTP
    if server.security == "smtps":
        connection = smtplib.SMTP_SSL(server.host, server.port, timeout=_PATIENCE, context=context)
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=_PATIENCE)
    try:
        if server.security == "smtp+starttls":
            connection.starttls(context=context)
        if server.user is not None:
            connection.login(server.user, server.password or "")
    except BaseException:
        connection.close()
        raise
    return connection


def _keep(server: Server, connection: smtplib.SMTP) -> None:
    with _lock:
        _idle.append(_Idle(now(), server, connection))
        crowd = _idle[:-_MOST]
        del _idle[:-_MOST]
    mind_exit()
    for each in crowd:
        each.connection.close()


def _after_fork() -> None:
    # With the lock. What a parent had is the parent's.
    global _owner
    if _owner != os.getpid():
        _owner = os.getpid()
        _idle.clear()


def close_all() -> None:
    """Let go of all connections that are not in use."""
    with _lock:
        _after_fork()
        found = list(_idle)
        _idle.clear()
    for each in found:
        each.connection.close()


def _words(code: int, answer: bytes) -> str:
    return f"{code} {answer.decode('utf-8', 'replace')}"


at_exit(close_all)
