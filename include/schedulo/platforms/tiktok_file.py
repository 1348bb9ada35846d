"""A video that is sent to TikTok in chunks; the last one is the commit.

Nothing can be public before its bytes are complete, and the publish_id says at any time how many arrived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from schedulo.errors import Phase
from schedulo.flow import Auth, Flow, Job, Read, Request, Response, Slice, commit, due, step
from schedulo.model import Media
from schedulo.platforms.tiktok_calls import data_of, raise_for

# TikTok: media transfer guide. "MB" may mean either unit there; these satisfy both.
MIN_CHUNK_BYTES = 5 * 1024 * 1024
MAX_CHUNK_BYTES = 32_000_000
"""Half of TikTok's 64 MB: the last chunk takes the remainder and stays below 64 MB, as a lone chunk must."""
MAX_CHUNKS = 1000

INIT_KEEP_S = 50 * 60.0
"""The upload address lives one hour."""


def chunk_plan(size_bytes: int, wanted_bytes: int) -> tuple[int, list[tuple[int, int]]]:
    """`chunk_size` and the (first, length) of each chunk: floor(size / chunk_size) of them, the last takes
    the rest; a file too small for two is one chunk of its own size (TikTok: media transfer guide)."""
    chunk = max(MIN_CHUNK_BYTES, min(wanted_bytes, MAX_CHUNK_BYTES), -(-size_bytes // MAX_CHUNKS))
    count = size_bytes // chunk
    if count < 2:
        return size_bytes, [(0, size_bytes)]
    firsts = [index * chunk for index in range(count)]
    return chunk, [(first, chunk) for first in firsts[:-1]] + [(firsts[-1], size_bytes - firsts[-1])]


def _put(upload_url: str, media: Media, first: int, length: int) -> Request:
    return Request(
        "",
        "PUT",
        upload_url,
        auth=Auth.NONE,
        raw=Slice(media.sha256, first, length),
        headers=(
            ("Content-Type", media.content_type),
            ("Content-Range", f"bytes {first}-{first + length - 1}/{media.size_bytes}"),
        ),
        timeout_s=120.0,
    )


def _chunk_taken(last: int) -> Read:
    """The server says 206, or 201 after the last; another 2xx comes from somewhere else. A chunk that came
    twice is refused with the server's progress: past its end, it is there."""

    def read(response: Response) -> bool:
        if response.status in (201, 206) or (response.status == 416 and _progress(response) >= last):
            return True
        raise raise_for(response, Phase.ARM, "upload")

    return read


def _progress(response: Response) -> int:
    """The upload server's `Content-Range: bytes 0-UPLOADED/TOTAL`, -1 where there is none."""
    uploaded = response.headers.get("content-range", "").partition("/")[0].rpartition("-")[2]
    return int(uploaded) if uploaded.isdigit() else -1


def publish_file(job: Job, begin: Callable[[Mapping[str, Any]], Request]) -> Flow:
    """All chunks but the last while arming, the last at the due instant.

    `begin` makes the request that opens the upload of a `source_info`. The value is `{"publish_id"}`.
    """
    media = job.content.media[0]
    chunk_size, chunks = chunk_plan(media.size_bytes, job.options.get("tiktok_chunk_bytes", MIN_CHUNK_BYTES))
    source = {
        "source": "FILE_UPLOAD",
        "video_size": media.size_bytes,
        "chunk_size": chunk_size,
        "total_chunk_count": len(chunks),
    }

    def begun(response: Response) -> dict[str, str]:
        data = data_of(response, Phase.ARM, "publish_id", "upload_url")
        if "://" not in str(data["upload_url"]):
            raise ValueError("upload_url")
        return {"publish_id": str(data["publish_id"]), "upload_url": str(data["upload_url"])}

    init = yield from step("init", begin(source), begun, keep_s=INIT_KEEP_S)
    # A chunk belongs to its upload: what was sent for one that ran out says nothing about the next.
    upload = hashlib.sha256(init["publish_id"].encode()).hexdigest()[:8]
    for index, (first, length) in enumerate(chunks[:-1]):
        put = _put(init["upload_url"], media, first, length)
        yield from step(f"chunk-{index}-{upload}", put, _chunk_taken(first + length - 1), INIT_KEEP_S)
    yield from due()

    def finished(response: Response) -> dict[str, str]:
        if not response.ok:
            raise raise_for(response, Phase.COMMIT, "upload")
        return {"publish_id": init["publish_id"]}

    put = _put(init["upload_url"], media, *chunks[-1])
    return (yield from commit("post", put, finished, live=False))
