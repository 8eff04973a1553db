"""The portal in FastAPI."""

from typing import Annotated

from fastapi import FastAPI, Query

from weft.adapters.asgi import Weft, weft_deadline
from work import check, describe, page_of, profile, report

app = FastAPI()
app.add_middleware(Weft, deadline=5.0)


@app.get("/check-sites")
async def check_sites(url: Annotated[list[str], Query()]):
    return dict(zip(url, map(describe, await check(url)), strict=True))


@app.get("/profile/{user}")
async def show_profile(user: str):
    return page_of(await profile(user))


@app.get("/report")
@weft_deadline(3.0)
async def show_report(bound: int = 20_000):
    return {"sum_of_primes": sum(await report(bound))}


@app.get("/health")
async def health():
    return {"ok": True}
