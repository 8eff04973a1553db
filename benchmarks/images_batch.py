"""50 photos of 12 MP made 1600 pixels wide, and what the web requests beside it notice.

python benchmarks/images_batch.py [--rounds 5] [--photos 50]
"""

import argparse
import http.client
import json
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import image_peers
from harness import Report

HERE = Path(__file__).parent
OURS = "weft"
SERVER = """
import asyncio, json, sys, time
sys.path.insert(0, {here!r})
import image_peers
from pathlib import Path

folder, peer = Path(sys.argv[1]), sys.argv[2]
lags = []
UPSTREAM = 0.02  # seconds

async def answer(reader, writer):
    while True:
        try:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            break
        if b"/upstream" in head:
            await asyncio.sleep(UPSTREAM)
        body = json.dumps({{"numbers": list(range(200))}}).encode()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    writer.close()

async def look():
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - before - 0.005)

async def work(files, out):
    if peer == "weft":
        import weft
        await weft.map(image_peers.weft_async, [(file, out / file.name) for file in files], join="all")
    elif peer != "idle":
        await asyncio.to_thread(image_peers.BATCH[peer], files, out)

async def main():
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # of connections that end with the run
    files, out = sorted((folder / "in").iterdir()), folder / "out"
    await work(files[:2], out)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    looking = asyncio.create_task(look())
    await (asyncio.sleep(5) if peer == "idle" else work(files, out))
    looking.cancel()
    print(json.dumps(sorted(lags)), flush=True)

asyncio.run(main())
"""


def batch(peer, folder):
    done = subprocess.run(
        [sys.executable, "image_peers.py", "batch", peer, str(folder)], cwd=HERE, check=True, capture_output=True
    )
    return json.loads(done.stdout)


def beside(peer, folder):
    """Requests of one client, 10 ms apart, to a server that works at the same time."""
    code = SERVER.format(here=str(HERE))
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder), peer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        port = int(server.stdout.readline())
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("GET", "/")
        client.getresponse().read()
        server.stdin.write("go\n")
        server.stdin.flush()
        taken = _ask(client, server)
        lags = json.loads(server.stdout.readline())
        client.close()
    at_once, upstream = (quantile(sorted(taken[at::2]), 0.99) * 1000 for at in (0, 1))
    return {"at once": at_once, "upstream": upstream, "lag": quantile(lags, 0.99) * 1000}


def _ask(client, server):
    taken = []
    while not select.select([server.stdout], [], [], 0)[0]:
        began = time.perf_counter()
        try:
            client.request("GET", "/upstream" if len(taken) % 2 else "/")
            client.getresponse().read()
        except (http.client.HTTPException, OSError):
            break  # it has ended
        taken.append(time.perf_counter() - began)
        time.sleep(0.01)
    return taken


def quantile(ordered, q):
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def in_turn(measure, peers, folder, rounds):
    found = {peer: [] for peer in peers}
    for number in range(rounds):
        for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
            found[peer].append(measure(peer, folder))
    return found


def compare(options, folder):
    report = Report(
        "images_batch",
        f"{options.photos} photo-like JPEG files of 12 MP made 1600 pixels wide (quality 80, no metadata), peers in "
        "turn, each in a process of its own. Then the same in a process that answers one client's web requests "
        "meanwhile: every other one waits 20 ms for an upstream, as web requests do, the others for nothing.",
    )
    peers = list(image_peers.BATCH)
    case = f"{options.photos} photos of 12 MP"
    alone = in_turn(batch, peers, folder, options.rounds)
    for peer, found in alone.items():
        report.row(case, peer, "speed", "photos/s", [options.photos / one["seconds"] for one in found])
        report.row(case, peer, "peak memory", "MiB", [one["rss"] for one in found])
    served = in_turn(beside, ["idle", *peers], folder, options.rounds)
    for peer, found in served.items():
        report.row("beside web requests", peer, "p99 of a request", "ms", [one["upstream"] for one in found])
        report.row(
            "beside web requests", peer, "p99 of one that waits for nothing", "ms", [one["at once"] for one in found]
        )
        report.row("beside web requests", peer, "p99 of the loop's lag", "ms", [one["lag"] for one in found])

    def speed_against(other, target):
        value = statistics.median(b["seconds"] / a["seconds"] for a, b in zip(alone[OURS], alone[other], strict=True))
        report.ratio(f"{case}: photos/s, weft / {other}", value, f"at least {target}", met=value >= target)

    speed_against("Pillow, a thread each", 1.8)
    speed_against("raw pyvips, pool of 2", 0.95)
    value = statistics.median(a["upstream"] / b["upstream"] for a, b in zip(served[OURS], served["idle"], strict=True))
    report.ratio("p99 of web requests beside it, over idle", value, "at most 1.5", met=value <= 1.5)
    lag = statistics.median(one["lag"] for one in served[OURS])
    report.ratio("p99 of the event loop's lag beside it, ms", lag, "at most 5", met=lag <= 5)
    return report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=50)
    parser.add_argument("--dry", action="store_true", help="print, and write no result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weft-images-") as name:
        folder = Path(name)
        (folder / "out").mkdir()
        image_peers.photos(folder, options.photos)
        report = compare(options, folder)
    if not options.dry:
        report.write()


if __name__ == "__main__":
    main()
