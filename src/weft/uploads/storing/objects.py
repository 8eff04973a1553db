"""Files as objects in a store that speaks S3: Amazon's, MinIO, Ceph, Garage, R2 ..."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

from weft.errors import InvalidValue
from weft.uploads.errors import StorageError
from weft.uploads.storing.keys import checked_key
from weft.uploads.storing.local import failures

if TYPE_CHECKING:
    from obstore import ReadableFile
    from obstore.store import S3Store

__all__ = ["ObjectStorage"]

_PART = 5 * 1024 * 1024  # bytes; the least that S3 takes as a part
_PARTS_AT_ONCE = 2  # each is in memory
_READ = 256 * 1024  # bytes
_CONNECT, _REQUEST, _RETRYING = timedelta(seconds=5), timedelta(seconds=60), timedelta(seconds=15)
_OPTIONS = {"endpoint", "region"}


class ObjectStorage:
    """A bucket, or what is in it under a prefix, through obstore (`weft[s3]`). Any thread, any number of machines.

    An object appears under its key when it is whole. Credentials are read from the environment, as by other clients of
    S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or the machine's own role. What fails in passing is
    tried again for 15 seconds. Give the bucket a lifecycle rule that ends incomplete multipart uploads: a machine that
    dies in the middle of one cannot.

    Args:
        url: `s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-1`. Without an endpoint, it is Amazon's.

    Raises:
        InvalidValue: no such URL.
        ImportError: obstore is not installed.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        if parts.scheme != "s3" or not parts.hostname or "@" in parts.netloc or not options.keys() <= _OPTIONS:
            raise InvalidValue(
                f"{parts._replace(netloc=parts.hostname or '').geturl()!r} names no bucket: write "
                "s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-1, and credentials into the environment"
            )
        self._name = f"s3://{parts.netloc}"
        self._store = _open(parts.netloc, unquote(parts.path).strip("/"), options)

    def __repr__(self) -> str:
        return f"<ObjectStorage {self._name}>"

    def put(self, source: Path, key: str) -> None:
        """Take this file in under the key, in parts of 5 MiB, two at a time; then remove it.

        Raises:
            InvalidValue: no key.
            StorageError: the store cannot be reached, or refuses.
        """
        import obstore  # noqa: PLC0415 - an extra

        with self._failures("cannot keep a file"):
            obstore.put(self._store, checked_key(key), source, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
        with failures(f"cannot remove {source}"):
            source.unlink()

    def open(self, key: str) -> BinaryIO:
        """The file, to be read from its start, and fetched piece by piece as it is read.

        Raises:
            FileNotFoundError: there is none under this key.
            InvalidValue: no key.
            StorageError: the store cannot be reached, or refuses; reading raises it as well.
        """
        import obstore  # noqa: PLC0415 - an extra

        with self._failures("cannot read a file"):
            file = obstore.open_reader(self._store, checked_key(key), buffer_size=_READ)
        return io.BufferedReader(_Reading(self, file), _READ)

    def local(self, key: str) -> AbstractContextManager[Path]:
        """A copy that ends with the block; see `weft.uploads.Storage`."""
        return self._copy(checked_key(key))

    def delete(self, key: str) -> None:
        """Forget it. Nothing happens if there is none.

        Raises:
            InvalidValue: no key.
            StorageError: the store cannot be reached, or refuses.
        """
        import obstore  # noqa: PLC0415 - an extra

        with suppress(FileNotFoundError), self._failures("cannot delete a file"):
            obstore.delete(self._store, checked_key(key))

    @contextmanager
    def _copy(self, key: str) -> Iterator[Path]:
        import obstore  # noqa: PLC0415 - an extra

        with tempfile.TemporaryDirectory(prefix="weft-", dir="/var/tmp") as folder:
            path = Path(folder) / key
            with self._failures("cannot fetch a file"):
                found = obstore.get(self._store, key)
                with path.open("wb") as file:
                    for piece in found.stream(min_chunk_size=_READ):
                        file.write(piece)
            yield path

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            with failures(f"{what} in {self._name}"):
                yield
        except FileNotFoundError as error:
            raise FileNotFoundError(f"there is no such file in {self._name}") from error
        except BaseError as error:
            raise StorageError(f"{what} in {self._name}: {str(error).splitlines()[0]}") from error


class _Reading(io.RawIOBase):
    def __init__(self, storage: ObjectStorage, file: "ReadableFile") -> None:
        self._storage = storage
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._file.seek(offset, whence)
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        with self._storage._failures("cannot read a file"):  # noqa: SLF001 - of this module
            data = self._file.read(len(buffer))
        buffer[: len(data)] = memoryview(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _open(bucket: str, prefix: str, options: dict[str, str]) -> "S3Store":
    try:
        from obstore.store import S3Store  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError("object stores need obstore: pip install 'weft[s3]'") from error
    return S3Store(
        bucket,
        prefix=prefix or None,
        **options,  # type: ignore[arg-type]  # its own TypedDict
        client_options={
            "allow_http": options.get("endpoint", "").startswith("http://"),
            "connect_timeout": _CONNECT,
            "timeout": _REQUEST,
        },
        retry_config={
            "max_retries": 4,
            "retry_timeout": _RETRYING,
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
        },
    )
