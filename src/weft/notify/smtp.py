"""Mail to a server, over connections that are kept: to make one takes longer than to send over it.

`smtplib` of the standard library, on a worker's threads: it is as old as the protocol's pitfalls, and knows them.
"""

import os
import select
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from email.message import EmailMessage
from typing import NamedTuple

from weft.clock import now
from weft.executors.exits import at_exit, mind_exit
from weft.notify.settings import Server
from weft.runtime.cutting import Cut, cut_off

__all__ = ["Delivered", "close_all", "deliver"]

_PATIENCE = 30.0  # seconds for each answer of the server's
_LONGEST = 240.0  # seconds for a mail, however it comes to them: a server may send a byte now and then
_KEPT = 20.0  # seconds for which a connection is kept unused
_FRESH = 1.0  # seconds after a mail: who has answered just now is not asked whether it lives
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
    """Send it to these addresses, which have no names and come once each. Blocks.

    Raises:
        smtplib.SMTPException: the server would not take it.
        OSError: there is no such server, it says nothing, or it takes more than four minutes.
    """
    used: list[smtplib.SMTP] = []  # the last of them is in use
    with cut_off(lambda: _hang_up(used[-1]), _LONGEST) as cut:
        try:
            connection = _ready(server, used, cut)
            answers = _sent(connection, message, to)
        except BaseException as error:
            for each in used:
                each.close()
            if cut.made:
                raise TimeoutError(f"{server.host} took more than {_LONGEST:g} s for a mail") from error
            raise
    _keep(server, connection)
    later = [address for address, (code, _) in answers.items() if code in _TEMPORARY]
    refused = {address: _words(*answer) for address, answer in answers.items() if address not in later}
    return Delivered(later, refused)


def _sent(connection: smtplib.SMTP, message: EmailMessage, recipients: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    try:
        return connection.send_message(message, to_addrs=recipients)
    except smtplib.SMTPRecipientsRefused as error:
        if len(error.recipients) < len(recipients):
            raise  # it has ended the conversation among them: those whom it had accepted have got nothing either
        return error.recipients


def _ready(server: Server, used: list[smtplib.SMTP], cut: Cut) -> smtplib.SMTP:
    while (found := _kept(server)) is not None:
        used.append(found.connection)
        if now() - found.since < _KEPT and _lives(found):
            return found.connection
        found.connection.close()
        if cut.made:
            raise TimeoutError
    used.append(_new(server))
    _connect(used[-1], server)
    return used[-1]


def _kept(server: Server) -> _Idle | None:
    with _lock:
        _after_fork()
        found = next((each for each in reversed(_idle) if each.server == server), None)
        if found is not None:
            _idle.remove(found)
        return found


def _lives(found: _Idle) -> bool:
    connection = found.connection
    if now() - found.since < _FRESH and not _has_word(connection):
        return True
    try:
        return connection.noop()[0] == 250  # noqa: PLR2004 - "OK", RFC 5321
    except (OSError, smtplib.SMTPException):
        return False


def _has_word(connection: smtplib.SMTP) -> bool:
    # Of a server that ends a conversation there is something to be read: its 421, or the end itself.
    if connection.sock is None:
        return True
    waiting = select.poll()
    waiting.register(connection.sock, select.POLLIN)
    return bool(waiting.poll(0))


def _new(server: Server) -> smtplib.SMTP:
    connection: smtplib.SMTP
    if server.security == "smtps":
        connection = smtplib.SMTP_SSL(timeout=_PATIENCE, context=_trust(server))
    else:
        connection = smtplib.SMTP(timeout=_PATIENCE)
    # What its __init__ keeps for TLS to check the certificate against; it would connect, too, and nobody could hang up.
    connection._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001
    return connection


def _connect(connection: smtplib.SMTP, server: Server) -> None:
    code, words = connection.connect(server.host, server.port)
    if code != 220:  # noqa: PLR2004 - "ready", RFC 5321
        raise smtplib.SMTPConnectError(code, words)
    if server.security == "smtp+starttls":
        connection.starttls(context=_trust(server))
    if server.user is not None:
        connection.login(server.user, server.password or "")


def _trust(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.trusted)


def _hang_up(connection: smtplib.SMTP) -> None:
    # Whoever reads from it is told that there is no more; `close` would not wake them.
    if connection.sock is not None:
        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


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
