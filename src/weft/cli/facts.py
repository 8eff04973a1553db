"""What weft sees on this machine. Each function reads one thing, starts nothing and raises nothing."""

import importlib
import os
import platform
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from weft.executors.sizing import process_workers, thread_workers, usable_cpus
from weft.http.certificates import trusted_file
from weft.logs.inventory import default_folder
from weft.runtime.process import configure

__all__ = ["Problem", "facts", "problems"]

_EXTRAS = ("rich", "aiohttp", "flask", "fastapi", "gunicorn", "uvicorn", "opentelemetry-api")
_PATCHERS = ("gevent", "eventlet")
_FEWEST_FILES = 1024
_LEAST_MEMORY = 16 << 20  # bytes: four processes with a log

Facts = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong. Attributes: whether it is an "error" or a "warning", what it is, and what to do."""

    level: str
    what: str
    advice: str


def facts() -> Facts:
    """Everything, by topic; plain data, fit for JSON, None where something is not known or not there."""
    readers: dict[str, Callable[[], dict[str, Any]]] = {
        "python": _python,
        "platform": _platform,
        "cpus": _cpus,
        "pools": _pools,
        "loop": _loop,
        "http": _http,
        "files": _files,
        "logs": _logs,
        "extras": _extras,
        "config": lambda: asdict(configure()),
    }
    return {topic: read() for topic, read in readers.items()}


def problems(seen: Facts) -> list[Problem]:
    """What is wrong with the facts, the worst first. Pure."""
    return [*_http_problems(seen["http"]), *_host_problems(seen), *_log_problems(seen["logs"])]


def _python() -> dict[str, Any]:
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "build": "free-threaded" if free_threaded else "with GIL",
        "gil_enabled": gil,
        "executable": sys.executable,
        "weft": metadata_version("weft"),
    }


def _platform() -> dict[str, Any]:
    return {"system": platform.system(), "release": platform.release(), "machine": platform.machine()}


def _cpus() -> dict[str, Any]:
    cpus = usable_cpus()
    return {
        "usable": cpus.chosen,
        "decided_by": cpus.source,
        "affinity": cpus.affinity,
        "quota": cpus.quota and cpus.quota.cpus,
        "quota_file": cpus.quota and cpus.quota.path,
        "override": cpus.override,
        "machine": os.cpu_count(),
    }


def _pools() -> dict[str, Any]:
    config = configure()
    return {"threads": config.threads or thread_workers(), "processes": config.processes or process_workers()}


def _loop() -> dict[str, Any]:
    version = metadata_version("uvloop")
    if version is not None and configure().uvloop and _imports("uvloop"):
        return {"background": "uvloop", "version": version, "why": "it is installed"}
    return {"background": "asyncio", "version": platform.python_version(), "why": _why_no_uvloop(version)}


def _why_no_uvloop(version: str | None) -> str:
    if sys.platform == "win32":
        return "uvloop does not run on Windows"
    if version is None:
        return "uvloop is not installed"
    return "uvloop=False is configured" if not configure().uvloop else "uvloop is installed and cannot be imported"


def _http() -> dict[str, Any]:
    try:
        import pycurl  # noqa: PLC0415 - whether it can be imported is the question
    except ImportError as error:
        return {"engine": None, "error": str(error), "certificates": _certificates()}
    info = pycurl.version_info()
    bits, ares = info[4], info[9]
    asynchronous = bool(bits & pycurl.VERSION_ASYNCHDNS)
    return {
        "engine": f"pycurl {metadata_version('pycurl')}",
        "libcurl": info[1],
        "tls": info[5],
        "http2": bool(bits & pycurl.VERSION_HTTP2),
        "http3": bool(bits & getattr(pycurl, "VERSION_HTTP3", 0)),
        "resolver": f"c-ares {ares}" if ares else ("threads" if asynchronous else "blocking"),
        "encodings": [
            name for name in ("libz", "brotli", "zstd") if bits & getattr(pycurl, f"VERSION_{name.upper()}", 0)
        ],
        "certificates": _certificates(),
    }


def _certificates() -> str | None:
    try:
        return trusted_file()
    except ImportError:
        return None


def _files() -> dict[str, Any]:
    try:
        import resource  # noqa: PLC0415 - Unix only
    except ImportError:  # pragma: no cover - Windows
        return {"soft_limit": None, "hard_limit": None}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {"soft_limit": _bounded(soft), "hard_limit": _bounded(hard)}


def _bounded(limit: int) -> int | None:
    return None if limit < 0 else limit


def _logs() -> dict[str, Any]:
    folder = default_folder()
    return {"rings": str(folder), "survive_a_kill": hasattr(os, "posix_fallocate"), "free": _free(folder.parent)}


def _free(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except (OSError, AttributeError):  # the latter on Windows
        return None
    return found.f_bavail * found.f_frsize


def _extras() -> dict[str, Any]:
    return {name: metadata_version(name) for name in (*_EXTRAS, *_PATCHERS)}


def metadata_version(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _http_problems(http: dict[str, Any]) -> list[Problem]:
    found = []
    if http["engine"] is None:
        found.append(Problem("error", f"pycurl cannot be imported: {http['error']}", "pip install --upgrade pycurl"))
    elif http["resolver"] == "blocking":
        advice = "install pycurl from its wheel: pip install --force-reinstall --only-binary :all: pycurl"
        found.append(Problem("error", "libcurl resolves names blocking, which stops the whole loop", advice))
    elif not http["http2"]:
        advice = "install pycurl from its wheel: pip install --force-reinstall --only-binary :all: pycurl"
        found.append(
            Problem("warning", "libcurl was built without HTTP/2: each call in flight needs a connection", advice)
        )
    if http["certificates"] is None:
        found.append(Problem("error", "no trusted certificates: https:// cannot work", "pip install certifi"))
    return found


def _host_problems(seen: Facts) -> list[Problem]:
    found, files = [], seen["files"]["soft_limit"]
    if seen["python"]["build"] == "free-threaded" and seen["python"]["gil_enabled"]:
        what = "this build is free-threaded, and the GIL is on"
        found.append(Problem("warning", what, "find the extension that turned it on: python -X gil=0 -W default ..."))
    if seen["loop"]["background"] == "asyncio" and seen["platform"]["system"] != "Windows":
        advice = "pip install uvloop" if seen["extras"].get("uvloop") is None else "python -c 'import uvloop'"
        found.append(Problem("warning", f"the background loop is asyncio's own: {seen['loop']['why']}", advice))
    if files is not None and files < _FEWEST_FILES:
        found.append(Problem("warning", f"only {files} files may be open: each connection is one", "ulimit -n 65536"))
    found += [_patcher(name) for name in _PATCHERS if seen["extras"].get(name) is not None]
    return found


def _log_problems(logs: dict[str, Any]) -> list[Problem]:
    free = logs["free"]
    if free is None or free >= _LEAST_MEMORY:
        return []
    what = f"{free >> 20} MiB are free where logs wait to be written ({logs['rings']}): each process takes 4 MiB a log"
    return [Problem("warning", what, "make /dev/shm larger (docker run --shm-size=64m), or give handlers ring=FOLDER")]


def _patcher(name: str) -> Problem:
    what = f"{name} is installed: where a server monkey-patches with it, threads are not threads and weft cannot run"
    return Problem("warning", what, "serve with threads: gunicorn --worker-class gthread")
