"""Page videos, reels and the videos of stories: by URL, as one file, in chunks, or through rupload; their
limits and their status.

Sources: Meta, references of Page videos and Video, "Video API: publishing", "Reels publishing".
Switches: `fb_processing_polls` (1); `fb_chunk_bytes` (4 MiB); `fb_status_spelling` complete|completed;
`fb_bytes_spelling` bytes_transfered|bytes_transferred; `fb_error_spelling` error|errors;
`fb_reel_finish` finish|complete (what the last phase is called; Meta's page says both).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.core import sha256
from sandbox.media import FetchError, fetch
from sandbox.meta import errors
from sandbox.meta.errors import GraphError
from sandbox.meta.graph import GraphService, Request, iso, listing, names, read_bool, read_int, select
from sandbox.meta.posts import Posts
from sandbox.meta.store import DAY_S, Page, PageVideo, Upload, within
from sandbox.probe import ImageFile, VideoFile, probe

SMALLEST_VIDEO_BYTES = 1_024
REELS_PER_DAY = 30
TITLE_CHARACTERS = 255
THUMB_KINDS = ("JPEG", "PNG", "GIF", "BMP", "TIFF")
THUMB_BYTES = 10_000_000
REEL_ASPECT = (9 / 16, 16 / 9)
REEL_PIXELS = (540, 960)
REEL_SECONDS = (3, 90)
REEL_FRAMES_PER_S = (24, 60)
REEL_CODECS = ("h264", "hevc", "vp9", "av1")
REEL_AUDIO_HZ = 48_000
REEL_AUDIO_CHANNELS = 2
ROUNDING = 0.01
SCHEDULE_DAYS = {"video": 180, "reel": 29}
VIDEO_PARAMS = names(
    "file_url source title description published scheduled_publish_time thumb content_category"
    " unpublished_content_type upload_phase file_size upload_session_id start_offset video_file_chunk"
    " targeting no_story"
)
REEL_PARAMS = names("upload_phase video_id video_state title description scheduled_publish_time place tags")
VIDEO_FIELDS = names(
    "id status permalink_url post_id published created_time updated_time length title description from"
    " picture"
)


class Videos:
    """The edges of Page videos and reels."""

    def __init__(self, service: GraphService, posts: Posts) -> None:
        self.service = service
        self.world = service.world
        self.store = service.store
        self.posts = posts

    def _new(self, page: Page, kind: str) -> PageVideo:
        video = PageVideo(self.store.mint("123"), page, kind, self.world.now(), Upload())
        self.store.nodes[video.video_id] = video
        return video

    # Videos.

    async def videos(self, request: Request) -> dict[str, Any]:
        """`POST /{page-id}/videos`: whole (`file_url` or `source`), or in phases."""
        page = self.posts.page(request, to_write=True)
        params = request.params
        phase = params.get("upload_phase")
        self._check_thumb(request, phase)
        if "file_url" in params and phase is not None:
            raise self.service.invalid("Param file_url cannot be combined with upload_phase")
        match phase:
            case "start":
                return self._start(request, page)
            case "transfer":
                return self._transfer(request, page)
            case "finish":
                video = self._session(request, page)
                self._finish_video(request, video)
                return {"success": True}
            case "cancel":
                video = self._session(request, page)
                del self.store.sessions[video.session_id or ""], self.store.nodes[video.video_id]
                return {"success": True}
            case None:
                return await self._whole(request, page)
        raise self.service.invalid("Param upload_phase must be one of start, transfer, finish, cancel")

    def _check_thumb(self, request: Request, phase: str | None) -> None:
        """`thumb` is a picture, and belongs to what makes the video a post."""
        if "thumb" not in request.files:
            if "thumb" in request.params:
                raise self.service.invalid("Param thumb must be a file")
            return
        content = request.files["thumb"]
        found = probe(content)
        if phase not in (None, "finish"):
            raise self.service.invalid("Param thumb comes with the end of the upload")
        if (
            not isinstance(found, ImageFile)
            or found.kind not in THUMB_KINDS
            or found.size_bytes > THUMB_BYTES
        ):
            raise self.service.refuse(errors.PHOTO_FILE)

    async def _whole(self, request: Request, page: Page) -> dict[str, Any]:
        if ("file_url" in request.params) == ("source" in request.files):
            raise self.service.invalid("Either file_url or source must be given")
        content = request.files.get("source")
        if content is None:
            try:
                content = (await fetch(self.world, request.params["file_url"])).content
            except FetchError:
                raise self.service.refuse(errors.VIDEO_NOT_FETCHED) from None
        video = self._new(page, "video")
        video.upload.content = bytearray(content)
        self._finish_video(request, video)
        return {"id": video.video_id}

    def _start(self, request: Request, page: Page) -> dict[str, Any]:
        size_bytes = read_int(request.params, "file_size", self.service)
        if size_bytes is None or size_bytes <= 0:
            raise self.service.invalid("Param file_size is required")
        video = self._new(page, "video")
        video.upload.size_bytes = size_bytes
        video.session_id = self.store.mint("124")
        self.store.sessions[video.session_id] = video
        first = {"upload_session_id": video.session_id, "video_id": video.video_id}
        return first | self._offsets(video)

    def _offsets(self, video: PageVideo) -> dict[str, str]:
        """What is to come next. Offsets are strings."""
        start, size = len(video.upload.content), video.upload.size_bytes or 0
        end = min(size, start + int(self.world.switch("fb_chunk_bytes", str(4 * 1024 * 1024))))
        return {"start_offset": str(start), "end_offset": str(end)}

    def _session(self, request: Request, page: Page) -> PageVideo:
        video = self.store.sessions.get(request.params.get("upload_session_id", ""))
        if video is None or video.page is not page:
            raise self.service.invalid("Param upload_session_id is unknown")
        return video

    def _transfer(self, request: Request, page: Page) -> dict[str, Any]:
        video = self._session(request, page)
        if "video_file_chunk" not in request.files:
            raise self.service.invalid("Param video_file_chunk is required")
        wanted = self._offsets(video)
        chunk = request.files["video_file_chunk"]
        size = int(wanted["end_offset"]) - int(wanted["start_offset"])
        if request.params.get("start_offset") != wanted["start_offset"] or len(chunk) != size:
            raise self.service.refuse(replace(errors.VIDEO_OFFSET, data=dict(wanted)))
        video.upload.content += chunk
        return self._offsets(video)

    def _finish_video(self, request: Request, video: PageVideo) -> None:
        params = request.params
        if video.upload.size_bytes not in (None, len(video.upload.content)):
            raise self.service.refuse(errors.VIDEO_UPLOAD.saying("(#6000) The upload is not complete"))
        found = self._probed(video)
        if len(video.upload.content) < SMALLEST_VIDEO_BYTES:
            raise self.service.refuse(errors.VIDEO_TOO_SMALL)
        if found is None:
            raise self.service.refuse(errors.VIDEO_UPLOAD)
        published = read_bool(params, "published", self.service, default=True)
        scheduled_at = self.posts.schedule(params, published, SCHEDULE_DAYS["video"])
        self.finish(request, video, "PUBLISHED" if published else "DRAFT", scheduled_at)
        video.thumb = sha256(request.files["thumb"]) if "thumb" in request.files else ""

    def _probed(self, video: PageVideo) -> VideoFile | None:
        content = bytes(video.upload.content)
        video.upload.digest = sha256(content)
        found = probe(content, video.upload.digest)
        video.upload.video = found if isinstance(found, VideoFile) else None
        video.upload.done = True
        return video.upload.video

    def finish(self, request: Request, video: PageVideo, state: str, scheduled_at: float | None) -> None:
        """The irreversible step. What a second one does, Meta does not say: see the fault `republish`."""
        account = video.page.page_id
        if video.finished:
            order = self.world.faults.take(("republish",), request.call, account)
            match order.argument if order else "error":
                case "error":
                    raise self.service.refuse(errors.FINISHED_TWICE)
                case "same":
                    return
        video.finished, video.state = True, "SCHEDULED" if scheduled_at else state
        video.title = request.params.get("title", "")
        video.description = request.params.get("description", "")
        video.scheduled_at = scheduled_at
        video.received_at = request.call.received_at
        video.polls_left = int(self.world.switch("fb_processing_polls", "1"))
        if order := self.world.faults.take(("processing_fails",), request.call, account):
            video.failed = order.argument
            return
        post = self.posts.make(request, video.page, video.kind, video.description)
        post.video, post.scheduled_at, video.post = video, scheduled_at, post
        if video.state == "PUBLISHED" or self.posts.opens_itself(request):
            self.posts.go_live(post, request.call.received_at)
        if video.kind == "reel":
            video.page.reels.append(video)
        self.posts.keep(post)

    # Reels.

    async def reels(self, request: Request) -> dict[str, Any]:
        """`POST /{page-id}/video_reels`: start, bytes through rupload, finish."""
        page = self.posts.page(request, to_write=True)
        phase = request.params.get("upload_phase")
        if phase == "start":
            return self.begin(request, page, "reel")
        if phase == self.world.switch("fb_reel_finish", "finish"):
            self._finish_reel(request, page)
            return {"success": True}
        raise self.service.invalid("Param upload_phase must be one of start, finish")

    def begin(self, request: Request, page: Page, kind: str) -> dict[str, Any]:
        """A video whose bytes are to come to the upload host."""
        video = self._new(page, kind)
        host = request.call.base_url.rpartition("/")[0]
        upload_url = f"{host}/rupload/video-upload/{request.version}/{video.video_id}"
        return {"video_id": video.video_id, "upload_url": upload_url}

    def uploaded(self, request: Request, page: Page, kind: str) -> PageVideo:
        """The video of a finish: the Page's, of this kind, with all its bytes; or Refused."""
        video = self.store.nodes.get(request.params.get("video_id", ""))
        if not isinstance(video, PageVideo) or video.page is not page or video.kind != kind:
            raise self.service.invalid("Param video_id is missing or unknown")
        if not video.upload.done:
            raise self.service.invalid("The video was not uploaded")
        return video

    def _finish_reel(self, request: Request, page: Page) -> None:
        params = request.params
        video = self.uploaded(request, page, "reel")
        if params.get("video_state") not in ("PUBLISHED", "DRAFT", "SCHEDULED"):
            raise self.service.invalid("Param video_state must be one of PUBLISHED, DRAFT, SCHEDULED")
        if len(params.get("title", "")) > TITLE_CHARACTERS:
            raise self.service.refuse(errors.TEXT_TOO_LONG)
        state = params["video_state"]
        if (state == "SCHEDULED") != ("scheduled_publish_time" in params):
            raise self.service.invalid("video_state SCHEDULED goes with scheduled_publish_time")
        scheduled_at = self.posts.schedule(params, state != "SCHEDULED", SCHEDULE_DAYS["reel"])
        if error := shape_error(video.upload.video, REEL_SECONDS):
            raise self.service.refuse(error)
        if within(page.reel_times, self.world.now()) >= REELS_PER_DAY:
            raise self.service.refuse(errors.CUSTOM_LIMIT.saying("(#613) 30 reels were posted in 24 hours"))
        first = not video.finished
        self.finish(request, video, state, scheduled_at)
        if first:
            page.reel_times.append(self.world.now())

    async def list_reels(self, request: Request) -> dict[str, Any]:
        """`GET /{page-id}/video_reels`: the public ones; the feed does not carry them."""
        page = self.posts.page(request, to_write=False)
        public = [reel.post for reel in page.reels if reel.post is not None and reel.post.published]
        asked = request.params.get("fields")
        known = VIDEO_FIELDS
        default = ("description", "updated_time")
        return listing(
            request,
            self.service,
            public,
            lambda post: select(self._values(post.video), asked, known, default, self.service),
        )

    # Reading.

    def read(self, request: Request, video: PageVideo) -> dict[str, Any]:
        if video.page.page_id not in request.token.owners:
            raise self.service.no_object(request.node)
        values = self._values(video)
        if video.finished and video.polls_left:
            video.polls_left -= 1
        return select(values, request.params.get("fields"), VIDEO_FIELDS, ("updated_time",), self.service)

    def _values(self, video: PageVideo) -> dict[str, Any]:
        folders = {"video": f"{video.page.page_id}/videos", "reel": "reel"}
        folder = f"/{folders[video.kind]}/{video.video_id}/" if video.kind in folders else None
        post = video.post
        shown = post is not None and post.published and not video.polls_left
        return {
            "id": video.video_id,
            "status": self._status(video),
            "permalink_url": folder,
            "post_id": post.post_id if post is not None else None,
            "published": shown,
            "created_time": iso(post.created_at if post is not None else video.created_at),
            "updated_time": iso(post.created_at if post is not None else video.created_at),
            "length": video.upload.video.duration_s if video.upload.video else None,
            "title": video.title or None,
            "description": video.description or None,
            "picture": f"https://scontent.xx.fbcdn.net/v/{video.thumb}.jpg" if video.thumb else None,
            "from": {"id": video.page.page_id, "name": video.page.name},
        }

    def _status(self, video: PageVideo) -> dict[str, Any]:
        complete = self.world.switch("fb_status_spelling", "complete")
        upload, post = video.upload, video.post
        processed = video.finished and not video.polls_left
        uploading = {
            "status": complete if upload.done else "in_progress" if upload.content else "not_started",
            self.world.switch("fb_bytes_spelling", "bytes_transfered"): len(upload.content),
        }
        processing: dict[str, Any] = {"status": "in_progress" if video.finished else "not_started"}
        publishing: dict[str, Any] = {"status": "not_started", "publish_status": video.state.lower()}
        if processed and video.failed is not None:
            what: dict[str, Any] = {"message": "The video could not be processed"}
            several = self.world.switch("fb_error_spelling", "error") == "errors"
            if video.failed or several:
                what["code"] = int(video.failed or 1363019)
            said = {"errors": [what]} if several else {"error": what}
            processing = {"status": "error", **said}
            publishing["publish_status"] = "error"
        elif processed:
            processing = {"status": complete}
            if post is not None and post.published:
                publishing = {"status": complete, "publish_status": "published"}
                publishing["publish_time"] = iso(post.created_at)
        if not video.finished:
            publishing["publish_status"] = "draft"
        return {
            "video_status": self._overall(video, processed),
            "uploading_phase": uploading,
            "processing_phase": processing,
            "publishing_phase": publishing,
        }

    def _overall(self, video: PageVideo, processed: bool) -> str:
        if processed:
            return "ready" if video.failed is None else "error"
        if video.finished:
            return "processing"
        if self.world.now() > video.created_at + DAY_S:
            return "expired"
        return "upload_complete" if video.upload.done else "uploading"


def shape_error(video: VideoFile | None, seconds: tuple[int, int]) -> GraphError | None:
    """What is wrong with a reel or a story: 9:16 to 16:9, at least 540 by 960, 24 to 60 frames a
    second; H.264, H.265, VP9 or AV1 with AAC of at most 48 kHz in stereo."""
    if video is None or video.codec not in REEL_CODECS or video.audio_codec not in ("aac", None):
        return errors.VIDEO_UPLOAD
    if video.audio_rate_hz > REEL_AUDIO_HZ or video.audio_channels > REEL_AUDIO_CHANNELS:
        return errors.VIDEO_UPLOAD
    if not REEL_ASPECT[0] - ROUNDING <= video.aspect <= REEL_ASPECT[1] + ROUNDING:
        return errors.REEL_ASPECT
    sides = sorted((video.width, video.height))
    if any(side < least for side, least in zip(sides, REEL_PIXELS, strict=True)):
        return errors.REEL_RESOLUTION
    if not seconds[0] - ROUNDING <= video.duration_s <= seconds[1] + ROUNDING:
        low, high = seconds
        return errors.REEL_DURATION.saying(f"The duration must be between {low} and {high} seconds")
    if not REEL_FRAMES_PER_S[0] - ROUNDING <= video.fps <= REEL_FRAMES_PER_S[1] + ROUNDING:
        return errors.REEL_FRAME_RATE
    return None
