"""What the page of photos asks for, whichever framework it comes through. What is said to block does so for long.

The job store and the storage are those of the process: the command names both by environment variables. What they need
may not be installed, so it is imported once it is known to be there.
"""

from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from weft.cli.demo.photos import keeper
from weft.cli.demo.web import Refusal
from weft.clock import wall
from weft.uploads.arriving.intake import Intake
from weft.uploads.arriving.received import Received
from weft.uploads.records import Upload
from weft.uploads.storing.storages import storage

if TYPE_CHECKING:
    from weft.jobs.records import Record

__all__ = ["PATIENCE", "act", "add", "intake", "listed", "missing", "small"]

PATIENCE = 130.0
"""Seconds that the view which takes a photo may need."""
MOST_BYTES = 51_000_000
"""Bytes of such a request."""

_INTAKE = Intake(files=1, file_size=50_000_000, total=MOST_BYTES, seconds=120.0)
_EXTRAS = {"images": ("multipart", "PIL"), "jobs": ("msgspec", "cronsim")}
_MOST = 500  # photos on the page
_LONGEST_ID = 100


def missing() -> str:
    """What has to be installed before photos can be taken, in words; "" where it is."""
    absent = [extra for extra, names in _EXTRAS.items() if any(find_spec(name) is None for name in names)]
    return f"Photos need more than is installed: run pip install 'weft[{','.join(absent)}]'" if absent else ""


def intake() -> Intake:
    """How much a request with a photo may bring. To be asked before it is received.

    Raises:
        Refusal: photos cannot be taken, for want of a library.
    """
    if words := missing():
        raise Refusal(words, 501)
    return _INTAKE


def add(received: Received) -> dict[str, Any]:
    """Have the photo of this form made small; how it stands. Blocks.

    The page gives each photo an id and sends it until it is answered, so it may come twice: one job is stored.

    Raises:
        Refusal: the form has no photo, or an impossible id.
    """
    from weft.cli.demo.photos.jobs import shrink  # noqa: PLC0415 - an extra, as `intake` has seen

    photo, name = received["photo"], received.text("id")
    if len(name) > _LONGEST_ID:
        received.discard()
        raise Refusal(f"An id has at most {_LONGEST_ID} characters.")
    record = shrink.using(idempotency_key=f"photo {name}" if name else None).enqueue(photo).record()
    if _given(record).key != photo.key:
        received.discard()
    return _described(record)


def listed() -> dict[str, Any]:
    """All photos, the oldest first; the worker; and what is missing. Blocks."""
    if words := missing():
        return {"missing": words, "photos": [], "worker": None}
    return {"missing": "", "photos": [_described(record) for record in reversed(_records())], "worker": keeper.look()}


def small(uid: str) -> tuple[bytes, str] | None:
    """A photo that was made small, and its content type; None: there is none of this id. Blocks."""
    from weft.jobs.errors import JobNotFound  # noqa: PLC0415 - an extra
    from weft.jobs.stores import store  # noqa: PLC0415

    with suppress(JobNotFound, FileNotFoundError):
        made = None if missing() else _made(store().record(uid))
        if made is not None:
            with storage().open(made.key) as file:
                return file.read(), f"image/{made.format}"
    return None


def act(name: str) -> dict[str, Any]:
    """Do what a button of the page says; the list thereafter. Blocks.

    Raises:
        Refusal: there is no such button, or photos are to be forgotten while some are under way.
    """
    if name not in _ACTS:
        raise Refusal("There is no such button.", 404)
    if not missing():
        _ACTS[name]()
    return listed()


def _forget() -> None:
    from weft.jobs.lifecycle import FINAL  # noqa: PLC0415 - an extra
    from weft.jobs.records import KEPT  # noqa: PLC0415
    from weft.jobs.stores import store  # noqa: PLC0415

    until = wall()  # what comes meanwhile ends later, and stays
    while records := _records():
        if any(record.state not in FINAL for record in records):
            raise Refusal("Some photos are still being made small.", 409)  # else one that ends now would be forgotten
        for upload in (upload for record in records for upload in (_given(record), _made(record)) if upload):
            storage().delete(upload.key)
        if not store().prune(until + KEPT):
            return


_ACTS: dict[str, Callable[[], object]] = {"kill-worker": keeper.kill, "forget": _forget}


def _records() -> "list[Record]":
    from weft.cli.demo.photos.jobs import shrink  # noqa: PLC0415 - an extra
    from weft.jobs.stores import store  # noqa: PLC0415

    return store().records(task=shrink.name, most=_MOST)


def _described(record: "Record") -> dict[str, Any]:
    """A job, as the page shows it."""
    given, made = _given(record), _made(record)
    return {
        "uid": record.uid,
        "name": given.filename,
        "state": str(record.state),
        "kills": record.crashes,
        "before": given.size,
        "after": None if made is None else made.size,
        "error": None if record.error is None else record.error.rpartition("\n")[2].partition(": ")[2],
    }


def _given(record: "Record") -> Upload:
    from weft.jobs.codec import decode_json  # noqa: PLC0415 - an extra

    found: Upload = decode_json(record.arguments.encode(), dict[str, Upload])["photo"]
    return found


def _made(record: "Record") -> Upload | None:
    from weft.jobs.codec import decode_json  # noqa: PLC0415 - an extra
    from weft.jobs.lifecycle import State  # noqa: PLC0415

    if record.state is not State.COMPLETED or record.result is None:
        return None
    found: Upload = decode_json(record.result, Upload)
    return found
