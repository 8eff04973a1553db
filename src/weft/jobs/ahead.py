"""How much a worker takes beyond the slots of a queue, so that short jobs come in batches. Pure."""

__all__ = ["HOARDING", "ahead"]

HOARDING = 0.1
"""Seconds after which jobs that wait in a worker for a slot go to other workers."""

_LONG = 0.05  # seconds of work
_MOST = 500


def ahead(slots: int, pace: float) -> int:
    """Jobs beyond the slots, of a queue whose jobs take so many seconds. None that would be given back soon."""
    return min(_MOST, int(slots * _LONG / max(pace, 1e-5))) if pace < HOARDING else 0
