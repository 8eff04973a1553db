"""A Flask app under gunicorn's threads: 100 and 500 clients, each view makes 20 calls of 100 ms."""

from harness import Report, cpus, in_turn
from upstream import upstream
from web_load import Site

PEERS = ["article", "shared pool", "weft"]
WORDS = (
    "-m",
    "gunicorn",
    "-k",
    "gthread",
    "--threads",
    "200",
    "--log-level",
    "error",
    "--bind",
    "127.0.0.1:PORT",
    "web_flask:app",
)
ROUNDS, SECONDS = 3, 8
MEMORY = (
    "12 MiB more at rest (libcurl, uvloop); the rest is calls in flight, 11 KiB each: 2,000 to 4,000 at once, and the "
    "article's way never has more than 500"
)


def run():
    report = Report(
        "flask_under_load",
        "A Flask app under gunicorn (one worker of 200 threads, on one CPU): 100 and 500 clients, each view makes 20 "
        "calls of 100 ms to one host. The article's way is a pool of five threads in each view, and `requests`; the "
        "shared pool has 100 threads, and a session that keeps its connections.",
    )
    with upstream(cpus()[1]) as base:
        sites = [Site(peer, WORDS, PEER=peer, UPSTREAM=base) for peer in PEERS]
        for clients in (100, 500):
            one_level(report, sites, clients)
    report.write()


def one_level(report, sites, clients):
    figures = in_turn(sites, ROUNDS, lambda site: site.load("/check-sites", clients, SECONDS))
    case = f"{clients} clients"
    rate = {}
    for peer, taken in figures.items():
        assert not sum(one["failed"] + one["lost"] for one in taken), (peer, taken)
        rate[peer] = report.row(case, peer, "requests per second", "1/s", [one["rate"] for one in taken])
        report.row(case, peer, "p50", "ms", [one["p50"] for one in taken])
        report.row(case, peer, "p99", "ms", [one["p99"] for one in taken])
        report.row(case, peer, "threads", "", [one["threads"] for one in taken])
        report.row(case, peer, "memory", "MiB", [one["rss"] / 2**20 for one in taken])
    value = rate["weft"] / rate["article"]
    report.ratio(f"{case}: requests per second, weft / the article's", value, "at least 8", met=value >= 8)
    tail = max(one["p99"] / one["p50"] for one in figures["weft"])
    report.ratio(f"{case}: p99 / p50 of weft", tail, "at most 2", met=tail <= 2)
    memory = [min(one["rss"] for one in figures[peer]) for peer in ("weft", "article")]
    what = f"{case}: memory, weft / the article's"
    report.ratio(what, memory[0] / memory[1], "below 1", met=memory[0] < memory[1], note=MEMORY)
    threads = max(one["threads"] for one in figures["weft"])
    report.ratio(f"{case}: threads of weft's app", threads, "at most 210", met=threads <= 210)


if __name__ == "__main__":
    run()
