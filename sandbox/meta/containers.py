"""Instagram content publishing, the same on both hosts: containers, publishing, comments.

`/instagram` and `/facebook` declare these edges with the scopes of their login. What can be read is in
`readback`, what a file must be in `media_rules`; bytes of resumable uploads arrive through `rupload`.

Sources: Meta, "Instagram Platform: content publishing", "IG User: media", "comment moderation".
Switches: `ig_processing_polls` (1) or `ig_processing_seconds`, also for images; `ig_video_errors`
status|create (where a bad video is told).
"""

from __future__ import annotations

import re
from dataclasses import replace

from sandbox.core import LivePost, sha256
from sandbox.media import FetchError, fetch
from sandbox.meta import errors
from sandbox.meta.graph import EVERYWHERE, Request, read_bool, read_int, read_list
from sandbox.meta.media_rules import (
    ALT_TEXT_CHARACTERS,
    CHILDREN,
    COLLABORATORS,
    FACEBOOK_LOGIN_ONLY,
    IMAGE_BYTES,
    KINDS,
    MIB,
    Kind,
    caption_error,
    fetch_error,
    image_error,
    video_error,
)
from sandbox.meta.readback import INSTAGRAM_LOGIN, Reading
from sandbox.meta.store import Account, Comment, Container, Medium, Upload, within
from sandbox.probe import probe

CONTAINERS_PER_DAY = 400
MEDIA_TYPES = (None, "IMAGE", "VIDEO", "REELS", "STORIES", "CAROUSEL")


class Publishing(Reading):
    """The edges that write, and those that read."""

    # Containers.

    async def create(self, request: Request) -> dict[str, str]:
        """`POST /{ig-user-id}/media`."""
        account = self.account(request)
        self.service.need(request, self.login.publish)
        now = self.world.now()
        if within(account.container_times, now) >= CONTAINERS_PER_DAY:
            raise self.service.refuse(errors.QUOTA_REACHED.saying("400 containers were created in 24 hours"))
        name, kind = self._check_params(request.params)
        container = Container(
            self.store.mint("178"), account, name, request.params.get("caption", ""), now, {}
        )
        container.params = {k: v for k, v in request.params.items() if k in ("thumb_offset", "alt_text")}
        answer = {"id": container.container_id}
        if "children" in kind.params:
            container.children = self._children(request.params, account)
        elif "image_url" in request.params:
            container.digests = [await self._image(request.params["image_url"], kind)]
        else:
            if "cover_url" in request.params:
                container.cover = await self._image(request.params["cover_url"], replace(kind, aspect=None))
            if "upload_type" in request.params:
                container.upload = Upload()
                host = request.call.base_url.rpartition("/")[0]
                uploads = f"{host}/rupload/ig-api-upload/{request.version}"
                answer["uri"] = f"{uploads}/{container.container_id}"
            else:
                await self._start_video(container, request.params["video_url"], kind)
        self._start_processing(container, request)
        account.container_times.append(now)
        self.store.nodes[container.container_id] = container
        return answer

    def _check_params(self, params: dict[str, str]) -> tuple[str, Kind]:
        """The kind of container that these parameters ask for; refuses what does not belong to it."""
        invalid = self.service.invalid
        if self.login is INSTAGRAM_LOGIN and (barred := sorted(FACEBOOK_LOGIN_ONLY & params.keys())):
            raise invalid(f"Param {barred[0]} needs Facebook Login")
        name = self._kind_name(params)
        kind = KINDS[name]
        plain = params.keys() - EVERYWHERE
        if not kind.is_child and params.get("is_carousel_item", "").lower() == "false":
            plain -= {"is_carousel_item"}
        if misplaced := sorted(plain - kind.params):
            raise invalid(f"Param {misplaced[0]} is not allowed here (INSTAGRAM_PLATFORM_API__INVALID_PARAM)")
        sources = {"image_url", "video_url", "upload_type", "children"} & kind.params
        if len(sources & params.keys()) != 1:
            raise invalid(f"Exactly one of {', '.join(sorted(sources))} is required")
        if params.get("upload_type", "resumable") != "resumable":
            raise invalid("Param upload_type must be resumable")
        if error := caption_error(params.get("caption", ""), self.world):
            raise self.service.refuse(error)
        if len(params.get("alt_text", "")) > ALT_TEXT_CHARACTERS:
            raise invalid("Param alt_text is too long")
        if len(read_list(params, "collaborators", self.service)) > COLLABORATORS:
            raise invalid("Param collaborators has more than 3 names")
        if not re.fullmatch(r"\d*", params.get("location_id", "")):
            raise self.service.refuse(errors.LOCATION)
        if (read_int(params, "thumb_offset", self.service) or 0) < 0:
            raise self.service.refuse(errors.THUMB_OFFSET)
        for flag in ("is_ai_generated", "share_to_feed", "is_paid_partnership"):
            read_bool(params, flag, self.service, default=False)
        self._check_tags(params, needs_place=kind.media_type == "IMAGE" and kind.product != "STORY")
        return name, kind

    def _kind_name(self, params: dict[str, str]) -> str:
        media_type = params.get("media_type")
        if media_type not in MEDIA_TYPES:
            raise self.service.refuse(errors.MEDIA_TYPE)
        child = read_bool(params, "is_carousel_item", self.service, default=False)
        if child and media_type in ("REELS", "STORIES", "CAROUSEL"):
            raise self.service.invalid(f"media_type {media_type} cannot be a carousel item")
        match media_type:
            case "CAROUSEL":
                return "carousel"
            case "REELS":
                return "reel"
            case "STORIES":
                return "story_image" if "image_url" in params else "story_video"
            case "VIDEO":
                # Since 2023-07-01 a single feed video is published as a reel.
                return "carousel_video" if child else "reel"
        if "image_url" not in params and params.keys() & {"video_url", "upload_type"}:
            raise self.service.invalid("Param media_type is required for a video")
        return "carousel_image" if child else "image"

    def _check_tags(self, params: dict[str, str], *, needs_place: bool) -> None:
        """user_tags: `[{"username", "x", "y"}]`, x and y from 0 to 1, required on images."""
        for tag in read_list(params, "user_tags", self.service):
            if not isinstance(tag, dict) or tag.keys() - {"username", "x", "y"}:
                raise self.service.invalid("Param user_tags must be a list of username, x and y")
            place = [tag.get("x"), tag.get("y")] if tag.get("username") else ["?"]
            given = [value for value in place if value is not None]
            if len(given) == 1 or (needs_place and not given):
                raise self.service.invalid("Param user_tags needs username, x and y")
            if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in given):
                raise self.service.invalid("Param user_tags: x and y must be between 0 and 1")

    def _children(self, params: dict[str, str], account: Account) -> list[Container]:
        text = params["children"]
        listed = text.lstrip().startswith("[")
        ids = read_list(params, "children", self.service) if listed else text.replace(" ", "").split(",")
        if not CHILDREN[0] <= len(ids) <= CHILDREN[1]:
            raise self.service.refuse(errors.CAROUSEL_SIZE)
        children = []
        for node in map(str, ids):
            child = self.store.nodes.get(node)
            if not isinstance(child, Container) or child.account is not account:
                raise self.service.refuse(errors.MEDIA_NOT_FOUND)
            if not KINDS[child.kind].is_child:
                raise self.service.invalid(f"Container {node} was not created with is_carousel_item")
            self._need_finished(child)
            children.append(child)
        return children

    async def _image(self, url: str, kind: Kind) -> str:
        """Really download an image; its sha256, or Refused."""
        try:
            fetched = await fetch(self.world, url, max_bytes=4 * IMAGE_BYTES)
        except FetchError as error:
            raise self.service.refuse(fetch_error(error, errors.IMAGE_SIZE)) from None
        digest = sha256(fetched.content)
        if wrong := image_error(probe(fetched.content, digest), kind):
            raise self.service.refuse(wrong)
        return digest

    async def _start_video(self, container: Container, url: str, kind: Kind) -> None:
        """Videos are downloaded behind the answer, and fail in the container's status."""

        async def download() -> errors.GraphError | None:
            assert kind.video is not None
            try:
                fetched = await fetch(self.world, url, max_bytes=kind.video.size_bytes + MIB)
            except FetchError as error:
                return fetch_error(error, errors.VIDEO_FORMAT)
            if not fetched.ranged:
                return errors.RANGE_IGNORED
            container.digests = [sha256(fetched.content)]
            return video_error(probe(fetched.content, container.digests[0]), kind.video, container.params)

        async def behind() -> None:
            wrong = await download()
            container.failed = container.failed or (str(wrong.subcode) if wrong else None)
            container.fetching = False

        if self.world.switch("ig_video_errors", "status") == "create":
            if wrong := await download():
                raise self.service.refuse(wrong)
            return
        container.fetching = True
        self.world.later(0, behind)

    def _start_processing(self, container: Container, request: Request) -> None:
        seconds = self.world.switch("ig_processing_seconds", "")
        if seconds:
            container.ready_at = container.created_at + float(seconds)
        else:
            container.polls_left = int(self.world.switch("ig_processing_polls", "1"))
        order = self.world.faults.take(
            ("processing_fails",), request.call, self.service.account_of(request.call)
        )
        if order is not None:
            container.failed = order.argument or str(errors.VIDEO_FORMAT.subcode)

    def _need_finished(self, container: Container) -> None:
        match self.state(container):
            case "EXPIRED":
                raise self.service.refuse(errors.MEDIA_EXPIRED)
            case "IN_PROGRESS" | "ERROR":
                raise self.service.refuse(errors.NOT_READY)

    # Publishing.

    async def publish(self, request: Request) -> dict[str, str]:
        """`POST /{ig-user-id}/media_publish`."""
        account = self.account(request)
        self.service.need(request, self.login.publish)
        if "creation_id" not in request.params:
            raise self.service.invalid("The parameter creation_id is required")
        container = self.store.nodes.get(request.params["creation_id"])
        if not isinstance(container, Container):
            raise self.service.refuse(errors.BUILDER_GONE)
        if container.account is not account:
            raise self.service.refuse(errors.MEDIA_NOT_FOUND)
        if KINDS[container.kind].is_child:
            raise self.service.invalid("A carousel item cannot be published by itself")
        faults, call = self.world.faults, request.call
        if container.media_id is not None:
            # Meta does not say what a second publish of one container does.
            order = faults.take(("republish",), call, account.account_id)
            match order.argument if order else "error":
                case "same":
                    return {"id": container.media_id}
                case "error":
                    raise self.service.refuse(errors.BUILDER_GONE.saying("The media was already published"))
        else:
            self._need_finished(container)
            for child in container.children:
                self._need_finished(child)
        now = self.world.now()
        if within(account.publish_times, now) >= self.quota_total(account):
            raise self.service.refuse(errors.QUOTA_REACHED)
        account.publish_times.append(now)
        medium = self._medium(container, now, call.received_at)
        if medium.children and faults.take(("drop_child",), call, account.account_id):
            medium.digests = medium.digests[:-1]
            medium.children = medium.children[:-1]
        container.media_id, container.published_at = medium.media_id, call.received_at
        (account.stories if KINDS[medium.kind].product == "STORY" else account.media).append(medium)
        self.world.publish(
            LivePost(
                "instagram",
                account.account_id,
                medium.media_id,
                KINDS[medium.kind].live,
                medium.caption,
                list(medium.digests),
                None,
                call.received_at,
            )
        )
        return {"id": medium.media_id}

    def _medium(self, container: Container, now: float, received_at: float) -> Medium:
        medium = Medium(
            self.store.mint("179"),
            container.account,
            container.kind,
            container.caption,
            now,
            received_at,
            list(container.digests),
            container.cover,
            container.params.get("alt_text", ""),
        )
        for child in container.children:
            part = self._medium(child, now, received_at)
            part.parent = medium
            medium.children.append(part)
            medium.digests += part.digests
        self.store.nodes[medium.media_id] = medium
        return medium

    def delete(self, request: Request, medium: Medium) -> dict[str, bool]:
        """`DELETE /{ig-media-id}`. Which kinds of media cannot be deleted Meta does not say: switch
        `ig_undeletable`, names of kinds separated by commas."""
        self._need_owner(medium.account, request)
        self.service.need(request, ("instagram_basic", "instagram_manage_contents"))
        undeletable = self.world.switch("ig_undeletable", "").split(",")
        if medium.kind in undeletable or medium.parent is not None:
            raise self.service.refuse(errors.NOT_DELETABLE)
        self.forget(medium)
        return {"success": True}

    def forget(self, medium: Medium) -> None:
        """A medium is gone, with its children and comments."""
        self.store.remove(medium, self.world.now())

    async def comment(self, request: Request, parent: Medium | Comment) -> dict[str, str]:
        """`POST /{ig-media-id}/comments` and `/{ig-comment-id}/replies`."""
        account = self.store.nodes[self.store.owner_of(request.node) or ""]
        assert isinstance(account, Account)
        self._need_owner(account, request)
        self.service.need(request, self.login.comment)
        if isinstance(parent, Medium) and KINDS[parent.kind].product == "STORY":
            raise self.service.invalid("A story takes no comments")
        text = request.params.get("message", "")
        if not text.strip() or "attachment_url" in request.params:
            raise self.service.invalid("The parameter message is required, and nothing else")
        received_at = request.call.received_at
        comment = Comment(
            self.store.mint("180"),
            account.account_id,
            account.username,
            text,
            self.world.now(),
            received_at,
            request.node,
        )
        parent.comments.append(comment)
        self.store.nodes[comment.comment_id] = comment
        live = ("instagram", account.account_id, comment.comment_id, "comment", text)
        self.world.publish(LivePost(*live, [], request.node, received_at))
        return {"id": comment.comment_id}
