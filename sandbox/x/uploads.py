"""The upload endpoints of X: what is sent in which form; the rules of an upload are in `media`.

Source: openapi.json 2.167, "Chunked media upload".
"""

from __future__ import annotations

import base64
from typing import Any

from sandbox.core import Call, Reply, World
from sandbox.x import schema
from sandbox.x.access import Token, user_of
from sandbox.x.errors import invalid
from sandbox.x.media import ONE_SHOT_CATEGORIES, MediaStore, Medium
from sandbox.x.snowflakes import Snowflakes


class Uploads:
    """The handlers; `media` and `ids` serve posts too."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.media = MediaStore(world)
        self.ids = Snowflakes()

    def _begin(self, call: Call, token: Token, asked: dict[str, Any]) -> Medium:
        schema.INITIALIZE("", asked)
        return self.media.begin(str(self.ids.next(call.received_at)), user_of(token), asked)

    async def initialize(self, call: Call, token: Token) -> Reply:
        medium = self._begin(call, token, schema.json_body(call))
        data = self.media.shown(medium)
        return Reply(200, {"data": {key: data[key] for key in ("id", "media_key", "expires_after_secs")}})

    def _sent(self, call: Call, members: frozenset[str]) -> dict[str, Any]:
        """The members of a JSON (media in base64) or multipart (media raw) upload request."""
        if call.content_type == "multipart/form-data":
            try:
                sent: dict[str, Any] = {
                    name: content if name == "media" else content.decode()
                    for name, (_, content) in call.multipart().items()
                }
            except ValueError:
                raise invalid("body", "", "Malformed multipart body") from None
        else:
            sent = schema.json_body(call)
            if not isinstance(sent, dict):
                raise invalid("body", "", "[$.] must be an object")
            try:
                sent["media"] = base64.b64decode(sent["media"], validate=True)
            except (KeyError, TypeError, ValueError):
                raise invalid("media", "", "[$.media] must be base64") from None
        for name in sent:
            if name not in members:
                raise invalid(name, "", f"[$.{name}] is not defined in the schema")
        if "media" not in sent:
            raise invalid("media", "", "[$.media] is required")
        return sent

    async def append(self, call: Call, token: Token) -> Reply:
        medium = self.media.of(call.args["id"], user_of(token))
        sent = self._sent(call, frozenset(["segment_index", "media"]))
        index = str(sent.get("segment_index", ""))
        if not index.isdecimal():
            raise invalid("segment_index", index, "[$.segment_index] must be an integer")
        self.media.append(medium, int(index), sent["media"])
        return Reply(200, {"data": {"expires_at": int(medium.expires_at)}})

    async def finalize(self, call: Call, token: Token) -> Reply:
        medium = self.media.of(call.args["id"], user_of(token))
        fault = self._world.faults.take(("processing_fails",), call, user_of(token).account_id)
        await self.media.finalize(medium, (fault.argument or "InvalidMedia") if fault else None)
        return Reply(200, {"data": self.media.shown(medium)})

    async def upload_at_once(self, call: Call, token: Token) -> Reply:
        """One request for a small image; the old `command=` verbs are gone since 2025-04-30."""
        if call.query_value("command") is not None:
            raise invalid("command", call.query_value("command"), "Use the dedicated upload endpoints")
        sent = self._sent(
            call, frozenset(["media", "media_category", "media_type", "additional_owners", "shared"])
        )
        category = sent.get("media_category")
        if category not in ONE_SHOT_CATEGORIES:
            raise invalid("media_category", category, f"must be one of {', '.join(ONE_SHOT_CATEGORIES)}")
        asked: dict[str, Any] = {
            "media_type": sent.get("media_type") or _image_type(sent["media"]),
            "total_bytes": len(sent["media"]),
            "media_category": category,
        }
        if sent.get("additional_owners"):
            asked["additional_owners"] = sent["additional_owners"].split(",")
        medium = self._begin(call, token, asked)
        medium.segments[0] = sent["media"]
        await self.media.finalize(medium, None)
        return Reply(200, {"data": self.media.shown(medium)})

    async def upload_status(self, call: Call, token: Token) -> Reply:
        if call.query_value("command") != "STATUS":
            raise invalid("command", call.query_value("command") or "", "command must be STATUS")
        medium = self.media.of(call.query_value("media_id") or "", user_of(token))
        self.media.look(medium)
        return Reply(200, {"data": self.media.shown(medium)})

    async def metadata(self, call: Call, token: Token) -> Reply:
        body = schema.json_body(call)
        schema.METADATA("", body)
        medium = self.media.of(body["id"], user_of(token))
        given = body.get("metadata", {})
        if "alt_text" in given:
            medium.alt_text = given["alt_text"]["text"]
        return Reply(200, {"data": {"id": medium.media_id, "associated_metadata": given}})


def _image_type(content: bytes) -> str:
    """The media type that the first bytes name; one-shot requests need not say it."""
    starts = {b"\xff\xd8": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif", b"RIFF": "image/webp"}
    return next((kind for start, kind in starts.items() if content.startswith(start)), "text/srt")
