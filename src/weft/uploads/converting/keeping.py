"""Where the files that were made are put: into the storage, or under a path. Blocks; runs on a thread."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from weft.errors import InvalidValue
from weft.uploads.converting.conversions import Made
from weft.uploads.converting.workplaces import Workplace
from weft.uploads.inspecting.looking import default_storage
from weft.uploads.records import Upload
from weft.uploads.storing.keys import new_key
from weft.uploads.storing.storage import Storage

__all__ = ["Keep", "in_storage", "under_path"]

Keep = Callable[[tuple[Made, ...], Workplace], tuple[Upload, ...]]
"""(what was made, where) -> notes of it, in the same order. Keeps all, or none if nobody waits for it any more."""


def in_storage(source: Upload | Path | str, storage: Storage | None) -> Keep:
    """Put everything into the storage, under new keys."""
    named = source.filename if isinstance(source, Upload) else Path(source).name

    def keep(made: tuple[Made, ...], workplace: Workplace) -> tuple[Upload, ...]:
        target = storage or default_storage()
        kept: list[Upload] = []
        try:
            for each in made:
                note = _note(each, new_key(each.format), _shown(named, each, among=made))
                target.put(each.path, note.key)
                kept.append(note)
            if workplace.forsaken:
                raise RuntimeError("nobody waits for these files any more")
        except BaseException:
            for note in kept:
                with suppress(Exception):
                    target.delete(note.key)
            raise
        return tuple(kept)

    return keep


def under_path(source: Path, target: Path, *, overwrite: bool) -> Keep:
    """Put what was made under this path or, where that is a folder, into it.

    Raises:
        InvalidValue: the target is the source.
    """
    if not target.is_dir() and _same(source, target):
        raise InvalidValue(f"{target} is what is to be converted: name another file or folder to write to")

    def keep(made: tuple[Made, ...], workplace: Workplace) -> tuple[Upload, ...]:
        kept: list[Upload] = []
        try:
            for each, path in _targets(source, target, made):
                if _same(source, path):
                    raise FileExistsError(f"{path} is what is to be converted, and is never written over")
                if workplace.forsaken:
                    raise RuntimeError("nobody waits for these files any more")
                note = _note(each, str(path), path.name)
                _appear(each.path, path, overwrite=overwrite)
                kept.append(note)
        except BaseException:
            if not overwrite:  # all of these are new
                for note in kept:
                    Path(note.key).unlink(missing_ok=True)
            raise
        return tuple(kept)

    return keep


def _targets(source: Path, target: Path, made: tuple[Made, ...]) -> Iterable[tuple[Made, Path]]:
    if target.is_dir():
        return [(each, target / _name(source.name, each, among=made)) for each in made]
    if len(made) == 1:
        return [(made[0], target)]
    raise NotADirectoryError(f"{target} must be a folder: there are {len(made)} files to write")


def _shown(original: str, made: Made, *, among: tuple[Made, ...]) -> str:
    return made.filename or _name(original, made, among=among)


def _name(original: str, made: Made, *, among: tuple[Made, ...]) -> str:
    stem = Path(original).stem if original else ""
    middle = f"-{made.path.stem}" if len(among) > 1 else ""
    return f"{stem}{middle}.{made.format}" if stem else ""


def _note(made: Made, key: str, filename: str) -> Upload:
    with made.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Upload(key, made.path.stat().st_size, f"sha256:{digest}", made.format, filename)


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.exists() and one.samefile(other)


def _appear(made: Path, target: Path, *, overwrite: bool) -> None:
    # Under another name in the same folder first: what is seen under its own name is whole.
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        shutil.move(made, part)  # copied, where it is another disk
        if overwrite:
            part.replace(target)
        else:
            os.link(part, target)
    except FileExistsError:
        raise FileExistsError(f"{target} exists: remove it, or allow that it is overwritten") from None
    finally:
        part.unlink(missing_ok=True)
