"""A local upstream fast enough to keep out of the picture: a bare asyncio protocol on uvloop, in a process of its own.

`GET /delay/0.1` answers after 100 ms, any other path at once; HTTP/1.1 keep-alive; a body of 1 KiB.
"""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BODY = b"x" * 1024
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Upstream(asyncio.Protocol):
    """One connection; requests without bodies, one after the other."""

    def connection_made(self, transport):
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/delay/"):
                self.loop.call_later(float(path.split(b"/")[2].split(b"?")[0]), self.answer)
            else:
                self.answer()

    def answer(self):
        if not self.transport.is_closing():
            self.transport.write(ANSWER)


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=16_384)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def raise_descriptor_limit():
    """Ten thousand calls in flight need as many sockets on either side."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def upstream(cpu: int | None = None) -> Iterator[str]:
    """Run the upstream, pinned to a CPU where there is more than one; yields its base URL."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(cpu if cpu is not None else -1)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    import uvloop

    wanted = int(sys.argv[1])
    if wanted >= 0 and hasattr(os, "sched_setaffinity") and wanted in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {wanted})
    raise_descriptor_limit()
    uvloop.run(serve())
