"""X: how a medium is uploaded, in segments, and waited for (X: media upload, chunked)."""

from __future__ import annotations

from typing import Any

from schedulo.errors import Phase, PlatformError, diagnose
from schedulo.errors.x import X_RULES
from schedulo.flow import FilePart, Flow, NotReady, Read, Request, Response, Slice, step
from schedulo.model import Media, MediaKind
from schedulo.platforms.x_accepts import CATEGORIES, SEGMENT_BYTES
from schedulo.platforms.x_answers import raise_for
from schedulo.words import word

UPLOAD_KEEP_S = 23 * 3600.0
"""Unused uploads live 24 hours by the shorter of X's two statements."""


def _media(response: Response, call: str) -> dict[str, Any]:
    """What an upload call says of its medium; always with an `id`."""
    body = response.json() if response.ok else None
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not word(data.get("id")):
        raise raise_for(response, Phase.ARM, call)
    return data


def upload(index: int, media: Media) -> Flow:
    """One medium, ready to be posted: `{"id", "media_key"}`.

    Each later step carries the upload's id in its name: what was sent for an upload that ran out says nothing
    about the next one.
    """

    def initialized(response: Response) -> dict[str, str]:
        data = _media(response, "initialize")
        return {"id": str(data["id"]), "media_key": word(data.get("media_key"))}

    handle = yield from step(
        f"init-{index}",
        Request(
            "x",
            "POST",
            "/2/media/upload/initialize",
            json={
                "media_type": media.content_type,
                "total_bytes": media.size_bytes,
                "media_category": CATEGORIES[media.kind],
            },
        ),
        initialized,
        keep_s=UPLOAD_KEEP_S,
    )
    media_id = handle["id"]
    for number, offset in enumerate(range(0, media.size_bytes, SEGMENT_BYTES)):
        yield from _append(index, media_id, media, number, offset)
    state = yield from step(
        f"finalize-{index}-{media_id}",
        Request("x", "POST", f"/2/media/upload/{media_id}/finalize", timeout_s=60.0),
        lambda response: _processing(response)[0],
        keep_s=UPLOAD_KEEP_S,
    )
    if state != "succeeded":
        yield from step(
            f"status-{index}-{media_id}",
            Request("x", "GET", "/2/media/upload", query=(("command", "STATUS"), ("media_id", media_id))),
            _processed,
            keep_s=UPLOAD_KEEP_S,
        )
    if media.alt_text and media.kind is not MediaKind.VIDEO:
        yield from step(
            f"alt-{index}-{media_id}",
            Request(
                "x",
                "POST",
                "/2/media/metadata",
                json={"id": media_id, "metadata": {"alt_text": {"text": media.alt_text}}},
            ),
            _accepted("metadata"),
            keep_s=UPLOAD_KEEP_S,
        )
    return handle


def _append(index: int, media_id: str, media: Media, number: int, offset: int) -> Flow:
    piece = Slice(media.sha256, offset, min(SEGMENT_BYTES, media.size_bytes - offset))
    return step(
        f"append-{index}-{media_id}-{number}",
        Request(
            "x",
            "POST",
            f"/2/media/upload/{media_id}/append",
            form=(("segment_index", str(number)),),
            file=FilePart("media", piece, "media", "application/octet-stream"),
            timeout_s=120.0,
        ),
        _accepted("append"),
        keep_s=UPLOAD_KEEP_S,
    )


def _accepted(call: str) -> Read:
    """Any 2xx will do; X's pages disagree about these bodies."""

    def read(response: Response) -> bool:
        if not response.ok:
            raise raise_for(response, Phase.ARM, call)
        return True

    return read


def _processing(response: Response) -> tuple[str, float]:
    """Where processing stands and how long X wants us to wait; nothing said means that it is done."""
    info = _media(response, "finalize").get("processing_info") or {}
    state = word(info.get("state")) or "succeeded"
    if state == "failed":
        error = info.get("error") or {}
        code, text = word(error.get("name") or error.get("code")), word(error.get("message"))
        raise PlatformError(
            "X",
            diagnose(X_RULES, Phase.ARM, response.status, code, "processing", text),
            status=response.status,
            code=code,
            message=text or "processing failed",
        )
    return state, float(info.get("check_after_secs") or 2.0)


def _processed(response: Response) -> str:
    state, wait_s = _processing(response)
    if state != "succeeded":
        raise NotReady(wait_s, f"X is processing the media ({state})")
    return state
