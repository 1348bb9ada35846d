"""Plays https://rupload.facebook.com: the bytes of Instagram containers, of Page reels and stories.

A container or a reel that wants bytes is made elsewhere; this host only takes them, whole or resumed at an
offset, or fetches them from a `file_url`. Refusals have no `error` envelope here.

Sources: Meta, "IG User: media" (resumable uploads), "Reels publishing".
"""

from __future__ import annotations

import json
import re

from sandbox.core import Call, Refused, Reply, Service, World, route, sha256
from sandbox.media import FetchError, fetch
from sandbox.meta import errors
from sandbox.meta.media_rules import KINDS, video_error
from sandbox.meta.store import Container, PageVideo, Token, Upload, store_of
from sandbox.probe import Probed, VideoFile, probe


class Rupload(Service):
    """The upload host."""

    name = "rupload"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.store = store_of(world)
        self.routes = [
            route("POST", "/ig-api-upload/{version}/{node}", "ig_api_upload", self.instagram),
            route("POST", "/video-upload/{version}/{node}", "video_upload", self.reel),
        ]

    def reset(self) -> None:
        self.store.clear()

    async def instagram(self, call: Call) -> Reply:
        """Bytes for a container made with `upload_type=resumable`."""
        container = self.store.nodes.get(call.args["node"])
        upload = container.upload if isinstance(container, Container) else None
        self._owner(call)
        if not isinstance(container, Container) or upload is None:
            raise self._refuse("ProcessingFailedError", "No such upload")
        found = await self._take(call, upload)
        kind = KINDS[container.kind]
        assert kind.video is not None
        if error := video_error(found, kind.video, container.params):
            container.failed = str(error.subcode)
            self._again(upload)
            raise self._refuse("ProcessingFailedError", error.message, error.subcode)
        container.failed = None
        container.digests = [upload.digest]
        return Reply(200, {"success": True, "message": "Upload successful."})

    async def reel(self, call: Call) -> Reply:
        """Bytes for a reel that was started; whether they make a good reel, `finish` says."""
        video = self.store.nodes.get(call.args["node"])
        self._owner(call)
        if not isinstance(video, PageVideo) or video.finished:
            raise self._refuse("ProcessingFailedError", "No such upload")
        if not isinstance(await self._take(call, video.upload), VideoFile):
            self._again(video.upload)
            raise self._refuse("ProcessingFailedError", errors.VIDEO_FORMAT.message)
        return Reply(200, {"success": True})

    def _owner(self, call: Call) -> Token:
        """`Authorization: OAuth <token>`, living, of an owner of what is uploaded."""
        scheme = call.headers.get("Authorization", "").partition(" ")[0]
        token = self.store.tokens.get(call.bearer() or "") if scheme == "OAuth" else None
        alive = token is not None and not token.subcode and not 0 < token.expires_at <= self.world.now()
        if token is None or not alive or token.kind == "instagram":
            raise self._refuse("NotAuthorizedError", "The token is missing, unknown or expired", status=401)
        if self.store.owner_of(call.args["node"]) not in token.owners:
            raise self._refuse("NotAuthorizedError", "The token may not upload here", status=403)
        return token

    async def _take(self, call: Call, upload: Upload) -> Probed | None:
        """Receive bytes; what the complete file is, or Refused while it is not complete."""
        if upload.done:
            raise self._refuse("ProcessingFailedError", "The upload is complete already")
        if file_url := call.headers.get("file_url"):
            try:
                fetched = await fetch(self.world, file_url)
            except FetchError as error:
                raise self._refuse("ProcessingFailedError", str(error)) from None
            upload.content, upload.size_bytes = bytearray(fetched.content), len(fetched.content)
        else:
            self._append(call, upload)
        content = bytes(upload.content)
        upload.digest, upload.done = sha256(content), True
        found = probe(content, upload.digest)
        upload.video = found if isinstance(found, VideoFile) else None
        return found

    def _append(self, call: Call, upload: Upload) -> None:
        offset, size = (call.headers.get(name, "") for name in ("offset", "file_size"))
        if not re.fullmatch(r"\d{1,12}", size) or upload.size_bytes not in (None, int(size)):
            raise self._refuse("PartialRequestError", "file_size is missing or has changed")
        upload.size_bytes = int(size)
        if offset != str(len(upload.content)):
            said = f"The next byte is {len(upload.content)}"
            raise self._refuse("OffsetInvalidError", said, retriable=True)
        if len(upload.content) + len(call.body) > upload.size_bytes:
            raise self._refuse("PartialRequestError", "There are more bytes than file_size says")
        upload.content += call.body
        if len(upload.content) < upload.size_bytes:
            raise self._refuse("PartialRequestError", "There are fewer bytes than file_size", retriable=True)

    def _again(self, upload: Upload) -> None:
        """A file that cannot be processed may be uploaded again."""
        upload.content, upload.size_bytes, upload.done = bytearray(), None, False

    def _refuse(
        self,
        kind: str,
        message: str,
        subcode: int | None = None,
        *,
        retriable: bool = False,
        status: int = 400,
    ) -> Refused:
        said = json.dumps({"message": message} | ({"error_subcode": subcode} if subcode else {}))
        debug = {"retriable": retriable, "type": kind, "message": said}
        return Refused(Reply(status, {"debug_info": debug}))

    def refusal(self, status: int, call: Call, code: str = "", subcode: str = "") -> Reply:
        """`code` is one of this host's names, such as `400/OffsetInvalidError`."""
        said, number = errors.find(status).message, int(subcode) if subcode else None
        name = code or ("NotAuthorizedError" if status in (401, 403) else "ProcessingFailedError")
        return self._refuse(name, said, number, retriable=status >= 500, status=status).reply

    def account_of(self, call: Call) -> str | None:
        return self.store.owner_of(call.args.get("node", ""))

    def expire_token(self, call: Call) -> None:
        if token := self.store.tokens.get(call.bearer() or ""):
            token.expires_at = self.world.now() - 1
