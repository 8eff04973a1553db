"""A FastAPI app that computes: `GET /report?size=200000` adds up primes in worker processes."""

from fastapi import FastAPI

import weft
from weft.adapters.asgi import Weft, weft_deadline

app = FastAPI()
app.add_middleware(Weft, deadline=10.0)


@weft.cpu
def primes_below(bound: int) -> int:
    """Sum of the primes below a bound, the slow way: what no thread can make faster, and what would stop the loop."""
    return sum(n for n in range(2, bound) if all(n % d for d in range(2, int(n**0.5) + 1)))


@app.get("/report")
async def report(bound: int = 20_000, parts: int = 2):
    """Compute parts of a report at the same time, each in a process."""
    sums = await weft.map(primes_below, [bound] * parts, join="all")
    return {"sums": sums}


@app.get("/impatient")
@weft_deadline(0.5)
async def impatient():
    """A computation that would take minutes is ended at the deadline, process and all; the client is told 504."""
    async with weft.scope() as scope:
        scope.start(primes_below, 50_000_000)
    return {}


@app.get("/health")
async def health():
    """Answers while the others compute."""
    return {"ok": True}
