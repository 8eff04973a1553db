"""Logging off the request path: a log call copies its line into memory and returns; a thread writes it to the file.

```python
import weft.logs

weft.logs.setup("app.log")                       # JSON lines, or
logging.getLogger().addHandler(weft.logs.Handler("app.log"))
```

What a killed process had not yet written is written by the next one that opens the same log.
"""

from typing import TYPE_CHECKING

from weft.later import later

if TYPE_CHECKING:
    from weft.logs.configuration import config as config
    from weft.logs.configuration import setup as setup
    from weft.logs.context import bind as bind
    from weft.logs.context import bound as bound
    from weft.logs.formats.jsonlines import JsonFormatter as JsonFormatter
    from weft.logs.formats.masking import Mask as Mask
    from weft.logs.formats.text import TextFormatter as TextFormatter
    from weft.logs.handler import Handler as Handler
    from weft.logs.log import LogStatistics as LogStatistics
    from weft.logs.opening import Options as Options
    from weft.logs.stream import Stream as Stream

# Each name and the module that has it. No module here may bear the name of a function: importing it would hide it.
_HOME = {
    "Handler": "handler", "JsonFormatter": "formats.jsonlines", "LogStatistics": "log", "Mask": "formats.masking",
    "Options": "opening", "Stream": "stream", "TextFormatter": "formats.text", "bind": "context", "bound": "context",
    "config": "configuration", "setup": "configuration",
}  # fmt: skip

__all__ = [*_HOME]  # noqa: PLE0604 - the names are the table's


__getattr__ = later(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
