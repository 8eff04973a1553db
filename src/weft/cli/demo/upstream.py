"""What the demo calls: paths of the fault server, which name their fate."""

__all__ = ["ADDRESSES", "EXAMPLES"]

ADDRESSES = (
    "/delay/0.25", "/delay/0.3", "/delay/0.35", "/delay/0.4", "/delay/0.45", "/delay/0.5", "/delay/0.6", "/delay/0.7",
    "/status/500", "/reset-body", "/endless", "/delay/3",
)  # fmt: skip
"""What the page offers to begin with: the everyday, and some misfortunes."""

EXAMPLES = (
    ("slow", "/delay/0.8", "answers after 0.8 s"),
    ("very slow", "/delay/4", "answers after 4 s"),
    ("drip", "/drip/0.1", "sends a byte now and then for ever, so that no timeout between bytes strikes"),
    ("silence", "/silence", "takes the request and never answers"),
    ("reset", "/reset", "breaks the connection off"),
    ("500", "/status/500", "answers that it failed"),
    ("garbage", "/garbage", "answers something that is no HTTP"),
    ("redirect", "/redirect/3", "leads elsewhere three times"),
    ("huge", "/endless", "answers without end; the demo reads 4 MiB"),
)
"""Name, path and description of each fate that the page can add."""
