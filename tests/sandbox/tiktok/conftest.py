"""A seeded TikTok, a small client for it, and real media."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import av
import pytest
import requests
from PIL import Image

from sandbox.running import RunningSandbox

PUBLISH = "/v2/post/publish"


def seed(sandbox: RunningSandbox) -> dict[str, Any]:
    account = {"client_key": "audited"}
    private = ["MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY"]
    return {
        "tiktok": {
            "clients": [
                {
                    "client_key": "audited",
                    "client_secret": "secret",
                    "audited": True,
                    "verified_prefixes": [sandbox.service("media") + "/verified/", "owned.example"],
                },
                {"client_key": "new", "client_secret": "secret", "audited": False},
            ],
            "accounts": [
                account
                | {"account_id": "ann", "username": "ann", "token": "act.ann", "refresh_token": "rft.ann"},
                account | {"account_id": "bob", "username": "bob", "token": "act.bob", "limits": "off"},
                account
                | {
                    "account_id": "cy",
                    "username": "cy",
                    "token": "act.cy",
                    "privacy_options": private,
                    "max_video_post_duration_sec": 1,
                    "duet_disabled": True,
                },
                account
                | {"account_id": "dee", "username": "dee", "token": "act.dee", "scopes": "video.upload"},
                {"account_id": "eve", "username": "eve", "token": "act.eve", "client_key": "new"},
                {
                    "account_id": "fay",
                    "username": "fay",
                    "token": "act.fay",
                    "client_key": "new",
                    "privacy_options": private,
                },
            ],
        }
    }


@dataclass
class Client:
    """Requests to the stand-in; `token` speaks for a creator."""

    sandbox: RunningSandbox
    token: str = "act.bob"
    session: requests.Session = field(default_factory=requests.Session)

    def as_(self, token: str) -> Client:
        return Client(self.sandbox, token, self.session)

    def call(self, path: str, body: Any = None, method: str = "POST", **query: str) -> requests.Response:
        return self.session.request(
            method,
            self.sandbox.service("tiktok") + path,
            json=body,
            params=query,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )

    def video_init(self, source: dict[str, Any], **post: Any) -> requests.Response:
        post_info = {"privacy_level": "PUBLIC_TO_EVERYONE", "title": "hello"} | post
        return self.call(f"{PUBLISH}/video/init/", {"post_info": post_info, "source_info": source})

    def begin(self, content: bytes, **post: Any) -> dict[str, Any]:
        answer = self.video_init(file(len(content)), **post)
        assert code(answer) == "ok", answer.text
        return answer.json()["data"]

    def put(self, url: str, content: bytes, first: int, total: int, **headers: str) -> requests.Response:
        headers = {
            "Content-Type": "video/mp4",
            "Content-Range": f"bytes {first}-{first + len(content) - 1}/{total}",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.put(url, data=content, headers=headers, timeout=30)

    def publish(self, content: bytes, **post: Any) -> str:
        begun = self.begin(content, **post)
        assert self.put(begun["upload_url"], content, 0, len(content)).status_code == 201
        return begun["publish_id"]

    def photos(
        self, images: list[str], mode: str = "DIRECT_POST", cover: int = 0, **post: Any
    ) -> requests.Response:
        post_info = {"title": "hello"} | post
        if mode == "DIRECT_POST":
            post_info = {"privacy_level": "PUBLIC_TO_EVERYONE"} | post_info
        source = {"source": "PULL_FROM_URL", "photo_images": images, "photo_cover_index": cover}
        body = {"media_type": "PHOTO", "post_mode": mode, "post_info": post_info, "source_info": source}
        return self.call(f"{PUBLISH}/content/init/", body)

    def status(self, publish_id: str) -> dict[str, Any]:
        return self.call(f"{PUBLISH}/status/fetch/", {"publish_id": publish_id}).json()["data"]

    def final(self, publish_id: str) -> dict[str, Any]:
        """The status once TikTok has stopped working on it."""
        for _ in range(200):
            status = self.status(publish_id)
            if not status["status"].startswith("PROCESSING"):
                return status
            time.sleep(0.01)
        raise AssertionError("still processing")

    def hosted(self, content: bytes, name: str, content_type: str, folder: str = "verified") -> str:
        coded = base64.b64encode(content).decode()
        one = {"path": f"{folder}/{name}", "content_type": content_type, "base64": coded}
        self.sandbox.seed({"media": {"files": [one]}})
        return f"{self.sandbox.service('media')}/{folder}/{name}"


def code(answer: requests.Response) -> str:
    return answer.json()["error"]["code"]


def file(size: int, chunk: int | None = None, count: int = 1) -> dict[str, Any]:
    return {
        "source": "FILE_UPLOAD",
        "video_size": size,
        "chunk_size": size if chunk is None else chunk,
        "total_chunk_count": count,
    }


@cache
def image(kind: str, width: int = 720, height: int = 1080) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 90, 20)).save(out, kind)
    return out.getvalue()


@cache
def video(seconds: float = 1, fps: int = 24, width: int = 360, height: int = 640) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as made:
        stream = made.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "45"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = av.VideoFrame(width, height, "yuv420p")
        for plane in picture.planes:
            plane.update(b"\x80" * plane.buffer_size)
        for number in range(round(seconds * fps)):
            picture.pts = number
            made.mux(stream.encode(picture))
        made.mux(stream.encode())
    return out.getvalue()


@cache
def large_video(size: int) -> bytes:
    """A good video with a `free` box behind it, so that it has `size` bytes."""
    start = video()
    padding = size - len(start)
    return start + padding.to_bytes(4) + b"free" + b"\0" * (padding - 8)


@pytest.fixture
def tiktok(sandbox: RunningSandbox) -> Client:
    sandbox.seed(seed(sandbox))
    return Client(sandbox)
