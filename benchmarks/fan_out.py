"""One view that calls twenty APIs: how long it takes beside its slowest call, and what each call costs in CPU."""

from harness import Peer, Report, cpus, in_turn
from peers import PEERS
from upstream import upstream

ROUNDS = 15


def run():
    report = Report(
        "fan_out", "One view, 20 calls of 100 ms: wall time; and CPU per call of 20 small GETs, from a sync view"
    )
    with upstream(cpus()[1]) as base:
        peers = [Peer(name) for name in PEERS]
        try:
            wall_time(report, peers, [f"{base}/delay/0.1"] * 20)
            cpu_per_call(report, peers, [f"{base}/"] * 20)
        finally:
            for peer in peers:
                peer.close()
    report.write()


def wall_time(report, peers, urls):
    figures = in_turn(peers, ROUNDS, lambda peer: peer.measure(urls, 5 if peer.name == "article" else 20)["wall"])
    wall = {
        name: report.row("20 calls of 100 ms", name, "wall", "ms", [1000 * v for v in values])
        for name, values in figures.items()
    }
    slowest = 100.0
    report.ratio(
        "wall time of weft / the slowest call",
        wall["weft"] / slowest,
        "at most 1.05",
        met=wall["weft"] <= 1.05 * slowest,
    )
    faster = wall["article"] / wall["weft"]
    report.ratio("wall time of the article's / weft's", faster, "at least 2.5", met=faster >= 2.5)


def cpu_per_call(report, peers, urls):
    # One view is over in a few milliseconds, so each measurement makes 25 of them, one after the other.
    figures = in_turn(
        peers,
        ROUNDS,
        lambda peer: sum(peer.measure(urls, 5 if peer.name == "article" else 20)["cpu"] for _ in range(25)),
    )
    cost = {
        name: report.row("20 small GETs", name, "CPU per call", "µs", [v / 25 / 20 * 1e6 for v in values])
        for name, values in figures.items()
    }
    less = cost["article"] / cost["weft"]
    report.ratio("CPU per call of the article's / weft's", less, "at least 12", met=less >= 12)
    more = cost["weft"] / cost["raw engine"]
    report.ratio("CPU per call of weft / the raw engine", more, "at most 1.35", met=more <= 1.35)


if __name__ == "__main__":
    run()
