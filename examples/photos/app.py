"""Drop photos on a page and watch them become small: `flask run`, or gunicorn with as many workers as you like."""

from pathlib import Path

from flask import Flask, Response, abort, jsonify, request, send_file

import weft
from photos import shrink, storage
from weft.adapters.flask import Weft, weft_deadline
from weft.jobs import State
from weft.jobs.codec import decode_json

HERE = Path(__file__).parent
INTAKE = weft.uploads.Intake(files=50, total=500_000_000, seconds=300)

weft.jobs.use("sqlite:photos.db")
app = Flask(__name__)
Weft(app)
worker = weft.jobs.embedded(photos=2)


@app.get("/")
def page() -> Response:
    """The page; all that it shows it asks of /photos, so that it can be closed and opened again."""
    return send_file(HERE / "page.html")


@app.post("/photos")
@weft_deadline(300)
def add() -> Response:
    """Keep the photos, and have each made small."""
    received = weft.uploads.receive(request, INTAKE, user=request.remote_addr)
    handles = [shrink.enqueue(photo) for photo in received.get_all("photo")]
    return jsonify([handle.uid for handle in handles])


@app.get("/photos")
def photos() -> Response:
    """How each stands."""
    records = weft.jobs.stores.store().records(task=shrink.name, most=200)
    return jsonify([described(record) for record in records])


@app.get("/photos/<uid>")
def photo(uid: str) -> Response:
    """The small photo. What users have sent is never interpreted as anything else."""
    record = weft.jobs.handle(uid).record()
    if record.state is not State.COMPLETED:
        abort(404)
    small = decode_json(record.result, weft.Upload)
    answer = Response(storage.open(small.key), mimetype=f"image/{small.format}")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def described(record: weft.jobs.Record) -> dict[str, object]:
    """A job, as the page shows it."""
    given = decode_json(record.arguments.encode(), dict[str, weft.Upload])["photo"]
    made = decode_json(record.result, weft.Upload) if record.state is State.COMPLETED else None
    return {
        "uid": record.uid,
        "name": given.filename,
        "state": str(record.state),
        "before": given.size,
        "after": None if made is None else made.size,
        "error": None if record.error is None else record.error.rpartition("\n")[2].partition(": ")[2],
    }
