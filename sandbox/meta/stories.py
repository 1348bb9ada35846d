"""Stories of a Page: a photo or a video that was uploaded for it and was in no post before; and their list.

Source: Meta, "Page Stories API". Switch: `fb_story_archive` off (default) | on: whether the Page keeps its
stories, so that the list still names them when their day is over.
"""

from __future__ import annotations

from typing import Any

from sandbox.meta.graph import GraphService, Request, listing, names
from sandbox.meta.posts import Posts
from sandbox.meta.store import DAY_S, PagePost, PageVideo
from sandbox.meta.videos import Videos, shape_error

SECONDS = (3, 60)
"""Meta's table says 90, its text 60."""
PHOTO_STORY_PARAMS = names("photo_id")
VIDEO_STORY_PARAMS = names("upload_phase video_id")


class Stories:
    """The edges of Page stories."""

    def __init__(self, service: GraphService, posts: Posts, videos: Videos) -> None:
        self.service = service
        self.world = service.world
        self.store = service.store
        self.posts = posts
        self.videos = videos

    async def photo(self, request: Request) -> dict[str, Any]:
        """`POST /{page-id}/photo_stories`."""
        page = self.posts.page(request, to_write=True)
        photo = self.posts.unused_photo(request.params.get("photo_id", ""), page)
        post = self.posts.make(request, page, "story", "")
        post.photos, photo.post = [photo], post
        self.posts.go_live(post, request.call.received_at)
        self.posts.keep(post)
        return {"success": True, "post_id": post.post_id}

    async def video(self, request: Request) -> dict[str, Any]:
        """`POST /{page-id}/video_stories`: start, bytes through rupload, finish."""
        page = self.posts.page(request, to_write=True)
        match request.params.get("upload_phase"):
            case "start":
                return self.videos.begin(request, page, "story")
            case "finish":
                video = self.videos.uploaded(request, page, "story")
                if error := shape_error(video.upload.video, SECONDS):
                    raise self.service.refuse(error)
                self.videos.finish(request, video, "PUBLISHED", None)
                made = video.post.post_id if video.post else self.store.mint("122")
                return {"success": True, "post_id": made}
        raise self.service.invalid("Param upload_phase must be one of start, finish")

    async def list(self, request: Request) -> dict[str, Any]:
        """`GET /{page-id}/stories`: those of the last 24 hours, and the archived ones where they are kept."""
        page = self.posts.page(request, to_write=False)
        wanted = request.params.get("status")
        if wanted not in (None, "PUBLISHED", "ARCHIVED"):
            raise self.service.invalid("Param status must be one of PUBLISHED, ARCHIVED")
        kept = self.world.switch("fb_story_archive", "off") == "on"
        stories = [
            story
            for story in page.stories
            if (self._status(story) == "PUBLISHED" or kept) and wanted in (None, self._status(story))
        ]
        return listing(request, self.service, stories, self._shown)

    def _status(self, story: PagePost) -> str:
        return "PUBLISHED" if self.world.now() < story.created_at + DAY_S else "ARCHIVED"

    def _shown(self, story: PagePost) -> dict[str, Any]:
        medium: PageVideo | None = story.video
        return {
            "post_id": story.post_id,
            "status": self._status(story),
            "creation_time": str(int(story.created_at)),
            "media_type": "photo" if medium is None else "video",
            "media_id": story.photos[0].photo_id if medium is None else medium.video_id,
            "url": f"https://www.facebook.com/stories/{story.page.page_id}/{story.post_id}/",
        }
