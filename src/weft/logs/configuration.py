"""One line of configuration: a dictionary that `logging`, Django, Sanic, uvicorn and gunicorn take as it is.

```python
weft.logs.setup("app.log")                                   # any program; Flask
LOGGING = weft.logs.config("app.log")                        # Django's settings.py
app = Sanic("shop", log_config=weft.logs.config("app.log"))  # Sanic
uvicorn.run(app, log_config=weft.logs.config("app.log"))     # FastAPI, Starlette
logconfig_dict = weft.logs.config("app.log")                 # gunicorn.conf.py
```
"""

import logging
import logging.config
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Unpack

from weft.logs.formats.named import FormatName, formatter_named
from weft.logs.handler import Handler
from weft.logs.levels import Level, level_named, levels_from
from weft.logs.opening import Destination, Options
from weft.logs.records import install
from weft.logs.termination import write_on_termination
from weft.logs.uncaught import log_uncaught

__all__ = ["HandlerOptions", "config", "handler", "setup"]

_STDERR = 2
_STANDARD = {"stdout": 1, "stderr": _STDERR}

# Loggers of servers and frameworks that come with handlers of their own: their lines go to the root's from here on.
_SERVERS = (
    "django.server", "gunicorn.error", "sanic.error", "sanic.root", "sanic.server",
    "uvicorn", "uvicorn.asgi", "uvicorn.error",
)  # fmt: skip
_ACCESS = ("gunicorn.access", "sanic.access", "uvicorn.access")
# What these say below is of use to their authors: each variable of a template, each frame of a websocket.
_QUIET: Mapping[str, Level] = {"django": "INFO", "sanic.websockets": "WARNING"}


class HandlerOptions(Options, total=False):
    """What can be chosen for a handler, besides; see `weft.logs.Handler`."""

    neutral: bool
    grace: float


def config(
    target: Destination = "stderr",
    *,
    format: FormatName | logging.Formatter | None = None,  # noqa: A002 - the field's name for it
    level: Level | None = None,
    loggers: Mapping[str, Level] | None = None,
    access: bool | str | os.PathLike[str] = True,
    **options: Unpack[HandlerOptions],
) -> dict[str, Any]:
    """A dictionary for `logging.config.dictConfig`, by which all lines go through one `weft.logs.Handler`.

    Also those of gunicorn, uvicorn, Sanic and Django, whose own handlers are taken away. Loggers become twice as fast
    (`weft.logs.records`), and SIGTERM, where nobody handles it, ends the process only when its lines are written. The
    dictionary can be written to a JSON file if what is given can.

    A level that is not given is looked up in the environment: `WEFT_LOG_LEVEL=INFO`, or
    `WEFT_LOG_LEVEL=INFO,urllib3=ERROR`.

    Args:
        target: a file's path, "stdout", "stderr", or an open stream.
        format: "text", "json", "console", or a formatter. None: "console" for a terminal, else "json".
        level: records below it are not logged. None: as the environment has it, or INFO.
        loggers: levels for loggers by their names; they come before those of the environment.
        access: whether the servers' own access lines are logged. False: they are not, because an adapter of weft logs
            them. A path: the same, and the lines of weft's adapters go to this file, bare of time and level.
        options: as for `weft.logs.Handler`.

    Raises:
        InvalidValue: there is no such level or format, or the environment's `WEFT_LOG_LEVEL` cannot be understood.
    """
    asked = levels_from(os.environ)
    root = level_named(next(each for each in (level, asked.root, "INFO") if each is not None))
    wanted = {**asked.loggers, **{name: level_named(each) for name, each in (loggers or {}).items()}}
    formatter_named(format or "json")  # a mistake in it is told here, not from inside of dictConfig
    handlers = {"weft": _handler(target, format or _fitting(target), options)}
    if not isinstance(access, bool):
        handlers["access"] = {**_handler(access, "text", options), "formatter": "bare"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        # The first two are not used; uvicorn's `use_colors=` writes into them.
        "formatters": {"default": {}, "access": {}, "bare": {"format": "%(message)s"}},
        "handlers": handlers,
        "root": {"level": root, "handlers": ["weft"]},
        "loggers": _with_levels(_loggers(root, access), wanted),
    }


def setup(
    target: Destination = "stderr",
    *,
    format: FormatName | logging.Formatter | None = None,  # noqa: A002 - the field's name for it
    level: Level | None = None,
    loggers: Mapping[str, Level] | None = None,
    access: bool | str | os.PathLike[str] = True,
    **options: Unpack[HandlerOptions],
) -> None:
    """Send everything that this process logs to the target. Call it once, early; a further call replaces the first.

    It applies `config` (see there for what can be given), and has the log take in what would only be printed: warnings,
    and exceptions that nobody handled, as CRITICAL. Hooks that others have put there are called as before; Python's own
    report goes on, too, unless the log itself is on standard error.

    Raises:
        InvalidValue: an impossible value.
        InvalidCall: there is no such option.
        OSError: the file cannot be opened.
    """
    chosen = config(target, format=format, level=level, loggers=loggers, access=access, **options)
    try:
        logging.config.dictConfig(chosen)
    except ValueError as error:
        raise (error.__cause__ or error) from None  # which says what is wrong, and not that something is
    logging.captureWarnings(True)
    log_uncaught(echo=_descriptor(target) != _STDERR)


def handler(filename: Destination, **options: Any) -> Handler:
    """Make the handler of a configuration, and see to what belongs to it: faster loggers, and a proper end."""
    made = Handler(filename, **options)
    install()
    write_on_termination()
    return made


def _handler(target: Destination, format: FormatName | logging.Formatter, options: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
    name = os.fspath(target) if isinstance(target, os.PathLike) else target
    return {**options, "()": "weft.logs.configuration.handler", "filename": name, "format": format}


def _fitting(target: Destination) -> FormatName:
    descriptor = _descriptor(target)
    if descriptor is None or not os.isatty(descriptor):
        return "json"
    return "text" if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else "console"


def _descriptor(target: Destination) -> int | None:
    if isinstance(target, str | os.PathLike):
        return _STANDARD.get(str(target))
    with suppress(OSError, AttributeError, ValueError):
        return target.fileno()
    return None


def _loggers(root: Level, access: object) -> dict[str, dict[str, Any]]:
    found = {name: _passing(name) for name in (*_SERVERS, *_QUIET, *_ACCESS)}
    for name, quiet in _QUIET.items():
        found[name]["level"] = max(root, quiet, key=_number)
    if access is not True:
        found |= {name: {"level": "CRITICAL", "handlers": [], "propagate": False} for name in _ACCESS}
    if not isinstance(access, bool):
        found["weft.access"] = {"level": "INFO", "handlers": ["access"], "propagate": False}
    return found


def _passing(name: str) -> dict[str, Any]:
    # gunicorn's uvicorn worker gives uvicorn's loggers the handlers that it finds at gunicorn's, and no others.
    own = name.startswith("gunicorn.")
    return {"level": "NOTSET", "handlers": ["weft"] if own else [], "propagate": not own}


def _number(level: Level) -> int:
    return level if isinstance(level, int) else logging.getLevelNamesMapping()[level]


def _with_levels(known: dict[str, dict[str, Any]], wanted: Mapping[str, Level]) -> dict[str, dict[str, Any]]:
    return known | {name: {**known.get(name, {}), "level": level} for name, level in wanted.items()}
