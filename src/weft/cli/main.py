"""Finds the command, loads it alone, runs it, and turns what stops it into one line and an exit status.

Status: 0 all is well, 1 the command found something wrong, 2 wrong usage, 130 interrupted, 141 nobody reads the output.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from weft.cli.output import abandon_stdout, say
from weft.cli.parsing import UsageError, nearest, run_command

__all__ = ["COMMANDS", "main"]


class Command(NamedTuple):
    """A command: the module that has `add_arguments(parser)` and `run(args) -> int`, and how the help speaks of it.

    The module's docstring is its description. `extra` is what `pip install 'weft[extra]'` adds for it.
    """

    module: str
    help: str
    extra: str = "cli"


COMMANDS = {
    "check": Command("weft.cli.check", "check many sites at once: are they up, and how fast?"),
    "convert": Command("weft.cli.convert", "make many pictures smaller, or of another format", "images"),
    "doctor": Command("weft.cli.doctor", "show what weft sees on this machine, and what is wrong with it"),
    "worker": Command("weft.cli.worker", "run the jobs that a module declares", "jobs"),
    "jobs": Command("weft.cli.jobs", "look at stored jobs, and change what becomes of them", "jobs"),
    "logs": Command("weft.cli.logs", "show the end of a log, recover what was left behind, see how logs are doing"),
    "demo": Command(
        "weft.cli.demo", "watch a page load its data all at once, and photos that outlive a killed worker", "demo"
    ),
}

HELP = """\
weft: bounded, observable concurrency for Python web apps

for example:
  weft check example.org python.org             are they up, and how fast?
  weft check --file urls.txt --limit 200        as many as you like, 200 at once
  weft check - --json < urls.txt | jq .status   one line of JSON for each
  weft convert *.jpg --width 1600 --out small   smaller pictures, upright and without GPS
  weft doctor                                   what weft sees on this machine
  weft logs tail -f app.log                     the last lines of a log, and those that come
  weft worker shop --queues mail=10             do the work that shop has put off

commands:
{commands}

options:
  -h, --help   show this, or the options of a command: weft check --help
  --version    show the version

exit status: 0 all is well, 1 something is not, 2 wrong usage, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: the words after the program's name; None: those of this process.
    """
    try:
        status = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except UsageError as error:
        say(f"weft: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        abandon_stdout()
        return 141
    return status


def _dispatch(words: list[str]) -> int:
    if not words:
        say(_help())
        return 2
    name, *rest = words
    if name in {"-h", "--help", "help"}:
        sys.stdout.write(_help())
        return 0
    if name == "--version":
        from importlib.metadata import version  # noqa: PLC0415 - needed for this alone

        sys.stdout.write(f"weft {version('weft')}\n")
        return 0
    return _run(name, rest)


def _run(name: str, words: list[str]) -> int:
    if name not in COMMANDS:
        raise UsageError(f"there is no command {name!r}{_suggestion(name)}")
    return run_command(f"weft {name}", _load(name, COMMANDS[name]), words)


def _load(name: str, command: Command) -> ModuleType:
    try:
        return import_module(command.module)
    except ModuleNotFoundError as error:
        if error.name == command.module:
            raise UsageError(f"'weft {name}' is not part of this installation") from error
        if (error.name or "").partition(".")[0] == "weft":
            raise
        raise UsageError(
            f"'weft {name}' needs {error.name!r}, which is not installed: run pip install 'weft[{command.extra}]'"
        ) from error


def _suggestion(word: str) -> str:
    if "." in word or "/" in word:
        return f": to check a site, write weft check {word}"
    found = nearest(word, COMMANDS)
    return f": did you mean 'weft {found}'?" if found else f": choose from {', '.join(COMMANDS)}"


def _help() -> str:
    return HELP.format(commands="\n".join(f"  {name:<10} {command.help}" for name, command in COMMANDS.items()))
