"""Where a store's files lie, and whether the kernel's locks can be relied on there."""

import os
from dataclasses import dataclass
from pathlib import Path

from weft.jobs.errors import UnsuitablePlace

__all__ = ["Files", "files_of"]

_SHARES = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs"}


@dataclass(frozen=True, slots=True)
class Files:
    """The paths of one store: the database, and a folder beside it for locks and registers."""

    database: Path
    folder: Path

    @property
    def lock(self) -> Path:
        """Held by whoever writes."""
        return self.folder / "write.lock"


def files_of(path: str | os.PathLike[str], *, mounts: str = "/proc/self/mounts") -> Files:
    """The files of the store at this path; the folder is made, its parents are not.

    Raises:
        UnsuitablePlace: it is on a network share, or its folder does not exist.
    """
    database = Path(path).absolute()
    if not database.parent.is_dir():
        raise UnsuitablePlace(
            f"there is no folder {str(database.parent)!r} for the job store: make it, or name another"
        )
    kind = _kind_of_mount(database.parent.resolve(), mounts)
    if kind in _SHARES:
        raise UnsuitablePlace(
            f"{database} is on a network share ({kind}), where SQLite's file locks cannot be relied on: put the job "
            "store on a local disk, or run the jobs on PostgreSQL or Celery"
        )
    folder = database.with_name(database.name + ".d")
    folder.mkdir(mode=0o700, exist_ok=True)
    return Files(database, folder)


def _kind_of_mount(folder: Path, mounts: str) -> str:
    try:
        lines = Path(mounts).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not Linux
        return ""
    found, kind = -1, ""
    for line in lines:
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= found:  # of two at one point, the later covers the earlier
            found, kind = len(point), fields[2]
    return kind
