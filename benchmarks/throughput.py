"""Calls per second from one process, with 200 and 1,000 in flight."""

from harness import Peer, Report, cpus, in_turn
from peers import PEERS
from upstream import upstream

ROUNDS = 7


def run():
    report = Report("throughput", "Calls per second, one process, 200 and 1,000 in flight")
    with upstream(cpus()[1]) as base:
        for in_flight in (200, 1000):
            one_level(report, f"{base}/", in_flight)
    report.write()


def one_level(report, url, in_flight):
    # Slow peers make fewer calls, so that a round takes each about as long.
    calls = {
        "article": 1000,
        "requests.Session": 1000,
        "httpx": max(400, in_flight),
        "aiohttp": 6000,
        "raw engine": 10_000,
        "weft": 10_000,
    }
    peers = [Peer(name) for name in PEERS]
    try:
        figures = in_turn(
            peers, ROUNDS, lambda peer: calls[peer.name] / peer.measure([url] * calls[peer.name], in_flight)["wall"]
        )
    finally:
        for peer in peers:
            peer.close()
    rate = {
        name: report.row(f"{in_flight} in flight", name, "calls per second", "1/s", values)
        for name, values in figures.items()
    }
    for peer, target in (("article", 10), ("aiohttp", 1), ("httpx", 1), ("raw engine", 0.75)):
        value = rate["weft"] / rate[peer]
        report.ratio(f"{in_flight} in flight: weft / {peer}", value, f"at least {target}", met=value >= target)


if __name__ == "__main__":
    run()
