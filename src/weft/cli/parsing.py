"""Arguments: argparse with errors of one line that say what to write instead."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import ModuleType
from typing import NoReturn

__all__ = [
    "Parser",
    "UsageError",
    "add_group",
    "at_least",
    "bytes_of",
    "nearest",
    "run_command",
    "run_group",
    "seconds",
]

_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9}


class UsageError(Exception):
    """The command line asks for something that cannot be done; the message says what to write instead."""


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are `UsageError`s of one line, with the nearest option for a misspelt one."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint instead of printing the whole usage in front of it."""
        said = message.removeprefix("argument ")
        unknown = said.removeprefix("unrecognized arguments: ").split(" ")[0].split("=")[0]
        found = nearest(unknown, self._option_string_actions) if said.startswith("unrecognized") else None
        advice = f"did you mean {found}?" if found else f"see '{self.prog} --help'"
        raise UsageError(f"{self.prog.removeprefix('weft ')}: {said}; {advice}")


def run_command(name: str, module: ModuleType, words: list[str]) -> int:
    """Let a module that has `add_arguments(parser)` and `run(args)` make of the words what it will."""
    parser = Parser(prog=name, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(words)))


def add_group(parser: argparse.ArgumentParser, group: str) -> None:
    """Declare a command that is a group of commands: `weft jobs list ...`. For `run_group`."""
    parser.usage = f"weft {group} COMMAND ..."
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="what to do")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="its options")


def run_group(group: str, commands: Mapping[str, str], example: str, args: argparse.Namespace) -> int:
    """Run one of a group's commands and return its exit status.

    Args:
        group: the word before the command.
        commands: each command, and the module that has it; the first stands for a word that is like none.
        example: what could have been written.
        args: what was.

    Raises:
        UsageError: there is no such command.
    """
    if args.command is None:
        raise UsageError(f"{group}: nothing to do: write {example}")
    if args.command not in commands:
        found = nearest(args.command, commands) or next(iter(commands))
        raise UsageError(f"{group}: there is no command {args.command!r}: did you mean 'weft {group} {found}'?")
    return run_command(f"weft {group} {args.command}", import_module(commands[args.command]), args.words)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, or None where none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - needed for a mistake only

    return next(iter(get_close_matches(word, list(known), n=1)), None)


def at_least(least: int) -> Callable[[str], int]:
    """A whole number that is not below `least`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """A number of seconds above 0, with or without its "s": `2.5` or `2.5s`."""
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0, like 2.5")
    return value


def bytes_of(text: str) -> int:
    """A number of bytes above 0, in decimal units: `500000`, `500k`, `10MB`."""
    number = text.rstrip("BbKkMmGg")
    factor = _UNITS.get(text[len(number) :].lower())
    if factor is None or not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size above 0, like 500k or 10MB")
    return int(number) * factor
