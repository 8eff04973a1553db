"""Logging off the request path: a log call copies its line into memory and returns; a thread writes it to the file.

```python
import weft.logs

weft.logs.setup("app.log")                       # JSON lines, or
logging.getLogger().addHandler(weft.logs.Handler("app.log"))
```

What a killed process had not yet written is written by the next one that opens the same log.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

# Each public name and the module that has it, loaded at its first use.
_HOME: dict[str, str] = {}

__all__ = [*_HOME]  # noqa: PLE0604 - the names are the table's


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'weft.logs' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"weft.logs.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
