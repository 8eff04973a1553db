"""The paths to what these tests share, with those of the room."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "uploads")]
