"""What is done with a photo: a job makes it small, which no upload waits for and no killed worker loses."""

import weft
from weft.uploads import Image

# Here, and not in the app: a process of its own, for a photo that has killed its worker, imports this module alone.
storage = weft.uploads.use("file:photos-kept")
SMALL = Image(width=1600, format="webp")


@weft.job(queue="photos", retries=3, timeout=60)
def shrink(photo: weft.Upload) -> weft.Upload:
    """The photo as pages show it; the original is forgotten."""
    return weft.uploads.convert(photo, SMALL)
