"""The FastAPI application of the benchmarks, as PEER says."""

import asyncio
import os
import time
from contextlib import asynccontextmanager

import aiohttp
import anyio.to_thread
import httpx
from fastapi import FastAPI

import weft
from weft.adapters.asgi import Weft
from weft.adapters.threadpool import adopt

PEER = os.environ["PEER"]
URLS = [f"{os.environ.get('UPSTREAM', '')}/delay/0.1?{number}" for number in range(20)]
AT_ONCE = 10_000
AT_ONCE_HTTPX = 100  # with 2,000 connections it spends all of its time in the bookkeeping of its pool
THREADS = 200


@asynccontextmanager
async def lifespan(_app):
    """Open what the peer needs."""
    if PEER == "Starlette, 200 threads":
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    limits = httpx.Limits(max_connections=AT_ONCE_HTTPX, max_keepalive_connections=AT_ONCE_HTTPX)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as there.aiohttp,
        httpx.AsyncClient(limits=limits, timeout=30) as there.httpx,
    ):
        yield


class There:
    """What is opened at the start."""

    aiohttp: aiohttp.ClientSession
    httpx: httpx.AsyncClient


there = There()
app = FastAPI(lifespan=lifespan)
semaphore = asyncio.Semaphore(AT_ONCE if PEER == "aiohttp" else AT_ONCE_HTTPX)
weft.configure(host_limit=AT_ONCE, process_limit=AT_ONCE, threads=THREADS)  # all go to one host here
if PEER == "weft":
    app.add_middleware(Weft)
    adopt()


async def one_aiohttp(url):
    """As one writes it by hand."""
    async with semaphore, there.aiohttp.get(url) as answer:
        await answer.read()
        return answer.status


async def one_httpx(url):
    """As one writes it by hand."""
    async with semaphore:
        return (await there.httpx.get(url)).status_code


@app.get("/check-sites")
async def check_sites():
    """Ask them all."""
    if PEER == "weft":
        return {"statuses": [answer.status_code for answer in await weft.map(weft.http.get, URLS, join="all")]}
    one = one_aiohttp if PEER == "aiohttp" else one_httpx
    return {"statuses": await asyncio.gather(*(one(url) for url in URLS))}


@app.get("/noop")
async def noop():
    """Do nothing."""
    return {}


@app.get("/plain-noop")
def plain_noop():
    """Do nothing, on a thread."""
    return {}


@app.get("/blocking")
def blocking():
    """Wait, on a thread."""
    time.sleep(0.5)
    return {}
