"""What the tests of this folder share: where their helpers are, and a server that speaks S3."""

import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def working_folder():
    """The folder in which conversions of this process work; its lock is kept open for the life of the process."""
    from weft.uploads.converting import workplaces

    return workplaces._home_of_this_process()


@pytest.fixture(scope="session")
def s3():
    """The address of a server that speaks S3 and has a bucket "shop", and credentials for it in the environment."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with urlopen(Request(f"{address}/shop", data=b"", method="PUT")), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "of-the-tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-tests")
        yield address
    server.stop()
