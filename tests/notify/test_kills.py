"""What is lost and what comes twice when a worker is killed: nothing, and what was under way."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

import weft
from weft.jobs import stores
from weft.jobs.declaring import find

WEFT = str(Path(sys.executable).parent / "weft")


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    found = stores.install(None)
    if found is not None:
        found.close()


@contextmanager
def worker(folder):
    command = [WEFT, "worker", "shop", "--queues", "email=2", "--store", f"sqlite:{folder / 'jobs.db'}"]
    with subprocess.Popen(command, cwd=folder, env=os.environ, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_repeats_what_was_under_way(folder, mailbox, mail_server):
    """What was with the server comes again, with its Message-ID, from a process that has the application's settings."""
    begun, take = threading.Event(), mailbox.handle_DATA
    seen = []

    async def handle_data(server, session, envelope):
        seen.append(next(line for line in envelope.content.splitlines() if line.lower().startswith(b"message-id")))
        if len(seen) == 1:
            begun.set()
            await asyncio.sleep(3600)
        return await take(server, session, envelope)

    mailbox.handle_DATA = handle_data
    url = f"smtp://127.0.0.1:{mail_server.server.sockets[0].getsockname()[1]}?from=shop@example.org"
    (folder / "shop.py").write_text(f"import weft\n\nweft.notify.use(smtp={url!r})\n")
    weft.jobs.use(f"sqlite:{folder / 'jobs.db'}")
    handles = [weft.notify.email(f"user{number}@example.org", subject="s", text="t") for number in range(8)]
    with worker(folder) as first:
        assert begun.wait(20)
        first.send_signal(signal.SIGKILL)
        first.wait()
    with worker(folder):
        for handle in handles:
            handle.result(timeout=30)
    count = Counter(seen)
    assert len(count) == len(handles)
    assert 1 <= sum(count.values()) - len(handles) <= 2  # as many as were under way
    assert max(count.values()) == 2


@pytest.mark.slow
def test_who_is_put_off_by_a_mail_that_runs_alone_is_sent_to_from_the_same_store(folder, mailbox, mail_server):
    """A child of the second worker sends it, and its rest is stored where the mail itself was, not in a default."""
    begun, hold, take = threading.Event(), threading.Event(), mailbox.handle_DATA

    async def handle_data(server, session, envelope):
        if not begun.is_set():
            begun.set()
            await asyncio.to_thread(hold.wait, 60)
            return "451 too late"
        return await take(server, session, envelope)

    mailbox.handle_DATA = handle_data
    url = f"smtp://127.0.0.1:{mail_server.server.sockets[0].getsockname()[1]}?from=shop@example.org"
    (folder / "shop.py").write_text(f"import weft\n\nweft.notify.use(smtp={url!r})\n")
    weft.jobs.use(f"sqlite:{folder / 'jobs.db'}")
    handle = weft.notify.email(["a@example.org", "b@example.org"], subject="s", text="t")
    with worker(folder) as first:
        assert begun.wait(20)
        first.send_signal(signal.SIGKILL)
        first.wait()
    hold.set()
    mailbox.answers["b@example.org"] = ["450 later"]
    with worker(folder):
        assert handle.result(timeout=30) == {}
    assert handle.record().crashes == 1  # so it ran alone
    (rest,) = (record for record in stores.store().records() if record.uid != handle.uid)
    assert '"only":["b@example.org"]' in rest.arguments
    assert not (folder / "weft-jobs.db").exists()


def test_a_worker_finds_the_jobs_of_notifications_by_itself():
    """One whose application has not yet notified anybody runs those that are stored; it does not charge them for it."""
    code = (
        "import sys; from weft.jobs.declaring import find; "
        "print('weft.notify' in sys.modules, find('weft.notify.email'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False <Job weft.notify.email>\n"
    for kind in ("email", "webhook", "send"):
        assert find(f"weft.notify.{kind}").name == f"weft.notify.{kind}"
    with pytest.raises(weft.jobs.UnknownTask):
        find("weft.notify.nothing")
