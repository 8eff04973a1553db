"""The portal in Sanic."""

from sanic import Sanic, json

from weft.adapters.sanic import Weft, weft_deadline
from work import check, describe, page_of, profile, report

app = Sanic("portal")
Weft(app, deadline=5.0)


@app.get("/check-sites")
async def check_sites(request):
    urls = request.args.getlist("url", [])
    return json(dict(zip(urls, map(describe, await check(urls)), strict=True)))


@app.get("/profile/<user>")
async def show_profile(_request, user):
    return json(page_of(await profile(user)))


@app.get("/report")
@weft_deadline(3.0)
async def show_report(request):
    return json({"sum_of_primes": sum(await report(int(request.args.get("bound", "20000"))))})


@app.get("/health")
async def health(_request):
    return json({"ok": True})
