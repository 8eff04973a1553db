"""Where the trusted certificates are: found without importing `ssl`, which costs more than the search."""

import os
from functools import lru_cache
from pathlib import Path

__all__ = ["trusted_file"]

_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


def trusted_file() -> str:
    """Find the PEM file to trust. Reads the environment at each call; any thread.

    It is the first of `SSL_CERT_FILE`, `CURL_CA_BUNDLE` and `REQUESTS_CA_BUNDLE` that is set and exists, else the
    system's, else certifi's.
    """
    for variable in _VARIABLES:
        path = os.environ.get(variable)
        if path and Path(path).is_file():
            return path
    return _usual()


@lru_cache(maxsize=1)
def _usual() -> str:
    for path in _SYSTEM:
        if Path(path).is_file():
            return path
    import certifi  # noqa: PLC0415 - the last resort

    return certifi.where()
