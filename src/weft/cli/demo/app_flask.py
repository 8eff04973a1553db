"""The demo as a Flask application, served by gunicorn's threads."""

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from weft.adapters.flask import Weft, weft_deadline
from weft.cli.demo import runs, web
from weft.cli.demo.photos import shelf
from weft.cli.demo.sites import warm_up
from weft.runtime.face import run
from weft.uploads.arriving.receiving import receive

__all__ = ["app"]

app = Flask(__name__, static_folder=None)
app.config["MAX_CONTENT_LENGTH"] = web.LARGEST_BODY
Weft(app, deadline=60.0)
run(warm_up)  # in the worker: the first visitor does not wait for an import


@app.before_request
def refuse_strangers() -> None:
    """Answer only those who know the server by its own name, and send what other pages do not make them send."""
    if status := web.barred(request.method, request.headers.get):
        abort(status)


@app.after_request
def add_headers(response: Response) -> Response:
    """Say on each answer what the page may do."""
    response.headers.update(web.HEADERS)
    return response


@app.errorhandler(web.Refusal)
def explain(error: web.Refusal) -> tuple[Response, int]:
    """Tell the person at the page what to change."""
    return jsonify(detail=str(error)), error.status


@app.errorhandler(HTTPException)
def explain_refusal(error: HTTPException) -> tuple[Response, int]:
    """The same form for all else that is refused: the page shows the sentence."""
    return jsonify(detail=error.description), error.code or 500


@app.get("/settings.json")
def settings() -> Response:
    """What the page has to know."""
    return jsonify(web.settings("Flask on gunicorn's threads"))


@app.post("/check-sites/<way>")
def check_sites(way: str) -> Response:
    """Run one way, and stream each call as it ends."""
    if way not in runs.WAYS:
        abort(404)
    job = web.Job.read(request.content_type or "", request.get_data())
    return Response(runs.lines(way, job), mimetype=web.LINES)


@app.post("/photos/add")
@weft_deadline(shelf.PATIENCE)
def add_photo() -> Response:
    """Keep a photo, and have it made small."""
    return jsonify(shelf.add(receive(request, shelf.intake())))


@app.get("/photos/list")
def list_photos() -> Response:
    """How each stands."""
    return jsonify(shelf.listed())


@app.get("/photos/small/<uid>")
def small_photo(uid: str) -> Response:
    """A photo that was made small."""
    found = shelf.small(uid)
    if found is None:
        abort(404)
    return Response(found[0], content_type=found[1])


@app.post("/photos/do/<action>")
def act(action: str) -> Response:
    """What a button of the page does."""
    return jsonify(shelf.act(action))


@app.get("/")
@app.get("/<name>")
def page(name: str = "") -> Response:
    """The page and its files."""
    found = web.file(name)
    if found is None:
        abort(404)
    return Response(found[0], content_type=found[1])
