"""Runs the fenced blocks of a Markdown document, in order, in one namespace and one folder of their own.

| block | what is done with it |
| --- | --- |
| `python` | is run; what it prints is kept |
| `text` | must be what a `python` block printed last, measured figures aside; `...` stands for anything |
| `console` | each `$ command` is run, and must print what is shown; see `PROGRAMS` |
| others | must be listed in `tests/docs/test_blocks.py`, with a reason |

A hidden block is an HTML comment that begins with `code: python`. A block whose first line is `# file: app.py` is
written to that file as well, for console blocks and imports.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser

ROOT = Path(__file__).parents[2]
COMMANDS = re.compile(r"<!-- command: (\w+) -->\s*```console\n\$ (.+?)\n```", re.DOTALL)

_BIN = Path(sys.executable).parent
_MEASURED = re.compile(r"\d+(?:\.\d+)? ?(ms|s|µs|milliseconds|times|sites/s)\b")
_BLANKS = re.compile(r"[ \t░▒▓─█-]+")  # columns and bars are as wide as the durations make them
_PATIENCE = 60.0


def sybil(root: Path) -> Sybil:
    """What runs README.md and the pages under docs/."""
    return Sybil(
        parsers=[
            CodeBlockParser(language="python", evaluator=run_python),
            CodeBlockParser(language="text", evaluator=check_output),
            CodeBlockParser(language="console", evaluator=run_console),
        ],
        path=str(root),
        patterns=["README.md", "docs/*.md", "docs/**/*.md"],
        setup=set_up,
        teardown=tear_down,
    )


def set_up(namespace: dict[str, Any]) -> None:
    """Give the document a folder to be in, and servers to talk to instead of the internet."""
    import support

    urllib.request.install_opener(None)  # one that was made before knows nothing of the page's proxy
    namespace["_before"] = str(Path.cwd()), list(sys.path), dict(os.environ)
    namespace["_closing"] = closing = contextlib.ExitStack()
    namespace["_folder"] = folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="weft-docs-"))
    namespace["_printed"] = ""
    namespace["__name__"] = "page"
    closing.enter_context(support.internet())
    os.chdir(folder)
    sys.path.insert(0, folder)


def tear_down(namespace: dict[str, Any]) -> None:
    """Close what the page has opened, and forget the modules that it has written."""
    runtime = sys.modules.get("weft.runtime.process")
    if runtime is not None:
        runtime.close(grace=0)
        runtime._config = type(runtime._config)()
    cwd, path, environ = namespace["_before"]
    os.chdir(cwd)
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(namespace["_folder"]):
            del sys.modules[name]
    namespace["_closing"].close()
    os.environ.clear()
    os.environ.update(environ)


def run_python(example: Example) -> None:
    """Run the block as it stands."""
    source, namespace = str(example.parsed), example.namespace
    named = re.match(r"# file: (\S+)\n", source)
    if named:
        Path(named[1]).write_text(source, "utf-8")
    lines_above = "\n" * (example.line + example.parsed.line_offset)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(lines_above + source, example.path, "exec", dont_inherit=True), namespace)
    namespace["_printed"] = printed.getvalue() or namespace["_printed"]


def check_output(example: Example) -> str | None:
    """Compare the block with what was printed last."""
    return difference(str(example.parsed), example.namespace["_printed"])


def run_console(example: Example) -> str | None:
    """Run each command of the block and compare what it prints with what is shown below it."""
    for command, shown in commands(str(example.parsed)):
        program, *arguments = shlex.split(command)
        if program not in PROGRAMS:
            return f"no rule in {Path(__file__).name} says how to check {program!r}"
        printed = PROGRAMS[program](arguments, command)
        if printed is not None and shown and (unlike := difference(shown, printed)):
            return unlike
    return None


def commands(text: str) -> list[tuple[str, str]]:
    """Split a console block into commands and what is shown below each."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(command.replace("\\\n", " "), shown) for command, _, shown in map(_partition, parts)]


def _partition(part: str) -> tuple[str, str, str]:
    return re.sub(r"\\\n\s*", "", part).partition("\n")


def difference(shown: str, printed: str) -> str | None:
    """None where the two agree, measured figures and `...` aside; else both, for a person to compare."""
    pattern = r"[\s\S]*?".join(re.escape(part) for part in _plain(shown).split("..."))
    if re.fullmatch(pattern, _plain(printed)):
        return None
    return f"the page shows\n{shown}\nand what came is\n{printed}"


def _plain(text: str) -> str:
    lines = (_BLANKS.sub(" ", _MEASURED.sub(r"0 \1", line)).rstrip() for line in text.strip().splitlines())
    return "\n".join(lines)


def _run(arguments: list[str], *, codes: tuple[int, ...] = (0,)) -> str:
    """What a terminal of 80 columns would show: what is printed, then what is said beside it."""
    environ = {**os.environ, "COLUMNS": "80", "PYTHONUTF8": "1"}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=_PATIENCE, check=False, env=environ)
    assert done.returncode in codes, f"{shlex.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def _weft(arguments: list[str], _: str) -> str:
    return _run([str(_BIN / "weft"), *arguments], codes=(0, 1))  # 1: it worked, and has found something


def _python(arguments: list[str], _: str) -> str:
    return _run([sys.executable, *arguments])


def _gunicorn(arguments: list[str], _: str) -> None:
    _run([str(_BIN / "gunicorn"), "--check-config", *arguments])


def _uvicorn(arguments: list[str], _: str) -> None:
    # uvicorn has no dry run: its options are parsed by its own parser, and the application is loaded.
    from uvicorn.importer import import_from_string
    from uvicorn.main import main

    context = main.make_context("uvicorn", list(arguments))
    assert callable(import_from_string(context.params["app"]))


def _pip(arguments: list[str], _: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = re.fullmatch(r"install (?:-e )?(?:weft|\.)(?:\[([\w,]+)\])?", " ".join(arguments))
    assert named, f"pip {shlex.join(arguments)} is not an installation of weft"
    assert set((named[1] or "").split(",")) <= {"", *extras}


def _promised(_: list[str], command: str) -> None:
    # README's own commands are run by CI, on a machine that has nothing else.
    assert command in dict(COMMANDS.findall((ROOT / "README.md").read_text("utf-8"))).values()


PROGRAMS: dict[str, Callable[[list[str], str], str | None]] = {
    "weft": _weft,
    "python": _python,
    "gunicorn": _gunicorn,
    "uvicorn": _uvicorn,
    "pip": _pip,
    "python3": _promised,
    ".ci/run": _promised,
}
