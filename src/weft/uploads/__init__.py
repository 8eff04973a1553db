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
    from weft.uploads.arriving.intake import Intake as Intake
    from weft.uploads.arriving.received import Received as Received
    from weft.uploads.arriving.receiving import receive as receive
    from weft.uploads.batches import Processing as Processing
    from weft.uploads.batches import process as process
    from weft.uploads.converting.carrying import convert as convert
    from weft.uploads.converting.carrying import convert_file as convert_file
    from weft.uploads.converting.conversions import CONVERSIONS as CONVERSIONS
    from weft.uploads.converting.conversions import Conversion as Conversion
    from weft.uploads.converting.conversions import Made as Made
    from weft.uploads.converting.conversions import Where as Where
    from weft.uploads.converting.places import memory_budget as memory_budget
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
    from weft.uploads.inspecting.inspection import Inspection as Inspection
    from weft.uploads.inspecting.looking import inspect as inspect
    from weft.uploads.inspecting.looking import look as look
    from weft.uploads.inspecting.probes import PROBES as PROBES
    from weft.uploads.limits import Limits as Limits
    from weft.uploads.records import Upload as Upload
    from weft.uploads.reports import Processed as Processed
    from weft.uploads.reports import Progress as Progress
    from weft.uploads.reports import Report as Report
    from weft.uploads.storing.local import LocalStorage as LocalStorage
    from weft.uploads.storing.objects import ObjectStorage as ObjectStorage
    from weft.uploads.storing.storage import Storage as Storage
    from weft.uploads.storing.storages import use as use

# Each name and the module that has it. No module here may bear the name of a function: importing it would hide it.
_HOME = {
    "CONVERSIONS": "converting.conversions",
    "Conversion": "converting.conversions",
    "Image": "images.recipes",
    "Inspection": "inspecting.inspection",
    "Intake": "arriving.intake",
    "Limits": "limits",
    "LocalStorage": "storing.local",
    "Made": "converting.conversions",
    "Media": "files.media",
    "PROBES": "inspecting.probes",
    "ObjectStorage": "storing.objects",
    "Received": "arriving.received",
    "PdfPages": "files.pdf",
    "PdfText": "files.pdf",
    "Poster": "files.media",
    "Processed": "reports",
    "Processing": "batches",
    "Progress": "reports",
    "Report": "reports",
    "Storage": "storing.storage",
    "StorageError": "errors",
    "Table": "files.tables",
    "Thumbnails": "images.recipes",
    "Unzip": "files.unzip",
    "Upload": "records",
    "UploadRefused": "errors",
    "Where": "converting.conversions",
    "convert": "converting.carrying",
    "convert_file": "converting.carrying",
    "inspect": "inspecting.looking",
    "look": "inspecting.looking",
    "memory_budget": "converting.places",
    "receive": "arriving.receiving",
    "use": "storing.storages",
    "process": "batches",
}

__all__ = [*_HOME]  # noqa: PLE0604 - the names are the table's


__getattr__ = later(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
