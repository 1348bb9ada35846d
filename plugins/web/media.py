"""Serves stored media to the platforms that fetch them, by signed address and by nothing else.

Whoever asks has no login: the signature in the path is the permission (`schedulo.media.links`). Platforms
read in parts and follow no redirects, so there are single ranges (RFC 9110, section 14) and no redirects.

`uvicorn --factory web.media:app` serves the same outside of Airflow.
"""

from __future__ import annotations

import re
from functools import cache

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from schedulo.flow import Slice
from schedulo.media import MediaLinks, MediaStore
from schedulo.model import Media
from schedulo.settings import settings

HEADERS = {
    "Accept-Ranges": "bytes",
    # What an address shows never changes: it names the hash of the bytes.
    "Cache-Control": "public, max-age=31536000, immutable",
    # Airflow's pages live on the same origin: nothing here may ever run as a page.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}

SINGLE_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")


@cache
def app() -> FastAPI:
    """The application of this process's settings."""
    chosen = settings()
    return build(MediaStore(chosen.media), MediaLinks(chosen.media_base_url, chosen.media_key))


def build(store: MediaStore, links: MediaLinks) -> FastAPI:
    """An application that serves `store` under the addresses that `links` signs."""
    app = FastAPI(title="Schedulo media", docs_url=None, redoc_url=None, openapi_url=None)
    app.router.redirect_slashes = False

    @app.api_route("/{signature}/{name}", methods=["GET", "HEAD"])
    def media(signature: str, name: str, request: Request) -> Response:
        sha256 = links.verify(signature, name)
        found = store.find(sha256) if sha256 else None
        # One answer for a forged address and for a missing file: nobody learns what is here.
        if found is None or name != links.name(found):
            return Response(status_code=404, headers={"X-Content-Type-Options": "nosniff"})
        return _answer(store, found, request)

    return app


def _answer(store: MediaStore, media: Media, request: Request) -> Response:
    size_bytes, etag = media.size_bytes, f'"{media.sha256}"'
    headers = {**HEADERS, "Content-Type": media.content_type, "ETag": etag}
    same = request.headers.get("if-range", etag) == etag
    span = _span(request.headers.get("range", ""), size_bytes) if same else None
    if span is not None and not span:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size_bytes}"})
    if span is None:
        status, span = 200, range(size_bytes)
    else:
        status = 206
        headers["Content-Range"] = f"bytes {span[0]}-{span[-1]}/{size_bytes}"
    headers["Content-Length"] = str(len(span))
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    body = store.open_slice(Slice(media.sha256, span.start, len(span)))
    return StreamingResponse(aiter(body), status_code=status, headers=headers)


def _span(asked: str, size_bytes: int) -> range | None:
    """The bytes that a Range header asks for: none of them where the file has none of these, None where the
    header is not a single range of bytes and the whole file is the answer."""
    match = SINGLE_RANGE.fullmatch(asked.strip())
    if match is None:
        return None
    first, last, final = match.groups()
    if final:
        return range(max(0, size_bytes - int(final)), size_bytes)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)
