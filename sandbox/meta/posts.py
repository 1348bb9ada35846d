"""Page posts: feed posts, photos, drafts that go public, comments, and reading all of it back.

Sources: Meta, "Pages API: posts", references of Page feed, Page photos, Page Post, published_posts.
Switches: `fb_drafts` "stay" (default) | "leak" (drafts with a link or media go public at once, as some saw);
`fb_schedule_days` 30|75; `fb_photo_max_mb` 10|4; `fb_message_max` (63206, a vendor's figure).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from sandbox.core import LivePost, Refused, sha256
from sandbox.media import FetchError, fetch
from sandbox.meta import errors
from sandbox.meta.graph import (
    GraphService,
    Request,
    iso,
    listing,
    names,
    parse_fields,
    read_bool,
    read_json,
    read_list,
    read_time,
    select,
)
from sandbox.meta.readback import mangled
from sandbox.meta.store import DAY_S, Comment, Page, PagePost, PageVideo, Photo
from sandbox.probe import ImageFile, probe

MB = 1_000_000
MINUTE_S = 60
PHOTO_KINDS = ("JPEG", "BMP", "PNG", "GIF", "TIFF")
UNPUBLISHED_TYPES = (
    "SCHEDULED",
    "SCHEDULED_RECURRING",
    "DRAFT",
    "ADS_POST",
    "INLINE_CREATED",
    "PUBLISHED",
    "REVIEWABLE_BRANDED_CONTENT",
)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
FEED_PARAMS = names(
    "message link published scheduled_publish_time attached_media targeting feed_targeting place tags"
    " backdated_time backdated_time_granularity unpublished_content_type"
)
PHOTO_PARAMS = names(
    "url source caption message name alt_text_custom published temporary scheduled_publish_time targeting"
    " place tags unpublished_content_type no_story"
)
EDIT_PARAMS = names("message is_published scheduled_publish_time")
POST_FIELDS = names(
    "id message created_time updated_time permalink_url is_published scheduled_publish_time status_type"
    " attachments application from story full_picture icon picture shares message_tags"
    " comments likes reactions"
)
PHOTO_FIELDS = names(
    "id created_time updated_time name link alt_text alt_text_custom width height from page_story_id images"
)
COMMENT_FIELDS = names("id message created_time from permalink_url comment_count like_count parent")
OF_VISITORS = names("comments likes reactions")
"""Fields of a post that need a permission of their own."""
STATUS_TYPES = {
    "feed": "mobile_status_update",
    "photo": "added_photos",
    "photos": "added_photos",
    "video": "added_video",
    "reel": "added_video",
    "story": "added_photos",
}


class Posts:
    """The edges of Page posts and photos."""

    def __init__(self, service: GraphService) -> None:
        self.service = service
        self.world = service.world
        self.store = service.store

    def page(self, request: Request, *, to_write: bool) -> Page:
        """The Page of `/{page-id}`; writing needs a Page token and the CREATE_CONTENT task."""
        page = self.store.nodes.get(request.node)
        if not isinstance(page, Page) or page.page_id not in request.token.owners:
            raise self.service.no_object(request.node)
        if to_write:
            self.need_writer(request, page)
        self.open_due(page)
        return page

    def need_writer(self, request: Request, page: Page) -> None:
        if page.page_id not in request.token.owners:
            raise self.service.no_object(request.node)
        if request.token.kind != "page":
            raise self._forbidden("A Page access token is required")
        if "CREATE_CONTENT" not in page.tasks:
            raise self._forbidden("The CREATE_CONTENT task is missing")

    def _forbidden(self, why: str) -> Refused:
        return self.service.refuse(errors.PAGE_PERMISSION.saying(f"(#200) {why}"))

    # Feed.

    async def feed(self, request: Request) -> dict[str, Any]:
        """`POST /{page-id}/feed`."""
        page = self.page(request, to_write=True)
        params = request.params
        message, link = params.get("message", ""), params.get("link", "")
        if len(message) > int(self.world.switch("fb_message_max", "63206")):
            raise self.service.refuse(errors.TEXT_TOO_LONG)
        if link:
            await self._check_link(link)
        photos = self._attached(params, page)
        if not (message or link or photos):
            raise self.service.invalid("Either message or link must be given")
        published = read_bool(params, "published", self.service, default=True)
        scheduled_at = self.schedule(params, published, int(self.world.switch("fb_schedule_days", "30")))
        if scheduled_at and not all(photo.temporary for photo in photos):
            raise self.service.invalid("Photos of a scheduled post need temporary=true")
        post = self.make(request, page, "photos" if photos else "feed", message, link)
        post.photos, post.scheduled_at = photos, scheduled_at
        leaks = (link or photos) and self.world.switch("fb_drafts", "stay") == "leak"
        if published or leaks or self.opens_itself(request):
            self.go_live(post, request.call.received_at)
        self.keep(post)
        for photo in photos:
            photo.post = post
        return self._answer(request, post)

    def _attached(self, params: dict[str, str], page: Page) -> list[Photo]:
        """`attached_media=[{"media_fbid"}]`, or `attached_media[0]={"media_fbid"}` and so on."""
        items = read_list(params, "attached_media", self.service)
        indexed = sorted((int(k[15:-1]), v) for k, v in params.items() if k.startswith("attached_media["))
        photos = []
        for item in items + [read_json(value, "attached_media", self.service) for _, value in indexed]:
            photo = self.unused_photo(str(item.get("media_fbid")) if isinstance(item, dict) else "", page)
            if photo in photos:
                raise self.service.refuse(errors.PHOTO_USED)
            photos.append(photo)
        return photos

    def unused_photo(self, photo_id: str, page: Page) -> Photo:
        """An unpublished photo of the Page that no post has taken, or Refused."""
        photo = self.store.nodes.get(photo_id)
        if not isinstance(photo, Photo) or photo.page is not page or self._gone(photo):
            raise self.service.invalid(f"There is no photo {photo_id!r} to be posted")
        if photo.published or photo.post is not None:
            raise self.service.refuse(errors.PHOTO_USED)
        return photo

    async def _check_link(self, link: str) -> None:
        """A link that the platform cannot see fails the post. Only links to this machine are looked at."""
        parts = urlsplit(link)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise self.service.invalid("Param link must be a URL")
        if re.search(r"(^|\.)facebook\.com$", parts.hostname):
            raise self.service.refuse(errors.FACEBOOK_LINK)
        if "unreachable" in link:
            raise self.service.refuse(errors.LINK_UNREACHABLE)
        if parts.hostname in LOOPBACK:
            try:
                await fetch(self.world, link, timeout_s=5, follow_redirects=True)
            except FetchError:
                raise self.service.refuse(errors.LINK_UNREACHABLE) from None

    def schedule(self, params: dict[str, str], published: bool, days: int) -> float | None:
        """When an unpublished post is to go public, at least 10 minutes and at most `days` from now."""
        content_type = params.get("unpublished_content_type")
        if content_type not in (None, *UNPUBLISHED_TYPES):
            raise self.service.invalid("Param unpublished_content_type is unknown")
        if content_type not in (None, "PUBLISHED") and published:
            raise self.service.invalid("Param unpublished_content_type needs published=false")
        if "scheduled_publish_time" not in params:
            if content_type == "SCHEDULED":
                raise self.service.invalid("Param scheduled_publish_time is required")
            return None
        if published:
            raise self.service.invalid("Param scheduled_publish_time needs published=false")
        when = read_time(params["scheduled_publish_time"], self.service, "scheduled_publish_time")
        if not 10 * MINUTE_S <= when - self.world.now() <= days * DAY_S:
            raise self.service.invalid(f"Param scheduled_publish_time: 10 minutes to {days} days from now")
        return when

    def opens_itself(self, request: Request) -> bool:
        """`auto_publish`: a draft that goes public by itself."""
        order = self.world.faults.take(("auto_publish",), request.call, self.service.account_of(request.call))
        return order is not None

    # The life of a post.

    def make(self, request: Request, page: Page, kind: str, message: str, link: str = "") -> PagePost:
        number = self.store.mint("122")
        return PagePost(
            post_id=number if kind == "story" else f"{page.page_id}_{number}",
            page=page,
            kind=kind,
            message=message,
            link=link,
            created_at=self.world.now(),
            published=False,
            received_at=request.call.received_at,
            app_id=request.token.app_id,
        )

    def keep(self, post: PagePost) -> None:
        self.store.nodes[post.post_id] = post
        if post.kind == "story":
            post.page.stories.append(post)
            return
        post.page.posts.append(post)
        if post.scheduled_at is not None and not post.published:
            post.page.waiting.append(post)

    def open_due(self, page: Page) -> None:
        """Make public what was scheduled for a time that has come; seen whenever the Page is looked at."""
        for post in [post for post in page.waiting if (post.scheduled_at or 0) <= self.world.now()]:
            page.waiting.remove(post)
            if not post.published:
                with contextlib.suppress(Refused):
                    self.go_live(post, time.time())

    def go_live(self, post: PagePost, received_at: float) -> None:
        """Make a post public; 506 where it repeats the words of the post before."""
        words = (post.message, post.link) if post.kind == "feed" else None
        if words is not None and words == post.page.last_words:
            raise self.service.refuse(errors.DUPLICATE_POST)
        if post.kind != "story":
            post.page.last_words = words
        post.published, post.received_at, post.created_at = True, received_at, self.world.now()
        digests = [photo.digest for photo in post.photos]
        if post.video is not None:
            digests = [post.video.upload.digest]
        for photo in post.photos:
            photo.published = True
        if post.kind not in ("reel", "story"):
            post.page.public.append(post)
        page_id = post.page.page_id
        live = ("facebook", page_id, post.post_id, post.kind, post.message, digests)
        self.world.publish(LivePost(*live, None, received_at))

    def _answer(self, request: Request, post: PagePost) -> dict[str, Any]:
        """The new id; with `fields`, what they ask for (read after write)."""
        return self._describe(request)(post) if "fields" in request.params else {"id": post.post_id}

    def edit(self, request: Request, post: PagePost) -> dict[str, Any]:
        """`POST /{post-id}`: only for posts of the same app; `is_published=true` opens a draft."""
        self.need_writer(request, post.page)
        if post.app_id != request.token.app_id:
            raise self._forbidden("The post was made by another app")
        params = request.params
        public = read_bool(params, "is_published", self.service, default=post.published)
        if post.published and not public:
            raise self.service.invalid("A published post cannot be unpublished")
        if "scheduled_publish_time" in params:
            days = int(self.world.switch("fb_schedule_days", "30"))
            post.scheduled_at = self.schedule(params, post.published or public, days)
        before, post.message = post.message, params.get("message", post.message)
        if public and not post.published:
            try:
                self.go_live(post, request.call.received_at)
            except Refused:
                post.message = before
                raise
        post.page.waiting = [other for other in post.page.waiting if other is not post]
        if post.scheduled_at is not None and not post.published:
            post.page.waiting.append(post)
        return {"success": True}

    def delete(self, request: Request, node: PagePost | PageVideo) -> dict[str, Any]:
        """`DELETE /{post-id}`, or that of a video."""
        self.need_writer(request, node.page)
        self.forget(node)
        return {"success": True}

    def forget(self, node: PagePost | PageVideo) -> None:
        """A post is gone with its video, and a video with its post."""
        self.store.remove(node, self.world.now())

    # Photos.

    async def photos(self, request: Request) -> dict[str, Any]:
        """`POST /{page-id}/photos`: by `url` or as the multipart file `source`."""
        page = self.page(request, to_write=True)
        params = request.params
        if ("url" in params) == ("source" in request.files):
            raise self.service.invalid("Either url or source must be given")
        published = read_bool(params, "published", self.service, default=True)
        temporary = read_bool(params, "temporary", self.service, default=False)
        if temporary and published:
            raise self.service.invalid("Param temporary needs published=false")
        scheduled_at = self.schedule(params, published, int(self.world.switch("fb_schedule_days", "30")))
        content = request.files.get("source") or await self._fetched(params["url"])
        digest = sha256(content)
        found = probe(content, digest)
        if found is None:
            raise self.service.refuse(errors.PHOTO_FETCH)
        limit = int(self.world.switch("fb_photo_max_mb", "10")) * MB
        if not isinstance(found, ImageFile) or found.kind not in PHOTO_KINDS or len(content) > limit:
            raise self.service.refuse(errors.PHOTO_FILE)
        caption = params.get("caption") or params.get("message") or params.get("name") or ""
        photo = Photo(
            self.store.mint("122"),
            page,
            caption,
            params.get("alt_text_custom", ""),
            digest,
            (found.width, found.height),
            self.world.now(),
            published,
            temporary,
        )
        self.store.nodes[photo.photo_id] = photo
        if not published and scheduled_at is None:
            return {"id": photo.photo_id}
        post = self.make(request, page, "photo", caption)
        post.photos, post.scheduled_at, photo.post = [photo], scheduled_at, post
        if published:
            self.go_live(post, request.call.received_at)
        self.keep(post)
        return {"id": photo.photo_id, "post_id": post.post_id} if published else {"id": photo.photo_id}

    async def _fetched(self, url: str) -> bytes:
        try:
            return (await fetch(self.world, url)).content
        except FetchError:
            raise self.service.refuse(errors.PHOTO_FETCH) from None

    def _gone(self, photo: Photo) -> bool:
        """Unpublished photos that no post took are deleted after 24 hours."""
        return not photo.published and photo.post is None and self.world.now() > photo.created_at + DAY_S

    def read_photo(self, request: Request, photo: Photo) -> dict[str, Any]:
        if photo.page.page_id not in request.token.owners or self._gone(photo):
            raise self.service.no_object(request.node)
        values = {
            "id": photo.photo_id,
            "created_time": iso(photo.created_at),
            "updated_time": iso(photo.created_at),
            "name": photo.caption or None,
            "link": f"https://www.facebook.com/photo.php?fbid={photo.photo_id}",
            "alt_text": photo.alt_text or None,
            "alt_text_custom": photo.alt_text or None,
            "width": photo.size[0],
            "height": photo.size[1],
            "from": {"id": photo.page.page_id, "name": photo.page.name},
            "page_story_id": photo.post.post_id if photo.post else None,
        }
        asked, default = request.params.get("fields"), ("created_time", "name")
        return select(values, asked, PHOTO_FIELDS, default, self.service)

    # Reading.

    def read_post(self, request: Request, post: PagePost) -> dict[str, Any]:
        if post.page.page_id not in request.token.owners:
            raise self.service.no_object(request.node)
        self.open_due(post.page)
        return self._describe(request)(post)

    async def published_posts(self, request: Request) -> dict[str, Any]:
        page = self.page(request, to_write=False)
        return listing(request, self.service, page.public, self._describe(request))

    async def read_feed(self, request: Request) -> dict[str, Any]:
        """Drafts included: a reader must look at `is_published`. Reels are not in the feed."""
        page = self.page(request, to_write=False)
        posts = [post for post in page.posts if post.kind != "reel"]
        return listing(request, self.service, posts, self._describe(request))

    async def scheduled_posts(self, request: Request) -> dict[str, Any]:
        page = self.page(request, to_write=False)
        return listing(request, self.service, page.waiting, self._describe(request))

    def _describe(self, request: Request) -> Callable[[PagePost], dict[str, Any]]:
        asked, default = request.params.get("fields"), ("created_time", "message")
        if asked and parse_fields(asked).keys() & OF_VISITORS:
            self.service.need(request, ("pages_read_user_content",))
        order = self.world.faults.take(("mangle_text",), request.call, self.service.account_of(request.call))

        def describe(post: PagePost) -> dict[str, Any]:
            values = _post_values(post)
            if order is not None and post.message:
                values["message"] = mangled(post.message)
            return select(values, asked, POST_FIELDS, default, self.service)

        return describe

    # Comments.

    def comment(self, request: Request, parent: PagePost | PageVideo | Comment) -> dict[str, Any]:
        """`POST /{post-id}/comments`, by the Page."""
        page = self.store.nodes[self.store.owner_of(request.node) or ""]
        assert isinstance(page, Page)
        self.need_writer(request, page)
        self.service.need(request, ("pages_manage_engagement",))
        text = request.params.get("message", "")
        if not text.strip() and "attachment_url" not in request.params:
            raise self.service.invalid("Either message or attachment_url must be given")
        if isinstance(parent, PagePost) and (not parent.published or parent.kind == "story"):
            raise self.service.invalid("The post cannot be commented on")
        received_at = request.call.received_at
        comment = Comment(
            comment_id=f"{request.node.rpartition('_')[2]}_{self.store.mint('122')}",
            account_id=page.page_id,
            author=page.name,
            text=text,
            created_at=self.world.now(),
            received_at=received_at,
            parent_id=request.node,
        )
        parent.comments.append(comment)
        self.store.nodes[comment.comment_id] = comment
        live = ("facebook", page.page_id, comment.comment_id, "comment", text)
        self.world.publish(LivePost(*live, [], request.node, received_at))
        if "fields" in request.params:
            return self.read_comment(request, comment)
        return {"id": comment.comment_id}

    def comments(self, request: Request, parent: PagePost | PageVideo | Comment) -> dict[str, Any]:
        if self.store.owner_of(request.node) not in request.token.owners:
            raise self.service.no_object(request.node)
        self.service.need(request, ("pages_read_engagement",))
        return listing(request, self.service, parent.comments, lambda c: self.read_comment(request, c))

    def read_comment(self, request: Request, comment: Comment) -> dict[str, Any]:
        if comment.account_id not in request.token.owners:
            raise self.service.no_object(request.node)
        values = {
            "id": comment.comment_id,
            "message": comment.text,
            "created_time": iso(comment.created_at),
            "from": {"id": comment.account_id, "name": comment.author},
            "permalink_url": f"https://www.facebook.com/{comment.parent_id}?comment_id={comment.comment_id}",
            "comment_count": len(comment.replies),
            "like_count": 0,
        }
        default = ("created_time", "from", "message")
        return select(values, request.params.get("fields"), COMMENT_FIELDS, default, self.service)


def _post_values(post: PagePost) -> dict[str, Any]:
    page_id, _, number = post.post_id.partition("_")
    return {
        "id": post.post_id,
        "message": post.message or None,
        "created_time": iso(post.created_at),
        "updated_time": iso(post.created_at),
        "permalink_url": f"https://www.facebook.com/{page_id}/posts/{number}",
        "is_published": post.published,
        "scheduled_publish_time": int(post.scheduled_at) if post.scheduled_at else None,
        "status_type": "shared_story" if post.link else STATUS_TYPES[post.kind],
        "attachments": _attachments(post),
        "application": {"id": post.app_id} if post.app_id else None,
        "from": {"id": page_id, "name": post.page.name},
        "comments": {"data": [{"id": comment.comment_id} for comment in reversed(post.comments)]},
        "likes": {"data": []},
        "reactions": {"data": []},
    }


def _attachments(post: PagePost) -> dict[str, Any] | None:
    photos = [
        {"media_type": "photo", "type": "photo", "target": {"id": photo.photo_id}} for photo in post.photos
    ]
    if len(photos) > 1:
        return {"data": [{"media_type": "album", "type": "album", "subattachments": {"data": photos}}]}
    if post.video is not None:
        photos = [{"media_type": "video", "type": "video_inline", "target": {"id": post.video.video_id}}]
    if post.link:
        photos = [{"media_type": "link", "type": "share", "url": post.link, "unshimmed_url": post.link}]
    return {"data": photos} if photos else None
