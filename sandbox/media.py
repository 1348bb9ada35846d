"""The media host, and the one way in which stand-ins get media that a caller names by URL.

`Media` serves seeded files with Range and HEAD. `fetch` really downloads: Range requests, no redirects unless
asked, limits on size and time, and one kind of error per cause. What a file is, `sandbox.probe` says.

Seed: `{"media": {"files": [{"path", "content_type", "base64"}]}}`; a file answers at `/media/<path>`.
Switch `media_ranges`: "honoured" (default) or "ignored" (a host that answers 200 to every Range request).
"""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

import aiohttp

from sandbox.core import Call, Reply, Service, World, route

PART_BYTES = 8 * 1024 * 1024
MAX_FETCH_BYTES = 320 * 1024 * 1024
FETCH_SECONDS = 20.0


class Media(Service):
    """Serves seeded files."""

    name = "media"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._files: dict[str, tuple[str, bytes]] = {}
        self.routes = [
            route("GET", "/{path:rest}", "file", self.file),
            route("HEAD", "/{path:rest}", "file", self.file),
        ]

    def reset(self) -> None:
        self._files.clear()

    def seed(self, data: dict[str, Any]) -> None:
        for file in data.get("files", []):
            path = str(file["path"]).lstrip("/")
            self._files[path] = (str(file["content_type"]), base64.b64decode(file["base64"], validate=True))

    def refusal(self, status: int, call: Call, code: str = "", subcode: str = "") -> Reply:
        return Reply(status, f"<html><body>{status}</body></html>")

    async def file(self, call: Call) -> Reply:
        found = self._files.get(call.args["path"])
        if found is None:
            return self.not_found(call)
        content_type, content = found
        headers = {"Content-Type": content_type, "Accept-Ranges": "bytes"}
        asked = call.headers.get("Range")
        if asked is None or self.world.switch("media_ranges", "honoured") == "ignored":
            return Reply(200, content, headers)
        span = _span(asked, len(content))
        if span is None:
            return Reply(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        first, last = span
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return Reply(206, content[first : last + 1], headers)


def _span(asked: str, size_bytes: int) -> tuple[int, int] | None:
    """First and last byte of a single `Range`, or None where it cannot be served (RFC 9110, section 14)."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        span = (max(0, size_bytes - int(last)), size_bytes - 1) if int(last) else (size_bytes, 0)
    else:
        span = (int(first), min(int(last or size_bytes), size_bytes - 1))
    return span if span[0] <= span[1] else None


class Cause(Enum):
    """Why media could not be fetched."""

    BAD_URL = "not an http(s) URL in plain ASCII"
    UNREACHABLE = "no connection to the host"
    TIMEOUT = "the host took too long"
    REDIRECT = "the host redirects"
    STATUS = "the host refuses"
    TOO_LARGE = "the file is larger than allowed"
    CUT = "the host sent less than it promised"


class FetchError(Exception):
    """Media could not be fetched; `status` is the host's HTTP status where it answered."""

    def __init__(self, cause: Cause, status: int | None = None) -> None:
        super().__init__(cause.value if status is None else f"{cause.value} (HTTP {status})")
        self.cause = cause
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded file."""

    content: bytes
    content_type: str
    ranged: bool
    """Whether the host honoured Range."""


async def fetch(
    world: World,
    url: str,
    *,
    max_bytes: int = MAX_FETCH_BYTES,
    timeout_s: float | None = None,
    follow_redirects: bool = False,
    part_bytes: int = PART_BYTES,
) -> Fetched:
    """Download `url` in parts of `part_bytes`, as the platforms' own fetchers do; raises FetchError.

    The time limit is the switch `fetch_timeout_s` where `timeout_s` is not given.
    """
    if not re.fullmatch(r"https?://[!-~]+", url):
        raise FetchError(Cause.BAD_URL)
    limit_s = float(world.switch("fetch_timeout_s", str(FETCH_SECONDS))) if timeout_s is None else timeout_s
    content = bytearray()
    try:
        async with asyncio.timeout(limit_s), aiohttp.ClientSession() as session:
            while True:
                asked = {"Range": f"bytes={len(content)}-{len(content) + part_bytes - 1}"}
                async with session.get(url, headers=asked, allow_redirects=follow_redirects) as answer:
                    if 300 <= answer.status < 400:
                        raise FetchError(Cause.REDIRECT, answer.status)
                    if answer.status not in (200, 206):
                        raise FetchError(Cause.STATUS, answer.status)
                    ranged = answer.status == 206
                    total = _total(answer, ranged)
                    if total is not None and total > max_bytes:
                        raise FetchError(Cause.TOO_LARGE)
                    before = len(content)
                    async for piece in answer.content.iter_any():
                        content += piece
                        if len(content) > max_bytes:
                            raise FetchError(Cause.TOO_LARGE)
                    content_type = answer.content_type
                if not ranged or total is None or len(content) >= total:
                    return Fetched(bytes(content), content_type, ranged)
                if len(content) == before:
                    raise FetchError(Cause.CUT)
    except TimeoutError:
        raise FetchError(Cause.TIMEOUT) from None
    except (aiohttp.InvalidURL, ValueError):
        raise FetchError(Cause.BAD_URL) from None
    except aiohttp.ClientPayloadError:
        raise FetchError(Cause.CUT) from None
    except aiohttp.ClientError:
        raise FetchError(Cause.UNREACHABLE) from None


def _total(answer: aiohttp.ClientResponse, ranged: bool) -> int | None:
    if not ranged:
        return answer.content_length
    match = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    return int(match.group(1)) if match else None
