"""The Flask application of the benchmarks, as PEER says: the article's, one shared pool, weft's; or bare."""

import os
from concurrent.futures import ThreadPoolExecutor

import requests
from flask import Flask

import weft
from weft.adapters.flask import Weft

PEER = os.environ["PEER"]
URLS = [f"{os.environ.get('UPSTREAM', '')}/delay/0.1?{number}" for number in range(20)]

app = Flask(__name__)
if PEER == "weft":
    app.config["WEFT_HOST_LIMIT"] = 10_000  # all go to one host here
    Weft(app)
elif PEER == "shared pool":
    shared = ThreadPoolExecutor(100)
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=100))


@app.get("/check-sites")
def check_sites():
    """Ask them all."""
    if PEER == "weft":
        return {"statuses": [answer.status_code for answer in weft.map(weft.http.get, URLS, join="all").result()]}
    if PEER == "shared pool":
        return {"statuses": list(shared.map(lambda url: session.get(url, timeout=10).status_code, URLS))}
    with ThreadPoolExecutor(max_workers=5) as executor:
        return {"statuses": list(executor.map(lambda url: requests.get(url, timeout=10).status_code, URLS))}


@app.get("/noop")
def noop():
    """Do nothing."""
    return {}
