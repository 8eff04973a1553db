r"""Text in which nothing can pass for something else: no forged lines, no commands for a terminal.

What is escaped are the control characters of C0 and C1 but for the tab, the separators of lines and paragraphs, and the
marks that turn the direction of text around, behind which a line can look unlike what it says (CVE-2021-42574).
"""

import re

__all__ = ["neutral"]

_DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_INDENT = "\n  "


def neutral(text: str) -> str:
    r"""The text with control characters as escapes (`\x1b`), and every line of it but the first indented.

    An indented line is part of the record before it, for people and for the collectors of logs; so text in a record
    cannot begin a line that looks like a record of its own, and a traceback can still be read.
    """
    text = text.replace("\r\n", "\n")
    if "\n" in text:
        text = text.replace("\n", _INDENT)
    return _DANGEROUS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
