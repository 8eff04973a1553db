"""The portal in Flask."""

from flask import Flask, request

from weft.adapters.flask import Weft, weft_deadline
from work import check, describe, page_of, profile, report

app = Flask(__name__)
Weft(app, deadline=5.0)


@app.get("/check-sites")
def check_sites():
    urls = request.args.getlist("url")
    return dict(zip(urls, map(describe, check(urls).outcomes()), strict=True))


@app.get("/profile/<user>")
def show_profile(user):
    return page_of(profile(user).outcomes())


@app.get("/report")
@weft_deadline(3.0)
def show_report():
    return {"sum_of_primes": sum(report(request.args.get("bound", 20_000, int)).values())}


@app.get("/health")
def health():
    return {"ok": True}
