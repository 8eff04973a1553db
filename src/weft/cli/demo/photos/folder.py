"""Where the photos and their jobs lie: a folder that the next demo finds again."""

import os
from pathlib import Path
from urllib.parse import quote

from weft.cli.demo.photos.shelf import missing
from weft.cli.parsing import UsageError
from weft.errors import InvalidValue
from weft.uploads.storing import storages

__all__ = ["default_folder", "environ_of"]


def default_folder() -> Path:
    """The user's own: $XDG_STATE_HOME/weft/demo, which is ~/.local/state/weft/demo where that is not set.

    Not the system's temporary folder: other users could have made it before us, and a restart empties it.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if Path(state).is_absolute() else Path("~/.local/state").expanduser()) / "weft" / "demo"


def environ_of(folder: Path) -> dict[str, str]:
    """The environment variables by which all processes of the demo know the storage and the job store.

    Raises:
        UsageError: nothing can be kept in that folder.
    """
    place = folder.absolute()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        jobs = f"sqlite:{quote(str(place / 'jobs.db'))}"
        if not missing():
            _open_once(jobs)
    except (OSError, InvalidValue) as error:
        raise UsageError(f"cannot keep photos in {place}: {error}. Name another folder with --folder") from error
    return {"WEFT_JOBS": jobs, storages.VARIABLE: f"file:{quote(str(place / 'photos'))}"}


def _open_once(url: str) -> None:
    from weft.jobs.stores import open_store  # noqa: PLC0415 - an extra

    store = open_store(url)
    try:
        store.counts()
    finally:
        store.close()
