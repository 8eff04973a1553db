"""How large a picture becomes. Pure arithmetic, so that all engines agree to the pixel."""

from typing import Literal, NamedTuple

__all__ = ["Fit", "Fitted", "fitted", "upright"]

Fit = Literal["inside", "cover"]

_ON_ITS_SIDE = 5  # EXIF orientations from here on: width and height change places


class Fitted(NamedTuple):
    """What is to be done to a picture that stands upright.

    Attributes:
        width, height: what it is scaled to.
        crop: left, top, width, height of what is then kept of it; None: all.
    """

    width: int
    height: int
    crop: tuple[int, int, int, int] | None = None


def upright(width: int, height: int, orientation: int) -> tuple[int, int]:
    """The size after auto-orientation."""
    return (height, width) if orientation >= _ON_ITS_SIDE else (width, height)


def fitted(size: tuple[int, int], width: int | None, height: int | None, fit: Fit) -> Fitted:
    """Scale down, never up: the whole picture inside the box, or its middle so that it covers the box.

    Args:
        size: width and height of the picture.
        width: of the box; None: no bound.
        height: of the box; None: no bound.
        fit: "inside" or "cover", which needs both.
    """
    across, down = size
    ratios = [bound / extent for bound, extent in ((width, across), (height, down)) if bound is not None]
    scale = min(1.0, (max if fit == "cover" else min)(ratios, default=1.0))
    scaled = max(1, round(across * scale)), max(1, round(down * scale))
    if fit == "inside" or width is None or height is None or (scaled[0] <= width and scaled[1] <= height):
        return Fitted(*scaled)
    kept = min(width, scaled[0]), min(height, scaled[1])
    return Fitted(*scaled, ((scaled[0] - kept[0]) // 2, (scaled[1] - kept[1]) // 2, *kept))
