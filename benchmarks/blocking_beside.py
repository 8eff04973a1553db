"""100 requests of 0.5 s blocking work in FastAPI's plain endpoints, beside one that does nothing."""

import threading

from harness import Report, in_turn
from web_load import Site, run_clients

PEERS = ["Starlette", "Starlette, 200 threads", "weft"]
WORDS = ("-m", "uvicorn", "--log-level", "error", "--port", "PORT", "web_fastapi:app")
ROUNDS, SECONDS = 5, 6


def measure(site):
    """The no-op's figures while 100 clients ask for blocking work."""
    found = {}
    with site:
        order = (site.port, "/blocking", 100, SECONDS + 1)
        blocking = threading.Thread(target=lambda: found.update(run_clients(*order)))
        blocking.start()
        noop = run_clients(site.port, "/plain-noop", 1, SECONDS)
        blocking.join()
    assert not noop["failed"] + noop["lost"] + found["failed"] + found["lost"]
    return {"p50": noop["p50"], "p99": noop["p99"], "blocking": found["rate"]}


def run():
    report = Report(
        "blocking_beside",
        "100 clients of a FastAPI endpoint that blocks for 0.5 s, beside one client of a plain endpoint that does "
        "nothing: how long the latter waits. weft: `weft.configure(threads=200)` and `adopt()`. Starlette can have "
        "more threads as well; what waits then has no bound yet, and stuck calls keep their threads.",
    )
    figures = in_turn([Site(peer, WORDS, PEER=peer) for peer in PEERS], ROUNDS, measure)
    tail = {}
    for peer, taken in figures.items():
        report.row("the no-op", peer, "p50", "ms", [one["p50"] for one in taken])
        tail[peer] = report.row("the no-op", peer, "p99", "ms", [one["p99"] for one in taken])
        report.row("the blocking ones", peer, "requests per second", "1/s", [one["blocking"] for one in taken])
    note = f"Starlette: {tail['Starlette']:.0f} ms"
    met = tail["weft"] < 20
    report.ratio("p99 of a no-op beside 100 blocking requests, ms", tail["weft"], "below 20", met=met, note=note)
    report.write()


if __name__ == "__main__":
    run()
