"""The rules of the house, held by machines: what may import what, how large things may get, what a name means."""

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "weft"
MODULES = sorted(SOURCE.rglob("*.py"))
BIN = Path(sys.executable).parent

LONGEST_MODULE = 400  # lines
LONGEST_BODY = 50  # lines of a function, its docstring aside

# Exceptions to the rules, each with its reason. The shorter, the better.
MAY_IMPORT_WEFT = {"weft.cli.main": "`weft --version` asks the one place that has the version"}
MAY_BE_LONGER: dict[str, str] = {}


def name_of(path: Path) -> str:
    return ".".join(("weft", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def run(*command: str, **environ: str) -> str:
    """What the command prints; it must succeed."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fresh_python(code: str) -> str:
    """What the code prints in an interpreter of its own, in which every warning is an error."""
    return run(sys.executable, "-W", "error", "-c", code)


# -- what may import what


@pytest.mark.slow
def test_imports_go_down_only():
    """The floors and the purity of policies, as pyproject.toml states them, are kept by every import."""
    assert "0 broken" in run(str(BIN / "lint-imports"), "--no-cache")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_the_module_that_defines(path):
    """No module imports bare `weft`, or a name from its own package's `__init__`: that would hide where it lives."""
    module = name_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            assert "weft" not in {alias.name for alias in node.names} or module in MAY_IMPORT_WEFT, ast.unparse(node)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{ast.unparse(node)}: say it in full"
            if node.module in {"weft", package} and module not in MAY_IMPORT_WEFT:
                names = [alias.name for alias in node.names if not is_module(f"{node.module}.{alias.name}")]
                assert not names, ast.unparse(node)


def is_module(name: str) -> bool:
    path = ROOT.joinpath("src", *name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@pytest.mark.parametrize("path", [path for path in MODULES if "policy" in path.parts], ids=name_of)
def test_policies_only_decide(path):
    """A policy reads no clock, waits for nothing and talks to nobody: it can be tested with plain values."""
    impure = {"asyncio", "threading", "time", "socket"}
    for node in ast.walk(tree_of(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not impure & {name.partition(".")[0] for name in names}, ast.unparse(node)


# -- how large things may get


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short(path):
    """A module has fewer than 400 lines: it fits in a head."""
    assert len(path.read_text("utf-8").splitlines()) < LONGEST_MODULE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path):
    """A function's body, its docstring aside, has fewer than 50 lines."""
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f"{name_of(path)}.{node.name}": length for node in functions if (length := _lines(node)) >= LONGEST_BODY}
    assert not long.keys() - MAY_BE_LONGER.keys(), long


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


# -- the public face

ROOMS = {"http", "jobs", "logs", "notify", "uploads"}  # packages that are public names themselves


def test_what_loads_later_is_what_type_checkers_see():
    """The names that load at their first use are those that type checkers are told of, from the same modules."""
    import weft

    block = next(node for node in tree_of(SOURCE / "__init__.py").body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body for alias in node.names}
    assert typed == {**weft._LATER, **dict.fromkeys(ROOMS, "weft")}


def test_every_public_name_can_be_had():
    """Each name in `weft.__all__` loads and is documented, and none is listed twice or missing."""
    import weft

    undocumented = [name for name in weft.__all__ if not getattr(weft, name).__doc__]
    assert undocumented == ["Outcome"]  # an alias of types, which cannot carry a docstring
    eager = {alias.name for node in tree_of(SOURCE / "__init__.py").body for alias in _imported(node)}
    assert sorted(weft.__all__) == sorted(eager | set(weft._LATER) | ROOMS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_the_names_of_a_room_are_the_typed_names(room):
    """What `weft.http.NAME` and its like load at run time is what type checkers are told it is."""
    import weft

    package = getattr(weft, room)
    block = next(node for node in tree_of(SOURCE / room / "__init__.py").body if isinstance(node, ast.If))
    typed = {alias.asname: node.module for node in block.body for alias in node.names}
    loaded = {name: f"weft.{room}.{home}" for name, home in package._HOME.items()}
    assert typed == loaded | ({"errors": "weft.http"} if room == "http" else {})
    assert not [name for name in package.__all__ if not getattr(package, name).__doc__]


def _imported(node: ast.stmt) -> list[ast.alias]:
    ours = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("weft.")
    return node.names if ours else []


def test_no_public_name_is_shadowed_by_a_package():
    """A package inside `weft` becomes its attribute when it is imported, so none is called as a public name is."""
    import weft

    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")} | {path.stem for path in SOURCE.glob("*.py")}
    assert packages & set(weft.__all__) == ROOMS


def test_an_unknown_name_is_an_attribute_error():
    """`weft.typo` fails as any module's would."""
    import weft

    with pytest.raises(AttributeError, match="has no attribute 'typo'"):
        _ = weft.typo


def test_importing_weft_does_nothing_else():
    """`import weft` starts no thread, and loads no engine, no executor of processes and no terminal colours."""
    code = (
        "import sys, threading, weft; "
        "print(sorted({'pycurl', 'uvloop', 'aiohttp', 'rich', 'multiprocessing'} & set(sys.modules)), "
        "threading.active_count())"
    )
    assert fresh_python(code) == "[] 1\n"


def test_looking_at_statistics_starts_nothing():
    """`weft.statistics()` on an idle process starts no thread, no process and no loop."""
    code = "import threading, weft; weft.statistics(); print(threading.active_count())"
    assert fresh_python(code) == "1\n"


# -- what the tools say


def test_the_code_is_linted():
    """Ruff finds nothing, with every rule on but those that pyproject.toml turns off by name."""
    run(str(BIN / "ruff"), "check", "--no-cache", "--quiet", ".")


def test_the_code_is_formatted():
    """Ruff would write every file as it stands."""
    run(str(BIN / "ruff"), "format", "--no-cache", "--check", ".")


@pytest.mark.slow
def test_types_are_strict(tmp_path):
    """mypy, strict, agrees with every module."""
    run(str(BIN / "mypy"), f"--cache-dir={tmp_path}")


@pytest.mark.slow
def test_mypy_gives_callers_the_types_they_expect(tmp_path):
    """The overloads of `start`, `map`, `run` and `to_thread` give mypy users the results' types."""
    run(str(BIN / "mypy"), f"--cache-dir={tmp_path}", str(ROOT / "tests/house/typed_sample.py"))


@pytest.mark.slow
def test_pyright_gives_callers_the_types_they_expect():
    """The same overloads give users of pyright, and of editors built on it, the same types."""
    run(
        str(BIN / "pyright"),
        "--pythonpath",
        sys.executable,
        "tests/house/typed_sample.py",
        PYRIGHT_PYTHON_IGNORE_WARNINGS="1",
    )


EXTENDS_DJANGO = ("weft.adapters.django_jobs.", "weft.adapters.django_tasks.WeftBackend")


@pytest.mark.slow
def test_no_public_type_is_unknown():
    """Pyright knows the type of everything that the package exports, but for what has to extend Django's classes."""
    # To find the package it asks the first `python` on the path, whatever else it is told.
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        [str(BIN / "pyright"), "--verifytypes", "weft", "--ignoreexternal", "--outputjson"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,  # it counts attributes without an annotation, too, whose type it infers
    )
    exported = [each for each in json.loads(done.stdout)["typeCompleteness"]["symbols"] if each["isExported"]]
    unknown = [each["name"] for each in exported if not (each["isTypeKnown"] or each["isTypeAmbiguous"])]
    assert len(exported) > len(MODULES)
    assert [name for name in unknown if not name.startswith(EXTENDS_DJANGO)] == []
    assert len(unknown) < 10


# -- what the house says of itself


def test_the_version_is_said_once():
    """The package and its metadata agree on the version, and the changelog tells of it."""
    import weft

    said = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), flags=re.MULTILINE)
    assert said is not None
    assert said[1] == weft.__version__
    assert f"[{weft.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
