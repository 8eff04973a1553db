"""A Flask page that checks many sites within one request: `GET /check-sites?url=...&url=...`."""

from flask import Flask, request

import weft
from weft.adapters.flask import Weft

app = Flask(__name__)
Weft(app, deadline=5.0)


@app.get("/check-sites")
def check_sites():
    """Ask all sites at once; after 2 s the page is sent with what has come by then."""
    urls = request.args.getlist("url")
    outcomes = weft.map(weft.http.get, urls, deadline=2.0).outcomes()
    return {url: describe(outcome) for url, outcome in zip(urls, outcomes, strict=True)}


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
