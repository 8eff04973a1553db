"""Mail by SMTP, to a real server."""

import asyncio
import email
import json
import smtplib
from email import policy

import pytest

import weft
from weft.jobs.lifecycle import State
from weft.notify import smtp
from weft.notify.deliveries import deliver_email
from weft.notify.settings import Server, settings
from weft.runtime import cutting
from weft.testing.notify import notifications
from weft.uploads.storing import storages

TO = "Ada <ada@example.org>"


def states(store):
    return [record.state for record in store.enqueued()]


def parsed(text):
    return email.message_from_string(text, policy=policy.default)


def test_a_mail_is_stored_and_then_sent(store, mailbox, mail_server):
    """Text and HTML, with an id that is the job's, and a date; nothing is sent where it is asked for."""
    handle = weft.notify.email(
        TO, subject="Grüße", text="Hello", html="<p>Hello", reply_to="help@example.org", headers={"X-Order": "42"}
    )
    assert mailbox.messages == []
    store.drain()
    ((recipients, text),) = mailbox.messages
    found = parsed(text)
    assert recipients == ["ada@example.org"]
    assert (found["From"], found["To"], found["Subject"]) == ("shop@example.org", TO, "Grüße")
    assert (found["Message-ID"], found["Reply-To"], found["X-Order"]) == (
        f"<{handle.uid}@example.org>", "help@example.org", "42",
    )  # fmt: skip
    assert found["Date"]
    assert found.get_body(("plain",)).get_content().strip() == "Hello"
    assert found.get_body(("html",)).get_content().strip() == "<p>Hello"
    assert handle.result() == {}


def test_async_code_awaits_that_it_is_stored(store, mailbox, mail_server):
    """As with all jobs."""

    async def main():
        return await weft.notify.email(TO, subject="s", text="t")

    handle = asyncio.run(main())
    store.drain()
    assert handle.status() is State.COMPLETED


def test_a_connection_serves_many_mails(store, mailbox, mail_server):
    """To make one takes longer than to send over it."""
    for number in range(20):
        weft.notify.email(TO, subject=str(number), text="t")
    store.drain()
    assert len(mailbox.messages) == 20
    assert mailbox.connections <= 4  # as many as threads


def test_a_connection_that_was_used_just_now_is_not_asked(store, mailbox, mail_server, monkeypatch):
    """A round trip less for each mail; after a while it is asked whether it lives."""
    time = 1000.0
    monkeypatch.setattr(smtp, "now", lambda: time)
    for time, asked in ((1000.0, 0), (1000.9, 0), (1002.0, 1), (1002.1, 1)):
        weft.notify.email(TO, subject=str(time), text="t")
        store.drain()
        assert (mailbox.asked, mailbox.connections) == (asked, 1)


def test_tls_and_a_password(store, mailbox, tls_server):
    """`smtp+starttls://`; the password is in no job, and in no repr."""
    place, trusted = tls_server
    url = f"smtp+starttls://shop:s3%20cret@{place}?from=shop@example.org&trusted={trusted}"
    weft.notify.use(smtp=url)
    weft.notify.email(TO, subject="s", text="t")
    store.drain()
    assert len(mailbox.messages) == 1
    assert "s3 cret" not in repr(settings())
    assert all("cret" not in record.arguments for record in store.enqueued())


def test_a_certificate_that_nobody_trusts_is_refused(store, mailbox, tls_server):
    """Nothing is sent, not even the password; the job waits for another time."""
    weft.notify.use(smtp=f"smtp+starttls://shop:s3%20cret@{tls_server[0]}?from=shop@example.org")
    weft.notify.email(TO, subject="s", text="t")
    store.drain()
    (record,) = store.enqueued()
    assert record.state is State.RETRYABLE
    assert "CERTIFICATE_VERIFY_FAILED" in record.error
    assert mailbox.messages == []


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ({"data": ["451 later"]}, State.RETRYABLE),
        ({"data": ["drop"]}, State.RETRYABLE),
        ({"ada@example.org": ["450 greylisted"]}, State.RETRYABLE),
        ({"data": ["554 spam"]}, State.DISCARDED),
        ({"ada@example.org": ["550 no such user"]}, State.DISCARDED),
    ],
)
def test_what_the_server_refuses(store, mailbox, mail_server, answers, state):
    """4xx and lost connections are tried again, and then it is sent; 5xx is given up at once."""
    mailbox.answers.update(answers)
    weft.notify.email(TO, subject="s", text="t")
    store.drain()
    assert states(store) == [state]
    store.advance(7200)
    store.drain()
    assert len(mailbox.messages) == (1 if state is State.RETRYABLE else 0)


def test_those_who_are_refused_for_now_get_it_later_and_the_others_once(store, mailbox, mail_server):
    """Of three recipients one is accepted, one put off, one unknown: nobody gets it twice."""
    mailbox.answers.update({"b@example.org": ["450 later"], "c@example.org": ["550 unknown"]})
    handle = weft.notify.email(["a@example.org", "b@example.org", "c@example.org"], subject="s", text="t")
    store.drain()
    store.advance(61)
    store.drain()
    assert [recipients for recipients, _ in mailbox.messages] == [["a@example.org"], ["b@example.org"]]
    assert handle.result() == {"c@example.org": "550 unknown"}


def test_a_server_that_ends_the_conversation_among_the_recipients_has_sent_to_nobody(store, mailbox, mail_server):
    """421 to the second of three: the first was accepted, and yet got nothing. All get it later."""
    mailbox.answers["b@example.org"] = ["421 going down"]
    handle = weft.notify.email(["a@example.org", "b@example.org", "c@example.org"], subject="s", text="t")
    store.drain()
    assert (handle.status(), mailbox.messages) == (State.RETRYABLE, [])
    store.advance(7200)
    store.drain()
    assert [recipients for recipients, _ in mailbox.messages] == [["a@example.org", "b@example.org", "c@example.org"]]


def test_who_is_named_twice_gets_it_once_and_later_if_put_off(store, mailbox, mail_server):
    """As in `to` and `cc`: smtplib would not see that all are put off, and send to nobody, refused for good."""
    mailbox.answers["a@example.org"] = ["450 later", "450 later"]
    handle = weft.notify.email("a@example.org", cc="Ada <a@example.org>", subject="s", text="t")
    store.drain()
    assert handle.status() is State.RETRYABLE
    mailbox.answers.clear()
    store.advance(7200)
    store.drain()
    assert [recipients for recipients, _ in mailbox.messages] == [["a@example.org"]]


def test_a_server_that_hangs_holds_nobody_up(store, mailbox, mail_server, monkeypatch):
    """The wait for its answer has an end; then the mail waits for another try."""
    monkeypatch.setattr(smtp, "_PATIENCE", 0.2)
    mailbox.answers["data"] = ["hang"]
    weft.notify.email(TO, subject="s", text="t")
    store.drain()
    assert states(store) == [State.RETRYABLE]
    assert "timed out" in store.enqueued()[0].error


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_server_that_sends_a_byte_now_and_then_holds_nobody_up(store, dripping, monkeypatch, when):
    """Each of its bytes is in time: the mail as a whole has an end as well, also over a connection that was kept."""
    if when == "later":
        dripping.polite.set()
        weft.notify.email(TO, subject="s", text="t")
        store.drain()
        dripping.polite.clear()
    monkeypatch.setattr(smtp, "_LONGEST", 0.3)
    handle = weft.notify.email(TO, subject="s", text="t")
    store.drain()
    assert handle.status() is State.RETRYABLE
    assert "took more than 0.3 s for a mail" in handle.record().error


def test_the_end_of_the_time_is_not_missed_where_tls_begins(store, slow_handshake, monkeypatch):
    """There is no socket to be shut down in the handshake: it is tried again afterwards."""
    hang_up = smtp._hang_up

    def hanging_up(connection):
        try:
            hang_up(connection)
        finally:
            slow_handshake.cut.set()

    monkeypatch.setattr(smtp, "_hang_up", hanging_up)
    monkeypatch.setattr(smtp, "_LONGEST", 0.3)
    monkeypatch.setattr(cutting, "_AGAIN", 0.1)
    handle = weft.notify.email(TO, subject="s", text="t")
    store.drain()
    assert handle.status() is State.RETRYABLE
    assert "took more than 0.3 s for a mail" in handle.record().error


def test_no_server_at_all(store):
    """A refused connection is tried again; a server that nobody has named is told, with what to write."""
    weft.notify.use(smtp="smtp://127.0.0.1:9?from=shop@example.org")
    weft.notify.email(TO, subject="s", text="t")
    store.drain()
    assert "Connection refused" in store.enqueued()[0].error
    from weft.notify import settings as module

    module._settings = None
    weft.notify.email(TO, subject="s", text="t")
    store.drain()
    assert "write weft.notify.use(smtp=...), or set WEFT_SMTP" in store.enqueued()[1].error


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"to": []}, "to nobody"),
        ({"to": "nobody"}, "is no mail address"),
        ({"to": "a@example.org\r\nBcc: b@example.org"}, "is no mail address"),
        ({"to": "a@example.org, b@example.org"}, "is no mail address"),
        ({"to": "Doe, Ada <a@example.org>"}, "is no mail address"),
        *(({"subject": f"a{end}b"}, "could smuggle others in") for end in "\r\v\f\x1c\x85\u2028\0"),
        *(({"to": f"Ada{end}B <a@example.org>"}, "is no mail address") for end in "\v\x85\u2028"),
        ({"subject": "a\n"}, "could smuggle others in"),
        ({"text": ""}, "says nothing"),
        ({"subject": "a\nBcc: b@example.org"}, "could smuggle others in"),
        ({"headers": {"X-A": "a\r\nBcc: b@example.org"}}, "could smuggle others in"),
        ({"headers": {"From": "b@example.org"}}, "'From' is made of what the mail says"),
        ({"headers": {"Bcc: b@example.org, X": "a"}}, "names no header field"),
        *(({"headers": {name: "a"}}, "names no header field") for name in ("", "Bcc ", "Ä", "X A")),
        ({"headers": {"Reply-To": "b@example.org"}, "reply_to": "c@example.org"}, "'Reply-To' is made of what"),
        *(({kind: "a@example.org\nTo: b@example.org"}, "is no mail address") for kind in ("cc", "bcc", "reply_to")),
        *(({"attachments": weft.Upload("k", 1, "", filename=f"a{end}b")}, "smuggle") for end in "\r\n\v\u2028\0"),
        *(({"attachments": [each]}, "cannot be attached") for each in ("/etc/passwd", b"PDF")),
        ({"reply_to": "x"}, "is no mail address"),
    ],
)
def test_bad_mail_is_refused_where_it_is_asked_for(store, given, told):
    """Nothing is stored."""
    with pytest.raises((weft.InvalidValue, weft.InvalidCall), match=told):
        weft.notify.email(**{"to": TO, "subject": "s", "text": "t", **given})
    assert store.enqueued() == []


def test_the_same_key_sends_one_mail(store, mailbox, mail_server):
    """`dedupe`: the second is the first."""
    first = weft.notify.email(TO, subject="s", text="t", dedupe="order-42")
    assert weft.notify.email(TO, subject="s", text="t", dedupe="order-42").uid == first.uid
    store.drain()
    assert len(mailbox.messages) == 1


TEMPLATES = {
    "welcome.subject.txt": "Welcome,\n {{ name }}", "welcome.txt": "Hello {{ name }}", "welcome.html": "<p>{{ name }}",
}  # fmt: skip


def test_a_template_says_all_three(store, mailbox, mail_server, tmp_path):
    """HTML is escaped, text is not; from a folder or a mapping."""
    for name, text in TEMPLATES.items():
        (tmp_path / name).write_text(text)
    for templates in (TEMPLATES, tmp_path):
        weft.notify.use(templates=templates)
        weft.notify.email(TO, template="welcome", values={"name": "<b>"})
    store.drain()
    for _, text in mailbox.messages:
        found = parsed(text)
        assert found["Subject"] == "Welcome, <b>"
        assert found.get_body(("plain",)).get_content().strip() == "Hello <b>"
        assert found.get_body(("html",)).get_content().strip() == "<p>&lt;b&gt;"


@pytest.mark.parametrize(
    ("templates", "name", "told"),
    [
        (None, "welcome", "no templates are known"),
        (TEMPLATES, "goodbye", "no template 'goodbye': write goodbye.subject.txt"),
        (TEMPLATES, "welcome", "'name' is undefined"),
        ({"welcome.txt": "{{"}, "welcome", "cannot be filled in"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_told_where_it_is_asked_for(store, templates, name, told):
    """Not by the worker, days later."""
    weft.notify.use(templates=templates)
    with pytest.raises((weft.InvalidValue, weft.InvalidCall), match=told):
        weft.notify.email(TO, template=name)


@pytest.mark.parametrize(
    "url", ["", "mail.example", "smtp://mail.example", "http://x?from=a@b", "smtp://x?from=a@b&y=1"]
)
def test_a_url_that_names_no_server_is_told(url):
    """With one that does, and without the password."""
    with pytest.raises(weft.InvalidValue, match=r"write smtp\+starttls://user:password@host"):
        weft.notify.use(smtp=url)


def test_the_environment_names_the_server(monkeypatch):
    """WEFT_SMTP, where the application says nothing."""
    monkeypatch.setenv("WEFT_SMTP", "smtps://u:p@mail.example?from=shop@example.org")
    assert settings().server() == Server("smtps", "mail.example", 465, "shop@example.org", "u", "p")


def test_connections_that_the_server_has_closed_are_made_anew(store, mailbox, mail_server):
    """It may end them at any time."""
    weft.notify.email(TO, subject="s", text="t")
    store.drain()
    for each in smtp._idle:
        each.connection.sock.shutdown(2)
    weft.notify.email(TO, subject="s", text="t")
    store.drain()
    assert len(mailbox.messages) == 2
    assert isinstance(smtp._idle[0].connection, smtplib.SMTP)


def test_the_same_key_is_for_the_same_recipients(store):
    """Customer and shop are both told of an order, however the recipients are ordered."""
    first = weft.notify.email(["a@example.org", "b@example.org"], subject="s", text="t", dedupe="order-42")
    again = weft.notify.email(["b@example.org", "A <a@example.org>"], subject="s", text="t", dedupe="order-42")
    other = weft.notify.email("shop@example.org", subject="s", text="t", dedupe="order-42")
    assert first.uid == again.uid != other.uid


def test_who_gets_it_later_gets_the_same_mail(store, mailbox, mail_server):
    """The mail for those who were put off has the id of the first."""
    mailbox.answers["b@example.org"] = ["450 later"]
    weft.notify.email(["a@example.org", "b@example.org"], subject="s", text="t")
    store.drain()
    store.advance(60)
    store.drain()
    assert [recipients for recipients, _ in mailbox.messages] == [["a@example.org"], ["b@example.org"]]
    assert len({parsed(text)["Message-ID"] for _, text in mailbox.messages}) == 1


def test_a_password_is_not_sent_in_clear():
    """Over a network `smtp://` takes none; the message does not show it. On this machine it does."""
    with pytest.raises(weft.InvalidValue, match="travel in clear") as caught:
        Server.of("smtp://shop:hunter2@mail.example?from=shop@example.org")
    assert "hunter2" not in str(caught.value)
    assert Server.of("smtp://shop:hunter2@localhost?from=shop@example.org").password == "hunter2"


def test_copies_are_sent_and_those_that_are_blind_are_seen_by_nobody(store, mailbox, mail_server):
    """One mail for all of them; those who are put off get the same one later."""
    mailbox.answers["hidden@example.org"] = ["450 later"]
    weft.notify.email(
        "a@example.org", cc="b@example.org", bcc=["hidden@example.org", "d@example.org"], subject="s", text="t"
    )
    store.drain()
    store.advance(60)
    store.drain()
    assert [recipients for recipients, _ in mailbox.messages] == [
        ["a@example.org", "b@example.org", "d@example.org"], ["hidden@example.org"],
    ]  # fmt: skip
    for _, text in mailbox.messages:
        found = parsed(text)
        assert (found["To"], found["Cc"], found["Bcc"]) == ("a@example.org", "b@example.org", None)
        assert "hidden@example.org" not in text


def test_blind_copies_alone_are_a_mail(store, mailbox, mail_server):
    """As newsletters are sent."""
    weft.notify.email([], bcc=["c@example.org"], subject="s", text="t")
    store.drain()
    ((recipients, text),) = mailbox.messages
    assert (recipients, parsed(text)["To"]) == (["c@example.org"], None)


@pytest.fixture
def uploads(tmp_path):
    storage = weft.uploads.use(f"file:{tmp_path / 'uploads'}")
    yield storage
    storages.install(None)


def test_uploads_are_attached(store, mailbox, mail_server, uploads, tmp_path):
    """Under the name that people know, as the type that their bytes have told; read when the mail is sent."""
    content = bytes(range(256)) * 1000
    (tmp_path / "made").write_bytes(content)
    uploads.put(tmp_path / "made", "aa.pdf")
    invoice = weft.Upload("aa.pdf", len(content), "sha256:0", "pdf", "Rechnung März.exe")
    other = weft.Upload("aa.pdf", len(content), "sha256:0")
    weft.notify.email(TO, subject="s", text="t", html="<p>t", attachments=[invoice, other])
    store.drain()
    first, second = parsed(mailbox.messages[0][1]).iter_attachments()
    assert (first.get_content(), first.get_filename(), first.get_content_type()) == (
        content, "Rechnung März.exe", "application/pdf",
    )  # fmt: skip
    assert (second.get_filename(), second.get_content_type()) == ("aa.pdf", "application/octet-stream")


def test_one_upload_can_be_attached_as_it_is():
    """As one address needs no list either."""
    upload = weft.Upload("aa.pdf", 1, "sha256:0")
    with notifications() as sent:
        weft.notify.email(TO, subject="s", text="t", attachments=upload)
        assert sent.emails[0].attachments == (upload,)


def test_an_attachment_that_is_not_there_is_for_later(store, mailbox, mail_server, uploads):
    """A worker may look in the wrong place: the mail is kept, and says what it misses."""
    handle = weft.notify.email(TO, subject="s", text="t", attachments=[weft.Upload("aa.pdf", 1, "sha256:0")])
    store.drain()
    assert handle.status() is State.RETRYABLE
    assert "FileNotFoundError" in handle.record().error
    assert mailbox.messages == []


def test_attachments_that_no_mailbox_takes_are_refused(store):
    """Where the mail is asked for, not days later."""
    with pytest.raises(weft.InvalidValue, match="the attachments have 16 MB, and mail takes 15: send a link"):
        weft.notify.email(TO, subject="s", text="t", attachments=[weft.Upload("a", 8_000_000, "sha256:0")] * 2)
    assert store.enqueued() == []


def test_a_mail_that_an_older_weft_has_stored_is_sent(store, mailbox, mail_server):
    """What it does not know of is left out."""
    old = {"to": ["a@example.org"], "subject": "s", "text": "t"}
    entry = deliver_email.entry(json.dumps({"mail": old}).encode())
    weft.jobs.stores.store().enqueue([entry]).wait()
    store.drain()
    assert [recipients for recipients, _ in mailbox.messages] == [["a@example.org"]]


def test_a_mail_may_wait(store, mailbox, mail_server):
    """`delay`: not before so many seconds have passed."""
    weft.notify.email(TO, subject="s", text="t", delay=3600)
    store.drain()
    assert mailbox.messages == []
    store.advance(3600)
    store.drain()
    assert len(mailbox.messages) == 1
