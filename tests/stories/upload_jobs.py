"""Jobs that convert what users sent, in a module, so that workers find them."""

import weft
from weft.uploads import Image, convert


@weft.job(retries=0)
def compress(upload: weft.Upload, width: int) -> weft.Upload:
    """On a thread."""
    return convert(upload, Image(width=width, format="webp"))


@weft.job(retries=0)
async def compress_async(upload: weft.Upload, width: int) -> weft.Upload:
    """On the loop."""
    return await convert(upload, Image(width=width, format="webp"))


@weft.job
def echo(uploads: list[weft.Upload]) -> list[weft.Upload]:
    return uploads
