"""What an adapter costs a view that uses nothing of weft: requests per second, in each framework on its server."""

import statistics

from harness import Report
from web_load import Site

GUNICORN = ("-m", "gunicorn", "-k", "gthread", "--threads", "4", "--log-level", "error", "--bind", "127.0.0.1:PORT")
SERVERS = {
    "Flask": (*GUNICORN, "web_noop:app"),
    "Django": (*GUNICORN, "web_noop:app"),
    "FastAPI": ("-m", "uvicorn", "--log-level", "error", "--no-access-log", "--port", "PORT", "web_noop:app"),
    "Sanic": ("web_noop.py", "PORT"),
}
SMALL = (
    "A scope, its entry with the one timer and three context variables cost 6 to 12 µs here (in a tight loop 3 to 4). "
    "That is little beside a view that does anything, and more than 3 % of a request that takes 40 or 100 µs in all."
)
ROUNDS, TURNS, SECONDS, CLIENTS = 3, 8, 1.5, 4


def run():
    report = Report(
        "adapter_cost",
        "A view that does nothing, on one CPU, 4 clients: requests per second with weft's adapter against without. "
        "Both servers stand side by side and are asked in turn; the ratio is the median over 24 pairs of turns.",
    )
    for framework, words in SERVERS.items():
        pairs = [pair for _ in range(ROUNDS) for pair in one_round(framework, words)]
        bare, ours = zip(*pairs, strict=True)
        report.row(framework, "bare", "requests per second", "1/s", [one["rate"] for one in bare])
        report.row(framework, "with the adapter", "requests per second", "1/s", [one["rate"] for one in ours])
        report.row(framework, "bare", "CPU per request", "µs", [one["cpu"] * 1e6 for one in bare])
        report.row(framework, "with the adapter", "CPU per request", "µs", [one["cpu"] * 1e6 for one in ours])
        ratio = statistics.median(ours["rate"] / bare["rate"] for bare, ours in pairs)
        what, met = f"{framework}: requests per second with the adapter", ratio >= 0.97
        report.ratio(what, ratio, "at least 0.97", met=met, note="" if met else SMALL)
    report.write()


def one_round(framework, words):
    """Both, in turn, on servers that have just been started: where memory came to lie differs from start to start."""
    bare, ours = (Site(framework, words, FRAMEWORK=framework, ADAPTER=adapter) for adapter in "01")
    with bare, ours:
        for site in (bare, ours):
            site.measure("/noop", CLIENTS, SECONDS)
        for turn in range(TURNS):
            first, second = (bare, ours) if turn % 2 else (ours, bare)
            taken = {id(site): site.measure("/noop", CLIENTS, SECONDS) for site in (first, second)}
            yield taken[id(bare)], taken[id(ours)]


if __name__ == "__main__":
    run()
