"""Ten thousand calls in flight at once, each answered after one second; and how cost grows from 10 to 10,000."""

from harness import Peer, Report, cpus
from upstream import upstream

LEVELS = (10, 30, 100, 300, 1_000, 3_000, 10_000)
MOST = {"article": 1_000, "requests.Session": 1_000, "httpx": 1_000}  # beyond, they run out of time or threads
PEERS_HERE = ("article", "requests.Session", "httpx", "aiohttp", "raw engine", "weft")
ROUNDS = 3
NOTE = "raw engine: {:.2f} s; one core opens and serves 10,000 connections, and each costs it more than 100 µs of CPU"


def run():
    report = Report(
        "in_flight", "10,000 calls in flight at 1 s latency; CPU per call and RSS from 10 to 10,000 in flight"
    )
    with upstream(cpus()[1]) as base:
        for level in LEVELS:
            one_level(report, f"{base}/delay/1", level)
    report.document["picture"] = {
        "file": "growth.svg",
        "says": "How CPU and memory of a call grow with the calls in flight",
    }
    report.write()


def one_level(report, url, level):
    found = {}
    for name in PEERS_HERE:
        if level > MOST.get(name, level):
            continue
        taken = [fresh(name, url, level) for _ in range(ROUNDS)]
        case = f"{level} in flight at 1 s"
        wall = report.row(case, name, "wall", "s", [t["wall"] for t in taken])
        report.row(case, name, "CPU per call", "µs", [t["cpu"] / level * 1e6 for t in taken])
        rss = report.row(case, name, "RSS per call", "KiB", [t["rss"] / level / 1024 for t in taken])
        threads = report.row(case, name, "threads", "", [t["threads"] for t in taken])
        found[name] = (wall, rss, threads)
    if level == 10_000:
        wall, rss, threads = found["weft"]
        raw = found["raw engine"][0]
        report.ratio(
            "10,000 in flight: wall of weft", wall, "at most 1.3 s", met=wall <= 1.3, note=f"raw engine: {raw:.2f} s"
        )
        report.ratio("10,000 in flight: RSS per call of weft", rss, "at most 25 KiB", met=rss <= 25)
        report.ratio("10,000 in flight: weft's threads", threads - 1, "at most 3", met=threads - 1 <= 3)


def fresh(name, url, level):
    """A new process for each measurement, warmed by ten calls: memory that stays must not flatter the next."""
    peer = Peer(name)
    try:
        peer.measure([url.replace("/delay/1", "/")] * 10, 10)
        return peer.measure([url] * level, level)
    finally:
        peer.close()


if __name__ == "__main__":
    run()
