"""Signed webhooks, to a real receiver; and what Apprise reaches."""

import base64
import json
import secrets
from email.utils import formatdate

import pytest
import standardwebhooks

import weft
from weft.jobs.lifecycle import State
from weft.notify import breakers, bulkheads, deliveries
from weft.notify.deliveries import SCHEDULE
from weft.notify.signing import signed
from weft.testing import faults
from weft.testing.clock import VirtualClock
from weft.testing.notify import notifications

OLD, NEW = ("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))


@pytest.fixture(autouse=True)
def known():
    weft.notify.use(secrets={"default": [NEW, OLD]}, allow=["127.0.0.0/8"])


def test_an_event_is_posted_and_signed(store, receiver):
    """As Standard Webhooks has it: its own library accepts the signature, with the new secret and with the old one."""
    handle = weft.notify.webhook(receiver.url, "order.sent", {"order": 42})
    store.drain()
    ((path, headers, body),) = receiver.seen
    assert path == "/hooks"
    for secret in (NEW, OLD):
        found = standardwebhooks.Webhook(secret).verify(body, headers)
        assert (found["type"], found["data"]) == ("order.sent", {"order": 42})
        assert weft.notify.verify(body, headers, secret) == found
    assert {name.lower(): value for name, value in headers.items()}["webhook-id"] == handle.uid
    assert handle.result() == 200


def test_no_secret_is_in_a_job(store, receiver):
    """Nor in its result."""
    weft.notify.webhook(receiver.url, "x", {})
    store.drain()
    (record,) = store.enqueued()
    assert NEW[6:] not in record.arguments + str(record.result)


def test_failures_are_tried_again_as_the_standard_says_with_the_same_body(store, receiver):
    """Five seconds, five minutes, and so on, for three days; the id and the body stay, the timestamp does not."""
    receiver.answers += [(500, {}, b"")] * 2
    weft.notify.webhook(receiver.url, "x", {})
    store.drain()
    for wait in SCHEDULE[:2]:
        store.advance(wait - 2)
        store.drain()
        seen = len(receiver.seen)
        store.advance(3)
        store.drain()
        assert len(receiver.seen) == seen + 1
    assert len({body for _, _, body in receiver.seen}) == 1
    assert len({headers["webhook-id"] for _, headers, _ in receiver.seen}) == 1
    assert store.enqueued()[0].state is State.COMPLETED
    assert sum(SCHEDULE) > 3 * 86_400


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((204, {}, b""), State.COMPLETED),
        ((410, {}, b""), State.DISCARDED),
        ((404, {}, b""), State.RETRYABLE),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), State.RETRYABLE),
    ],
)
def test_what_an_answer_means(store, receiver, answer, state):
    """2xx is taken, 410 is for good, all else is for later; a redirect is an answer, and not followed."""
    receiver.answers.append(answer)
    weft.notify.webhook(receiver.url, "x", {})
    store.drain()
    assert store.enqueued()[0].state is state
    assert len(receiver.seen) == 1


def test_a_receiver_that_asks_for_time_gets_it(store, receiver):
    """`Retry-After` of a 429 or 503."""
    receiver.answers.append((429, {"Retry-After": "1000"}, b""))
    weft.notify.webhook(receiver.url, "x", {})
    store.drain()
    store.advance(900)
    store.drain()
    assert len(receiver.seen) == 1
    store.advance(101)
    store.drain()
    assert len(receiver.seen) == 2


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://localhost/x"]
)
def test_nothing_is_posted_into_a_private_network(store, url):
    """Whoever can name a receiver could otherwise reach what only we can: the job is given up, and says so."""
    weft.notify.use(allow=[])
    weft.notify.webhook(url, "x", {})
    store.drain()
    (record,) = store.enqueued()
    assert record.state is State.DISCARDED
    assert "nothing is sent there" in record.error


def test_a_redirect_to_a_private_address_is_not_followed(store, receiver):
    """What it points to is never asked."""
    receiver.answers.append((307, {"Location": receiver.url.replace("/hooks", "/private")}, b""))
    weft.notify.webhook(receiver.url, "x", {})
    store.drain()
    assert [path for path, _, _ in receiver.seen] == ["/hooks"]


def test_a_huge_answer_is_not_read(store, receiver):
    """Its status is all that counts."""
    receiver.answers.append((200, {}, b"x" * 50_000_000))
    handle = weft.notify.webhook(receiver.url, "x", {})
    store.drain()
    assert handle.result() == 200


def test_a_password_in_an_address_is_not_stored(store):
    """A job's arguments are looked at by people; the message does not show it either."""
    with pytest.raises(weft.InvalidValue, match="must hold no password") as caught:
        weft.notify.webhook("https://shop:hunter2@partner.example/", "x", {})
    assert "hunter2" not in str(caught.value)
    assert store.enqueued() == []


def test_an_answer_that_is_no_http_is_for_later(store):
    """It is tried again on the schedule, as any failure."""
    with faults.server() as server:
        weft.notify.use(secrets={"default": NEW}, allow=["127.0.0.1"])
        weft.notify.webhook(f"{server.url}/garbage", "x", {})
        store.drain()
    (record,) = store.enqueued()
    assert record.scheduled_at - record.started_at >= SCHEDULE[0]


@pytest.mark.parametrize(
    ("wanted", "least", "most"), [("9999999999", 86_400, 86_401), ("date", 490, 501), ("soon", 5, 6)]
)
def test_what_a_receiver_can_ask_for(store, receiver, wanted, least, most):
    """A date as well as seconds; a day at most; what is neither is left to the schedule."""
    words = formatdate(store.time() + 500, usegmt=True) if wanted == "date" else wanted
    receiver.answers.append((503, {"Retry-After": words}, b""))
    weft.notify.webhook(receiver.url, "x", {})
    store.drain()
    (record,) = store.enqueued()
    assert least <= record.scheduled_at - record.started_at <= most + 2


def test_nobody_there_is_for_later(store):
    """A refused connection may be a deploy."""
    weft.notify.webhook("http://127.0.0.1:9/", "x", {})
    store.drain()
    (record,) = store.enqueued()
    assert (record.state, "cannot be reached" in record.error) == (State.RETRYABLE, True)


@pytest.mark.parametrize("url", ["ftp://x/", "partner.example", "", "http://a b/", "https://", "https://x:y/"])
def test_what_is_no_receivers_address_is_told(store, url):
    """Where it is asked for."""
    with pytest.raises(weft.InvalidValue, match="write https://partner.example/hooks"):
        weft.notify.webhook(url, "x", {})


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"short").decode()])
def test_what_is_no_secret_is_told(secret):
    """With how one is made, and without the secret itself."""
    with pytest.raises(weft.InvalidValue, match="make one with"):
        weft.notify.use(secrets={"default": secret})


def test_signatures_of_others_old_ones_and_changed_bodies_are_refused():
    """For the receiving side."""
    body = b'{"a":1}'
    good = signed("id", 1000, body, [OLD])
    assert weft.notify.verify(body, good, [NEW, OLD], now=1299.0) == {"a": 1}
    for changed, now in (
        (good, 1301.0), (good, 699.0), ({**good, "webhook-id": "other"}, 1000.0), ({}, 1000.0),
        (good | {"webhook-signature": "v1,x v2,y"}, 1000.0), (good | {"webhook-timestamp": "x"}, 1000.0),
        (good | {"webhook-timestamp": "9" * 5000}, 1000.0), (good | {"webhook-timestamp": "\u0661"}, 1.0),
    ):  # fmt: skip
        with pytest.raises(weft.notify.SignatureRefused):
            weft.notify.verify(body, changed, OLD, now=now)
    with pytest.raises(weft.notify.SignatureRefused):
        weft.notify.verify(b'{"a":2}', good, OLD, now=1000.0)
    with pytest.raises(weft.notify.SignatureRefused):
        weft.notify.verify(body, good, NEW, now=1000.0)


# -- whatever Apprise reaches


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what it imports is deprecated
def test_apprise_delivers(store, receiver):
    """Its own JSON service, to our receiver; a service that does not take it is tried again."""
    weft.notify.use(channels={"ops": receiver.url.replace("http:", "json:")})
    receiver.answers += [(500, {}, b"")]
    weft.notify.send("ops", "Disk full", "on web-1")
    store.drain()
    assert store.enqueued()[0].state is State.RETRYABLE
    store.advance(7200)
    store.drain()
    assert store.enqueued()[0].state is State.COMPLETED
    found = json.loads(receiver.seen[-1][2])
    assert (found["title"], found["message"]) == ("Disk full", "on web-1")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # as above
def test_a_title_is_message_enough(store, receiver):
    """Apprise itself takes none without a body."""
    weft.notify.use(channels={"ops": receiver.url.replace("http:", "json:")})
    weft.notify.send("ops", "Disk full")
    store.drain()
    assert json.loads(receiver.seen[0][2])["message"] == "Disk full"


@pytest.mark.parametrize(
    ("channels", "told"), [({}, "no channel 'ops' is known"), ({"ops": "nosuch://x"}, "knows no such")]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_channel_that_is_none_is_told(store, channels, told):
    """In the job's error, with what to write."""
    weft.notify.use(channels=channels)
    weft.notify.send("ops", "x")
    store.drain()
    assert told in store.enqueued()[0].error


# -- in tests of an application


def test_in_tests_nothing_is_sent_and_all_can_be_seen(receiver):
    """`weft.testing.notify.notifications`."""
    with notifications() as sent:
        weft.notify.email("ada@example.org", subject="s", text="t")
        weft.notify.webhook(receiver.url, "order.sent", {"order": 42})
        weft.notify.send("ops", "title", "body")
        assert (sent.emails[0].to, sent.emails[0].subject) == (("ada@example.org",), "s")
        assert (sent.webhooks[0]["event"], sent.webhooks[0]["payload"]) == ("order.sent", {"order": 42})
        assert sent.messages == [{"channel": "ops", "title": "title", "body": "body"}]
    assert receiver.seen == []


# -- receivers that do not answer


def test_a_receiver_that_hangs_is_not_in_the_way_of_others(store, receiver, monkeypatch):
    """The first deliveries find out; the others for it fail unasked, each by its own schedule."""
    monkeypatch.setattr(deliveries, "_PATIENCE", 0.3)
    with faults.server() as server:
        waiting = [weft.notify.webhook(f"{server.url}/silence", "x", {"number": number}) for number in range(40)]
        good = weft.notify.webhook(receiver.url, "x", {})
        store.drain()  # with 4 slots: 3 s if each waited its turn
    assert good.result() == 200
    assert {handle.status() for handle in waiting} == {State.RETRYABLE}
    errors = [handle.record().error for handle in waiting]
    assert 4 <= sum("cannot be reached" in error for error in errors) <= 8
    assert sum("was not asked again" in error for error in errors) >= 32


def test_one_at_a_time_finds_out_whether_it_answers_again(monkeypatch):
    """After a while; if not, the others wait for another while, and if so, all may go."""
    clock = VirtualClock()
    monkeypatch.setattr(breakers, "now", clock.now)
    with breakers.attempt("a") as this:
        this.unanswered = True
    with pytest.raises(breakers.Silent), breakers.attempt("a"):
        pytest.fail("it was asked")
    with breakers.attempt("b"):
        pass
    clock.advance(breakers._PAUSE)
    with breakers.attempt("a") as this:
        with pytest.raises(breakers.Silent), breakers.attempt("a"):
            pytest.fail("two asked")
        this.unanswered = True
    clock.advance(breakers._PAUSE)
    with breakers.attempt("a"):
        pass
    with breakers.attempt("a"), breakers.attempt("a"):
        pass


@pytest.fixture
def worker(store):
    made = weft.jobs.Worker({"webhook": 6, "notify": 6}).start()
    yield made
    made.stop(grace=0)


def attempts(handles):
    return sum(handle.record().attempt for handle in handles)


def test_a_receiver_that_hangs_has_some_slots_and_not_all(worker, hanging, receiver):
    """Ten deliveries for it, and six slots: four hang, another receiver's is taken; nothing is charged to the rest."""
    weft.notify.use(per_receiver=4)
    waiting = [weft.notify.webhook(hanging.url, "x", {"number": number}) for number in range(10)]
    good = weft.notify.webhook(receiver.url, "x", {})
    assert good.result(timeout=10) == 200
    assert len(hanging.seen) <= 4
    assert attempts(waiting) <= 4
    hanging.gate.set()
    assert [handle.result(timeout=20) for handle in waiting] == [200] * 10
    assert attempts(waiting) == 10


def test_how_many_one_receiver_has_can_be_said(store):
    """`per_receiver`; a host is the same however its address is written, and is free again when one has ended."""
    weft.notify.use(per_receiver=1)
    with bulkheads.place("partner.example:443", 1):
        late = weft.notify.webhook("https://Partner.example/other", "x", {})
        store.drain()
        assert (late.status(), late.record().attempt) == (State.RETRYABLE, 0)
        with bulkheads.place("other.example:443", 1):
            pass
    with bulkheads.place("partner.example:443", 1):
        pass
    assert not bulkheads._under_way


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what Apprise imports is deprecated
def test_a_channel_that_hangs_has_some_slots_and_not_all(store, receiver):
    """The same for what goes through Apprise: it is put off, and then it is sent."""
    weft.notify.use(channels={"ops": receiver.url.replace("http:", "json:")}, per_receiver=1)
    with bulkheads.place("channel ops", 1):
        late = weft.notify.send("ops", "Disk full", "on web-1")
        store.drain()
        assert (late.status(), late.record().attempt) == (State.RETRYABLE, 0)
    store.advance(2)
    store.drain()
    assert late.status() is State.COMPLETED


def test_what_is_put_off_does_not_tell_the_circuit_breaker_that_there_was_an_answer(store, monkeypatch):
    """One that waits for its turn knows nothing of its receiver."""
    clock = VirtualClock()
    monkeypatch.setattr(breakers, "now", clock.now)
    with breakers.attempt("partner.example:443") as this:
        this.unanswered = True
    clock.advance(breakers._PAUSE)
    weft.notify.use(per_receiver=1)
    with bulkheads.place("partner.example:443", 1):
        weft.notify.webhook("https://partner.example/", "x", {})
        store.drain()
    assert "partner.example:443" in breakers._asked_again


@pytest.mark.parametrize("number", [0, -1, True, 1.5])
def test_a_number_that_lets_nothing_through_is_told(number):
    """Where it is said."""
    with pytest.raises(weft.InvalidValue, match="write a whole number, 1 or more"):
        weft.notify.use(per_receiver=number)
