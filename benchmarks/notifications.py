"""Mails and webhooks to servers of which some say no at first: delivered once each, retried, and how long asking takes.

python benchmarks/notifications.py [--count 10000]
"""

import argparse
import asyncio
import base64
import json
import os
import queue
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from email.message import EmailMessage
from pathlib import Path

from harness import Report
from log_bench import quantile

PEERS = ["weft", "a loop in a thread", "Celery Redis, requests"]
MAIL, HOOKS = 8025, 8026
REFUSED = 50  # every so many-th is refused at its first coming
WORKERS = 25
PATIENCE = 300.0
SECRET = "whsec_" + base64.b64encode(b"x" * 32).decode()
FOLDER = Path(os.environ.get("FOLDER", "."))


# -- the servers, in a process of their own


class Servers:
    """SMTP and HTTP; what they have taken is in FOLDER/taken."""

    def __init__(self):
        self.seen = set()
        self.file = (FOLDER / "taken").open("a", buffering=1)

    def takes(self, name):
        if int(name.rpartition("-")[2]) % REFUSED == 0 and name not in self.seen:
            self.seen.add(name)
            return False
        self.file.write(f"{name} {time.time()}\n")
        return True

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - as aiosmtpd has it
        lines = envelope.content.decode().splitlines()
        name = next(line for line in lines if line.startswith("Subject:"))[8:].strip()
        return "250 OK" if self.takes(name) else "451 later"

    async def serve_http(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
                body = json.loads(await reader.readexactly(int(fields[b"content-length"])))
                status = b"200 OK" if self.takes(body["data"]["name"]) else b"503 Later"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run(self):
        from aiosmtpd.smtp import SMTP

        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: SMTP(self), "127.0.0.1", MAIL)
        await asyncio.start_server(self.serve_http, "127.0.0.1", HOOKS)
        (FOLDER / "up").touch()
        await asyncio.Event().wait()


# -- the peers: `ask(n)` asks for a notification, `work()` delivers


class Weft:
    """weft.notify, in a SQLite file."""

    def __init__(self):
        import weft

        self.weft = weft
        weft.jobs.use(f"sqlite:{FOLDER / 'jobs.db'}")
        weft.notify.use(
            smtp=f"smtp://127.0.0.1:{MAIL}?from=a@example.org", secrets={"default": SECRET}, allow=["127.0.0.0/8"]
        )

    def ask(self, n):
        if n % 2:
            self.weft.notify.email("b@example.org", subject=f"mail-{n}", text="hello")
        else:
            self.weft.notify.webhook(f"http://127.0.0.1:{HOOKS}/", "bench", {"name": f"hook-{n}"})

    def work(self):

        self.weft.jobs.Worker({"email": WORKERS, "webhook": WORKERS}).run()


def by_hand(n):
    """As it is usually written."""
    import requests

    if n % 2:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", f"mail-{n}"
        message.set_content("hello")
        with smtplib.SMTP("127.0.0.1", MAIL, timeout=15) as server:
            server.send_message(message)
    else:
        url = f"http://127.0.0.1:{HOOKS}/"
        requests.post(url, json={"data": {"name": f"hook-{n}"}}, timeout=15).raise_for_status()


class Loop:
    """A queue and a thread in the process itself; three tries."""

    works_here = True

    def __init__(self):
        self.queue = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def ask(self, n):
        self.queue.put(n)

    def _serve(self):
        while True:
            n = self.queue.get()
            for _ in range(3):
                try:
                    by_hand(n)
                    break
                except Exception:
                    time.sleep(0.1)


class Celery:
    """Celery on Redis, with requests and smtplib; safe settings, retries with backoff."""

    def __init__(self):
        import celery

        self.app = celery.Celery("notifications", broker="redis://127.0.0.1:6379/0")
        self.app.conf.update(
            task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=1, worker_hijack_root_logger=False,
            task_default_queue="weft-bench-notify",
        )  # fmt: skip
        self.task = self.app.task(
            name="notify", autoretry_for=(Exception,), retry_backoff=2, retry_kwargs={"max_retries": 10}
        )(by_hand)

    def ask(self, n):
        self.task.delay(n)

    def work(self):
        self.app.Worker(pool="threads", concurrency=2 * WORKERS, loglevel="ERROR", quiet=True).start()


KINDS = dict(zip(PEERS, (Weft, Loop, Celery), strict=True))


def asked(peer, count):
    """Ask for so many, as requests would; what each took."""
    taken = []
    for n in range(1, count + 1):
        began = time.perf_counter()
        peer.ask(n)
        taken.append(time.perf_counter() - began)
    return taken


def process(*words, folder, **options):
    environ = {**os.environ, "FOLDER": str(folder), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, *words]
    return subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL, start_new_session=True, **options)


def names_taken(folder):
    lines = (folder / "taken").read_text().splitlines() if (folder / "taken").exists() else []
    return Counter(line.split()[0] for line in lines), [float(line.split()[1]) for line in lines]


def measure(name, count):
    folder = Path(tempfile.mkdtemp(prefix="weft-notify-"))
    subprocess.run(["redis-cli", "flushdb"], check=True, capture_output=True)
    running = [process("serve", folder=folder)]
    try:
        while not (folder / "up").exists():
            time.sleep(0.05)
        if not hasattr(KINDS[name], "works_here"):
            running.append(process("work", name, folder=folder, stdout=subprocess.DEVNULL))
            time.sleep(2.0)
        began = time.time()
        asking = process("ask", name, str(count), folder=folder, stdout=subprocess.PIPE, text=True)
        running.append(asking)
        calls = json.loads(asking.stdout.readline())
        end = time.monotonic() + PATIENCE
        while len(names_taken(folder)[0]) < count and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(2.0)
        found, when = names_taken(folder)
        when.sort()
        most = when[int(len(when) * 0.95) - 1]
        return {
            "not delivered": count - len(found),
            "delivered twice": sum(times > 1 for times in found.values()),
            "p99 of asking": quantile(calls, 0.99) * 1000,
            "seconds until 95 % were delivered": most - began,
            "seconds until the last": when[-1] - began,
        }
    finally:
        for each in running:
            os.killpg(each.pid, signal.SIGKILL)
            each.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    report = Report(
        "notifications",
        f"{options.count:,} notifications, half of them mails and half webhooks, to servers on this machine that "
        f"refuse one in {REFUSED} at its first coming. One thread asks for them as fast as it can; they are delivered "
        "by another process, and by a thread of the same one in the case of the loop, which has three tries.",
    )
    medians = {}
    for name in PEERS:
        figures = measure(name, options.count)
        print(name, figures, flush=True)
        for metric, value in figures.items():
            unit = "s" if metric.startswith("seconds") else "ms" if metric.startswith("p99") else ""
            medians[name, metric] = report.row("notifications", name, metric, unit, [value])
    wrong = medians["weft", "not delivered"] + medians["weft", "delivered twice"]
    report.ratio("notifications not delivered, or twice", wrong, "0", met=wrong == 0)
    slow = medians["weft", "p99 of asking"]
    report.ratio("p99 of asking for one, ms", slow, "at most 10 ms", met=slow <= 10)
    if not options.dry:
        report.write()


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "serve":
        asyncio.run(Servers().run())
    elif len(sys.argv) > 1 and sys.argv[1] == "work":
        KINDS[sys.argv[2]]().work()
    elif len(sys.argv) > 1 and sys.argv[1] == "ask":
        print(json.dumps(asked(KINDS[sys.argv[2]](), int(sys.argv[3]))), flush=True)
        threading.Event().wait()
    else:
        main()
