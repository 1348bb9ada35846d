"""Files in cells: what a write may name, fetching what it names, links that die, answers with Range.

Source: Airtable Web API, "Attachments" and "Upload attachment".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout
from PIL import Image, UnidentifiedImageError

from sandbox.airtable.errors import bad_value, invalid_request, refused
from sandbox.airtable.model import Attachment, Field, Record
from sandbox.core import Call, Reply, World

LINK_LIFE_S = 2 * 3600
MAX_UPLOAD_BYTES = 5 * 1024 * 1024
FETCH_TIMEOUT_S = 30


class Files:
    """All attachments of all bases, and the signed links to them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = secrets.token_bytes(16)
        self._by_id: dict[str, Attachment] = {}

    def clear(self) -> None:
        self._by_id.clear()

    def keep(self, attachment: Attachment) -> Attachment:
        self._by_id[attachment.id] = attachment
        return attachment

    def stored(self, filename: str, content_type: str, data: bytes) -> Attachment:
        """A file given as bytes."""
        attachment = self.keep(Attachment(filename))
        _fill(attachment, content_type, data)
        return attachment

    # -------------------------------------------------------------- writing

    def accept(self, field: Field, value: Any, record: Record | None) -> list[Attachment]:
        """The attachments that a written cell names: `{url, filename?}`, or `{id}` of one to keep."""
        if not isinstance(value, list):
            raise bad_value(field.name)
        kept = {a.id: a for a in (record.cells.get(field.id, []) if record else [])}
        found = []
        for item in value:
            match item:
                case Attachment():
                    found.append(item)  # from a seed
                case {"id": str(attachment_id)} if attachment_id in kept:
                    found.append(kept[attachment_id])
                case {"url": str(url), "filename": str(filename)} if "id" not in item and filename:
                    found.append(Attachment(filename, _checked(url)))
                case {"url": str(url)} if not {"id", "filename"} & set(item):
                    found.append(Attachment(_name_in(url), _checked(url)))
                case _:
                    raise refused(
                        422,
                        "INVALID_ATTACHMENT_OBJECT",
                        f'Invalid attachment object for field "{field.name}": url, or id of one of its own',
                    )
        return found

    def fetch_later(self, attachment: Attachment, forget: Callable[[], None]) -> None:
        """Fetch in the background; what cannot be fetched vanishes from its cell without a word."""
        self.keep(attachment)

        async def fetch() -> None:
            if not await _fetch(attachment):
                forget()

        self._world.later(0.0, fetch)

    def upload(self, field: Field, data: Any) -> Attachment:
        """The body of uploadAttachment: `{contentType, filename, file}`, the file in base64."""
        match data:
            case {"contentType": str(content_type), "filename": str(filename), "file": str(encoded)}:
                pass
            case _:
                raise invalid_request("contentType, filename and file are required")
        try:
            raw = base64.b64decode("".join(encoded.split()), validate=True)
        except binascii.Error:
            raise invalid_request("file is not base64") from None
        if not raw:
            raise bad_value(field.name)
        if len(raw) > MAX_UPLOAD_BYTES:
            raise refused(413, "REQUEST_TOO_LARGE", "A file may have 5 MB at most")
        return self.stored(filename, content_type, raw)

    # -------------------------------------------------------------- reading

    def public(self, attachment: Attachment, base_url: str) -> dict[str, Any]:
        """The attachment in a cell, with a link that lives for two hours from now."""
        if attachment.data is None:
            return {"id": attachment.id, "url": attachment.source_url, "filename": attachment.filename}
        until = str(int(self._world.now() + LINK_LIFE_S))
        name = quote(attachment.filename, safe="")
        path = f"{until}/{self._sign(attachment.id, until)}/{attachment.id}/{name}"
        shown = {
            "id": attachment.id,
            "url": f"{base_url}/attachments/{path}",
            "filename": attachment.filename,
            "size": len(attachment.data),
            "type": attachment.type,
        }
        if attachment.width is not None:
            shown |= {"width": attachment.width, "height": attachment.height}
        return shown

    async def serve(self, call: Call) -> Reply:
        """GET or HEAD of a link: no token needed, 410 once it is dead."""
        until, attachment = call.args["until"], self._by_id.get(call.args["attachment"])
        if (
            attachment is None
            or attachment.data is None
            or not hmac.compare_digest(call.args["sign"], self._sign(attachment.id, until))
        ):
            return Reply(404, "Not found", {"Content-Type": "text/plain"})
        if self._world.now() >= int(until):
            return Reply(410, "This link has expired", {"Content-Type": "text/plain"})
        return ranged(attachment.data, attachment.type, call.headers.get("Range"))

    def _sign(self, attachment_id: str, until: str) -> str:
        return hmac.new(self._key, f"{attachment_id}{until}".encode(), hashlib.sha256).hexdigest()[:32]


def ranged(data: bytes, content_type: str, asked: str | None) -> Reply:
    """The whole, or the one byte range that was asked for. Source: RFC 9110, section 14."""
    headers = {"Content-Type": content_type, "Accept-Ranges": "bytes"}
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", (asked or "").strip())
    if match is None or match.groups() == ("", ""):
        return Reply(200, data, headers)
    first, last = match.groups()
    start = int(first) if first else max(len(data) - int(last), 0)
    end = min(int(last), len(data) - 1) if first and last else len(data) - 1
    if start > end:
        return Reply(416, b"", headers | {"Content-Range": f"bytes */{len(data)}"})
    return Reply(206, data[start : end + 1], headers | {"Content-Range": f"bytes {start}-{end}/{len(data)}"})


def _checked(url: str) -> str:
    """The stand-in fetches from this machine alone; anything else counts as an upload that failed."""
    parts = urlsplit(url)
    try:
        near = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        near = False
    if parts.scheme not in ("http", "https") or not near:
        raise refused(422, "ATTACHMENTS_FAILED_UPLOADING", "One or more attachments could not be fetched")
    return url


def _name_in(url: str) -> str:
    return unquote(PurePosixPath(urlsplit(url).path).name) or "attachment"


async def _fetch(attachment: Attachment) -> bool:
    assert attachment.source_url is not None
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=FETCH_TIMEOUT_S)) as session,
            session.get(attachment.source_url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                return False
            _fill(attachment, answer.content_type, await answer.read())
            return True
    except (ClientError, TimeoutError, OSError):
        return False


def _fill(attachment: Attachment, content_type: str, data: bytes) -> None:
    attachment.data, attachment.type = data, content_type
    if content_type.startswith("image/"):
        try:
            with Image.open(BytesIO(data)) as image:
                attachment.width, attachment.height = image.size
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
            pass  # Airtable, too, stores what it cannot look into
