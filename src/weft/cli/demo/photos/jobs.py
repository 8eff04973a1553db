"""What is done with a photo: a job makes it small, which no upload waits for and no killed worker loses."""

from weft.jobs.declaring import job
from weft.jobs.errors import Discard
from weft.jobs.records import KEPT
from weft.uploads.converting.carrying import convert
from weft.uploads.errors import UploadRefused
from weft.uploads.images.recipes import Image
from weft.uploads.records import Upload

__all__ = ["QUEUE", "shrink"]

QUEUE = "photos"
"""The queue of these jobs."""

_SMALL = Image(width=1600, format="webp")


@job(name="weft-demo.shrink", queue=QUEUE, timeout=60, result_ttl=KEPT)
def shrink(photo: Upload) -> Upload:
    """The photo as pages show it. The original stays: a worker may die before anybody knows that this is done.

    Raises:
        Discard: it is no photo, or damaged; to try again would not help.
    """
    try:
        made: Upload = convert(photo, _SMALL)
    except UploadRefused as error:
        raise Discard(str(error)) from error
    return made
