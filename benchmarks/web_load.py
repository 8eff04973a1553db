"""Web servers under load: one server pinned to one CPU; its clients, and the upstream, on the other.

Clients keep their connections, and each sends its next request when it has the answer to the last (a closed loop).
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import uvloop

from harness import cpus
from weft.cli.demo.server import free_port

FOLDER = Path(__file__).parent
HOST = "127.0.0.1"


class Site:
    """A server and its figures. A new one for each measurement: it may still be at work for clients that have gone.

    Args:
        name: of the peer.
        words: the command after the interpreter; PORT stands for the port.
        on: the CPUs that it may use; None: the one that clients leave to it.
        environ: variables to set.
    """

    def __init__(self, name, words, on=None, **environ):
        self.name = name
        self.words = words
        self.on = on or {cpus()[0]}
        self.environ = environ

    def __enter__(self):
        self.port = free_port(HOST, 0)
        self.process = subprocess.Popen(
            [sys.executable, *(word.replace("PORT", str(self.port)) for word in self.words)],
            cwd=FOLDER, env={**os.environ, **self.environ}, start_new_session=True,
        )  # fmt: skip
        os.sched_setaffinity(self.process.pid, self.on)  # long before it has workers, which inherit it
        until = time.monotonic() + 20
        while not self.answers():
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} did not start")
            time.sleep(0.05)
        return self

    def answers(self):
        connection = HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/noop")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def load(self, path, clients, seconds):
        """Load one path; the clients' figures, and the server's."""
        with self:
            return self.measure(path, clients, seconds)

    def measure(self, path, clients, seconds):
        watch = Watch(self.process.pid)
        before = watch.cpu()
        found = run_clients(self.port, path, clients, seconds)
        threads, memory = watch.stop()
        return {**found, "cpu": (watch.cpu() - before) / found["count"], "threads": threads, "rss": memory}

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Watch:
    """Looks at a server and its workers, a few times a second: the most threads and the most memory."""

    def __init__(self, pid):
        self.pid = pid
        self.threads = self.memory = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def pids(self):
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def look(self):
        page = os.sysconf("SC_PAGE_SIZE")
        while not self.over.wait(0.1):
            threads = memory = 0
            for pid in self.pids():
                threads += len(list(Path(f"/proc/{pid}/task").iterdir()))
                memory += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
            self.threads, self.memory = max(self.threads, threads), max(self.memory, memory)

    def cpu(self):
        """CPU seconds so far."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.threads, self.memory


def run_clients(port, path, clients, seconds):
    """The figures of so many clients, in a process of their own: requests per second, latencies in ms."""
    order = json.dumps({"port": port, "path": path, "clients": clients, "seconds": seconds})
    done = subprocess.run([sys.executable, __file__, order], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class Client(asyncio.Protocol):
    """One client. Understands answers with a length, and no others."""

    def __init__(self, request, book):
        self.request = request
        self.book = book
        self.buffer = b""

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        self.begun = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at : (head + b"\r\n").index(b"\r\n", at)])
        if len(self.buffer) < end + 4 + length:
            return
        self.buffer = b""
        self.book.answered(head, self.begun, time.perf_counter())
        if not self.book.over:
            self.ask()

    def connection_lost(self, error):
        if not self.book.over:
            self.book.lost += 1
            self.book.connect()


class Book:
    """What all clients have seen."""

    def __init__(self, order):
        self.order = order
        self.request = f"GET {order['path']} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        self.latencies = []
        self.ends = []
        self.failed = self.lost = 0
        self.over = False
        self.tasks = set()

    def answered(self, head, begun, ended):
        self.failed += not head.startswith(b"http/1.1 200")
        self.latencies.append((ended - begun) * 1000)
        self.ends.append(ended)

    def connect(self):
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.create_connection(lambda: Client(self.request, self), HOST, self.order["port"]))
        self.tasks.add(task)

    async def run(self):
        began = time.perf_counter()
        for _ in range(self.order["clients"]):
            self.connect()
        await asyncio.sleep(self.order["seconds"])
        self.over = True
        took = time.perf_counter() - began
        latencies = sorted(self.latencies)
        return {
            "count": len(latencies), "rate": len(latencies) / took, "failed": self.failed, "lost": self.lost,
            "p50": statistics.median(latencies), "p99": latencies[int(len(latencies) * 0.99)],
        }  # fmt: skip


if __name__ == "__main__":
    os.sched_setaffinity(0, {cpus()[1]})
    print(json.dumps(uvloop.run(Book(json.loads(sys.argv[1])).run())))
