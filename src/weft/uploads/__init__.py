"""Files that users send: received to disk in bounds, looked at, converted where it costs nobody else, and kept.

```python
received = weft.uploads.receive(request)                       # `await` it in async code: 413, 415, 422, 429 or files
photo = weft.uploads.convert(received["photo"], Image(width=1600, format="webp"))
```

What a client says of a file is never believed: not its name, not its type, not its size. Only a picture that was
decoded and written anew is a picture.
"""

from typing import TYPE_CHECKING

from weft.later import later

if TYPE_CHECKING:
    from weft.uploads.batches import Processing as Processing
    from weft.uploads.batches import process as process
    from weft.uploads.conversions import CONVERSIONS as CONVERSIONS
    from weft.uploads.conversions import Conversion as Conversion
    from weft.uploads.conversions import Made as Made
    from weft.uploads.conversions import Where as Where
    from weft.uploads.converting import convert as convert
    from weft.uploads.converting import convert_file as convert_file
    from weft.uploads.errors import StorageError as StorageError
    from weft.uploads.errors import UploadRefused as UploadRefused
    from weft.uploads.files.media import Media as Media
    from weft.uploads.files.media import Poster as Poster
    from weft.uploads.files.pdf import PdfPages as PdfPages
    from weft.uploads.files.pdf import PdfText as PdfText
    from weft.uploads.files.tables import Table as Table
    from weft.uploads.files.unzip import Unzip as Unzip
    from weft.uploads.images.recipes import Image as Image
    from weft.uploads.images.recipes import Thumbnails as Thumbnails
    from weft.uploads.inspecting import PROBES as PROBES
    from weft.uploads.inspection import Inspection as Inspection
    from weft.uploads.intake import Intake as Intake
    from weft.uploads.limits import Limits as Limits
    from weft.uploads.local import LocalStorage as LocalStorage
    from weft.uploads.looking import inspect as inspect
    from weft.uploads.looking import look as look
    from weft.uploads.objects import ObjectStorage as ObjectStorage
    from weft.uploads.places import memory_budget as memory_budget
    from weft.uploads.received import Received as Received
    from weft.uploads.receiving import receive as receive
    from weft.uploads.records import Upload as Upload
    from weft.uploads.reports import Processed as Processed
    from weft.uploads.reports import Progress as Progress
    from weft.uploads.reports import Report as Report
    from weft.uploads.storage import Storage as Storage
    from weft.uploads.storages import use as use

# Each name and the module that has it. No module here may bear the name of a function: importing it would hide it.
_HOME = {
    "CONVERSIONS": "conversions",
    "Conversion": "conversions",
    "Image": "images.recipes",
    "Inspection": "inspection",
    "Intake": "intake",
    "Limits": "limits",
    "LocalStorage": "local",
    "Made": "conversions",
    "Media": "files.media",
    "PROBES": "inspecting",
    "ObjectStorage": "objects",
    "Received": "received",
    "PdfPages": "files.pdf",
    "PdfText": "files.pdf",
    "Poster": "files.media",
    "Processed": "reports",
    "Processing": "batches",
    "Progress": "reports",
    "Report": "reports",
    "Storage": "storage",
    "StorageError": "errors",
    "Table": "files.tables",
    "Thumbnails": "images.recipes",
    "Unzip": "files.unzip",
    "Upload": "records",
    "UploadRefused": "errors",
    "Where": "conversions",
    "convert": "converting",
    "convert_file": "converting",
    "inspect": "looking",
    "look": "looking",
    "memory_budget": "places",
    "receive": "receiving",
    "use": "storages",
    "process": "batches",
}

__all__ = [*_HOME]  # noqa: PLE0604 - the names are the table's


__getattr__ = later(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
