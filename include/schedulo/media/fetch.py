"""Downloads a file whose address came from somebody's data, into the store: every hop is checked before it is
taken (`outward`), and size and total time are limited.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from schedulo.media.store import CHUNK_BYTES, MediaStore
from schedulo.model import Media
from schedulo.outward import Hop, OutwardError, asked, broken, check
from schedulo.words import storable

FetchError = OutwardError
"""The file could not be fetched."""

MAX_REDIRECTS = 3
MAX_BYTES = 4 * 1024**3
"""TikTok and Facebook take videos of up to 4 GB; nobody takes more."""
TOTAL_SECONDS = 600.0

REDIRECTS = (301, 302, 303, 307, 308)
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)


def fetch(
    url: str,
    store: MediaStore,
    *,
    filename: str = "",
    allowed_hosts: frozenset[str] = frozenset(),
    max_bytes: int = MAX_BYTES,
    total_seconds: float = TOTAL_SECONDS,
) -> Media:
    """Download `url` into `store` and say what it is.

    `allowed_hosts` ("host:port") may be private and may use plain http: hosts that the operator chose, such
    as the one of the Airtable Connection. Raises `FetchError`, and `MediaError` for a file that is no media.
    Looking a name up is left to the system's resolver and its own time limit.
    """
    deadline = time.monotonic() + total_seconds
    for _ in range(MAX_REDIRECTS + 1):
        hop = check(url, allowed_hosts, "file")
        with asked(hop, deadline) as answer:
            location = answer.headers.get("Location")
            if answer.status_code in REDIRECTS and location:
                url = urljoin(url, location)
                continue
            if answer.status_code != 200:
                raise FetchError(
                    f"{hop.host} did not hand out the file (HTTP {answer.status_code})",
                    temporary=answer.status_code in TEMPORARY,
                    status=answer.status_code,
                )
            name = filename or storable(unquote(PurePosixPath(urlsplit(url).path).name))
            return store.put(
                _body(answer, hop, max_bytes, deadline), name, answer.headers.get("Content-Type", "")
            )
    raise FetchError(f"{hop.host} redirects more than {MAX_REDIRECTS} times")


def _body(answer: requests.Response, hop: Hop, max_bytes: int, deadline: float) -> Iterator[bytes]:
    too_large = FetchError(f"the file at {hop.host} is larger than {max_bytes} bytes")
    if (answer.raw.length_remaining or 0) > max_bytes:
        raise too_large
    got_bytes = 0
    try:
        for chunk in answer.raw.stream(CHUNK_BYTES, decode_content=True):
            got_bytes += len(chunk)
            if got_bytes > max_bytes:
                raise too_large
            yield chunk
    except (HTTPError, OSError) as error:
        raise broken(hop, deadline, error) from None
    if time.monotonic() >= deadline:  # a body without a length looks whole when the line is cut
        raise broken(hop, deadline, TimeoutError())
