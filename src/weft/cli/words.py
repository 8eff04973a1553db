"""Numbers as people read them."""

__all__ = ["count", "duration", "plural", "size"]

_MINUTE = 60.0
_HOUR = 3600.0


def duration(seconds: float | None) -> str:
    """A duration in three digits: "0.41 ms", "123 ms", "1.23 s", "2 min 5 s", "3 h 20 min"."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:  # noqa: PLR2004 - what would be rounded to 1000 ms is 1.00 s
        return f"{_three_digits(seconds * 1000)} ms"
    if seconds < _MINUTE:
        return f"{_three_digits(seconds)} s"
    if seconds < _HOUR:
        return "{:.0f} min {:.0f} s".format(*divmod(round(seconds), 60))
    return "{:.0f} h {:.0f} min".format(*divmod(round(seconds / 60), 60))


def size(number: int | None) -> str:
    """A number of bytes in three digits and decimal units: "512 B", "12.3 kB", "1.23 MB"."""
    if number is None:
        return "-"
    value, units = float(number), iter(("kB", "MB", "GB", "TB"))
    if number < 1000:  # noqa: PLR2004 - decimal units
        return f"{number} B"
    while value >= 999.5:  # noqa: PLR2004 - would be rounded to four digits
        value, unit = value / 1000, next(units)
    return f"{_three_digits(value)} {unit}"


def count(number: int) -> str:
    """A number with its thousands set apart: "12,345"."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """A number of things: "1 site", "12,345 sites"."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def _three_digits(value: float) -> str:
    for digits, limit in ((2, 9.995), (1, 99.95)):
        if value < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"
