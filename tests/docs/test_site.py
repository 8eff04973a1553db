"""The documentation builds without a warning, and is complete."""

import os
import re
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

import pytest
from blocks import ROOT

import weft


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site. Any warning fails the build: a dead link, a missing page, a name that does not exist."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-n",
            "-q",
            "-d",
            out / "doctrees",
            "docs",
            out / "html",
        ],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out / "html"


@pytest.mark.slow
def test_the_site_builds_without_a_warning(site):
    """Every link leads somewhere, every name that is referred to exists."""
    assert "Bounded, observable concurrency" in (site / "index.html").read_text("utf-8")


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site):
    """What can be imported from `weft` can be looked up."""
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    names = {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}
    public = {f"weft.{name}" for name in weft.__all__}
    # Modules, with pages of their own.
    assert public - names == {"weft.http", "weft.jobs", "weft.logs", "weft.notify", "weft.uploads"}
    assert {f"weft.logs.{name}" for name in weft.logs.__all__} <= names
    # An upload is the same by both its names; the tables are data, and told in words.
    assert {f"weft.uploads.{name}" for name in weft.uploads.__all__} - names == {
        "weft.uploads.CONVERSIONS", "weft.uploads.PROBES", "weft.uploads.Upload"
    }  # fmt: skip


def test_the_floors_are_those_that_are_held():
    """The table of floors in the design page is the one that import-linter holds."""
    page = (ROOT / "docs" / "why" / "design.md").read_text("utf-8")
    shown = [re.findall(r"`(\w+)`", rooms) for rooms in re.findall(r"^\| \d \| (.+?) \|", page, flags=re.MULTILINE)]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    held = [[room for room in layer.split(" | ") if room[0] != "("] for layer in contracts[0]["layers"]]
    assert shown == held  # a room in brackets is planned, and has no module yet


def test_links_between_documents_lead_somewhere():
    """Each relative link of README and its siblings leads to a file of the repository."""
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md"):
        page = ROOT / name
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{name}: {target}"


def test_readme_promises_two_commands():
    """The README has one command that shows weft and one that tests it; CI takes the second from there."""
    import blocks

    commands = dict(blocks.COMMANDS.findall((ROOT / "README.md").read_text("utf-8")))
    assert list(commands) == ["demo", "test"]
    assert commands["demo"].endswith(".venv/bin/weft demo")
    assert commands["test"].endswith(".venv/bin/python -m pytest")


@pytest.mark.parametrize("command", ["check", "doctor", "demo"])
def test_the_command_line_page_has_every_option(command):
    """The page on the command line lists the options that each command has, and no others."""
    import argparse
    import importlib

    from weft.cli.main import COMMANDS

    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(COMMANDS[command].module).add_arguments(parser)
    real = {option for action in parser._actions for option in action.option_strings}
    page = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    section = page.partition(f"## `weft {command}`")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| ((?:`-[^|]+`(?:, | or )?)+)", section, flags=re.MULTILINE)
    assert {option for cell in shown for option in re.findall(r"--?[a-z][a-z-]*", cell)} == real


def test_the_fault_servers_paths_are_those_of_its_source():
    """The reference's table of fates is the one in the module's docstring, row for row."""
    from weft.testing import faults

    page = (ROOT / "docs" / "reference" / "testing.md").read_text("utf-8")
    rows = [line for line in faults.__doc__.splitlines() if line.startswith("|")]
    assert "\n".join(rows) in page
