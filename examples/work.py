"""What the pages of the four applications do. No framework is named here.

A plain view waits for a batch by asking for its `outcomes()`, an async one by `await`.
"""

import os

import requests

import weft

APIS = os.environ.get("APIS", "http://127.0.0.1:9000")
PARTS = ["account", "orders", "messages", "weather", "offers"]


def check(urls):
    """Ask many sites at once; whatever has not answered after 2 s is late."""
    return weft.map(weft.http.get, urls, deadline=2.0)


def describe(outcome):
    match outcome:
        case weft.Ok(response):
            return f"answered {response.status_code}"
        case weft.TimedOut():
            return "late"
        case weft.Failed(error):
            return f"failed: {type(error).__name__}"
        case _:
            return "not asked"


def profile(user):
    """Ask five services at once. One has a client that blocks: it runs on a thread beside the others on the loop."""
    calls = [weft.call(load_with_requests if part == "orders" else load, part, user) for part in PARTS]
    return weft.gather(*calls, deadline=1.0, join="settled")


async def load(part, user):
    response = await weft.http.get(f"{APIS}/{part}/{user}")
    return response.raise_for_status().json()


def load_with_requests(part, user):
    """Stands for the library that will never be async. What is left of the deadline is its timeout."""
    response = requests.get(f"{APIS}/{part}/{user}", timeout=weft.remaining())
    response.raise_for_status()
    return response.json()


def page_of(outcomes):
    """The page with the parts that have come, and the names of those that have not."""
    came = {part: outcome.value for part, outcome in zip(PARTS, outcomes, strict=True) if outcome.ok}
    return {**came, "missing": [part for part in PARTS if part not in came]}


def report(bound):
    """Compute the two halves of a report at the same time, each in a process; no thread could make Python faster."""
    return weft.map(sum_of_primes, [(0, bound // 2), (bound // 2, bound)], join="all")


@weft.cpu
def sum_of_primes(span):
    return sum(n for n in range(max(2, span[0]), span[1]) if all(n % d for d in range(2, int(n**0.5) + 1)))
