"""What a client calls its file, made fit to be shown."""

import re
import unicodedata

__all__ = ["harmless"]

_LONGEST = 120  # characters
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}\Z")
_SEPARATORS = re.compile(r"[/\\]")


def harmless(name: str) -> str:
    """The last part of a path, without control characters and those that turn text around, cut to 120 characters. Pure.

    It is to be shown, never to be opened. Empty: nothing is left of it.
    """
    last = _SEPARATORS.split(unicodedata.normalize("NFC", name[-4096:]))[-1]
    # C: control, format (zero width, bidirectional overrides), private, surrogate, unassigned. Zl, Zp: line breaks.
    shown = "".join(" " if unicodedata.category(sign) in {"Zl", "Zp", "Zs"} else sign for sign in last if _shown(sign))
    shown = " ".join(shown.split()).strip(". ")
    if len(shown) <= _LONGEST:
        return shown
    ending = _ENDING.search(shown)
    end = ending[0] if ending else ""
    return shown[: _LONGEST - len(end)].rstrip() + end


def _shown(sign: str) -> bool:
    return not unicodedata.category(sign).startswith("C")
