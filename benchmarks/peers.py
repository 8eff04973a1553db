"""The same fan-out, written with each peer as its users write it. Each lives in a process of its own, and stays warm.

`fan_out(urls, in_flight)` makes all the calls with at most so many in flight, and returns how many succeeded. Callers
are synchronous: a view that wants its answers.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor


class Article:
    """The article's view: a new pool of five threads for each request, and `requests.get`."""

    def __init__(self):
        import requests

        self.get = requests.get

    def view(self, urls):
        with ThreadPoolExecutor(max_workers=5) as pool:
            return sum(response.status_code == 200 for response in pool.map(self.get, urls))

    def fan_out(self, urls, in_flight):
        views = [urls[n : n + 20] for n in range(0, len(urls), 20)]
        at_once = max(1, min(in_flight // 5, len(views)))
        if at_once == 1:
            return sum(self.view(urls) for urls in views)
        with ThreadPoolExecutor(at_once) as servers:  # the web server's own threads, one for each request under way
            return sum(servers.map(self.view, views))


class Session:
    """`requests.Session` and one pool of threads, shared by all requests."""

    def __init__(self):
        import requests
        from requests.adapters import HTTPAdapter

        self.session = requests.Session()
        self.session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1000))
        self.pools = {}

    def fan_out(self, urls, in_flight):
        size = min(in_flight, 1000)
        pool = self.pools.get(size) or self.pools.setdefault(size, ThreadPoolExecutor(size))
        return sum(response.status_code == 200 for response in pool.map(self.session.get, urls))


class OnLoop:
    """What the async peers share: one loop in a background thread, entered once for each fan-out."""

    def __init__(self, new_loop=asyncio.new_event_loop):
        self.loop = new_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self.open(), self.loop).result()

    def fan_out(self, urls, in_flight):
        return asyncio.run_coroutine_threadsafe(self.gather(urls, in_flight), self.loop).result()

    async def gather(self, urls, in_flight):
        if in_flight >= len(urls):
            return sum(await asyncio.gather(*(self.get(url) for url in urls)))
        source = iter(urls)
        return sum(await asyncio.gather(*(self.worker(source) for _ in range(in_flight))))

    async def worker(self, source):
        return sum([await self.get(url) for url in source])


class Aiohttp(OnLoop):
    """aiohttp on uvloop, by hand."""

    def __init__(self):
        import uvloop

        super().__init__(uvloop.new_event_loop)

    async def open(self):
        import aiohttp

        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def get(self, url):
        async with self.session.get(url) as response:
            await response.read()
            return response.status == 200


class Httpx(OnLoop):
    """httpx.AsyncClient, by hand."""

    async def open(self):
        import httpx

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.client = httpx.AsyncClient(limits=limits, timeout=60)

    async def get(self, url):
        return (await self.client.get(url)).status_code == 200


class Raw(OnLoop):
    """The raw engine: CurlMulti on uvloop with nothing around it."""

    def __init__(self):
        import uvloop

        super().__init__(uvloop.new_event_loop)

    async def open(self):
        from raw_curl import RawCurl

        self.curl = RawCurl()

    async def get(self, url):
        status, _ = await self.curl.get(url)
        return status == 200


class Weft:
    """weft, all limits and deadlines on; the host's limit is raised to what the case asks for."""

    def __init__(self):
        import weft

        weft.configure(host_limit=10_000, process_limit=10_000)
        self.weft = weft

    def fan_out(self, urls, in_flight):
        weft = self.weft
        batch = weft.map(weft.http.get, urls, limit=in_flight, deadline=120)
        return sum(response.status_code == 200 for response in batch.values())


PEERS = {
    "article": Article,
    "requests.Session": Session,
    "httpx": Httpx,
    "aiohttp": Aiohttp,
    "raw engine": Raw,
    "weft": Weft,
}
