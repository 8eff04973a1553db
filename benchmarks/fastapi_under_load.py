"""The same view in FastAPI on uvicorn, against aiohttp and httpx used by hand with a semaphore."""

from harness import Report, cpus, in_turn
from upstream import upstream
from web_load import Site

PEERS = ["httpx", "aiohttp", "weft"]
WORDS = ("-m", "uvicorn", "--log-level", "error", "--port", "PORT", "web_fastapi:app")
ROUNDS = 5
SECONDS = {"httpx": 25, "aiohttp": 6, "weft": 6}  # httpx needs some for its first answers


def run():
    report = Report(
        "fastapi_under_load",
        "A FastAPI app on uvicorn, on one CPU: 100 clients, each view makes 20 calls of 100 ms to one host. aiohttp "
        "and httpx are used as one does by hand: one client for the app, a semaphore, `asyncio.gather`. (httpx with "
        "100 connections; with 2,000 it answers nobody.) weft's limits, its deadline and its adapter are on.",
    )
    with upstream(cpus()[1]) as base:
        sites = [Site(peer, WORDS, PEER=peer, UPSTREAM=base) for peer in PEERS]
        figures = in_turn(sites, ROUNDS, lambda site: site.load("/check-sites", 100, SECONDS[site.name]))
    rate = {}
    for peer, taken in figures.items():
        assert not sum(one["failed"] + one["lost"] for one in taken), (peer, taken)
        rate[peer] = report.row("100 clients", peer, "requests per second", "1/s", [one["rate"] for one in taken])
        report.row("100 clients", peer, "p50", "ms", [one["p50"] for one in taken])
        report.row("100 clients", peer, "p99", "ms", [one["p99"] for one in taken])
        report.row("100 clients", peer, "CPU per request", "ms", [one["cpu"] * 1000 for one in taken])
        report.row("100 clients", peer, "memory", "MiB", [one["rss"] / 2**20 for one in taken])
    for peer, target in (("aiohttp", 0.95), ("httpx", 1)):
        value = rate["weft"] / rate[peer]
        what = f"requests per second in FastAPI, weft / {peer} by hand"
        report.ratio(what, value, f"at least {target}", met=value >= target)
    report.write()


if __name__ == "__main__":
    run()
