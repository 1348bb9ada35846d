"""A seeded X, a small client for it, and real media."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import av
import pytest
import requests
from PIL import Image

from sandbox.running import RunningSandbox

SEED = {
    "x": {
        "apps": [
            {
                "client_id": "app",
                "client_secret": "app-secret",
                "bearer_token": "app-only",
                "consumer_key": "ck",
                "consumer_secret": "cs",
            },
            {"client_id": "public-app"},
        ],
        "accounts": [
            {
                "account_id": "11",
                "username": "ann",
                "token": "ann-token",
                "refresh_token": "ann-refresh",
                "oauth1": {"token": "ann-1", "token_secret": "ann-1-secret"},
            },
            {"account_id": "22", "username": "bob", "token": "bob-token", "premium": True},
            {"account_id": "33", "username": "cy", "token": "cy-token", "limits": "off"},
            {"account_id": "44", "username": "dee", "token": "dee-token", "scopes": "tweet.read users.read"},
        ],
    }
}


@dataclass
class Client:
    """Requests to the stand-in; `token` speaks for an account."""

    sandbox: RunningSandbox
    token: str = "ann-token"
    session: requests.Session = field(default_factory=requests.Session)

    def as_(self, token: str) -> Client:
        return Client(self.sandbox, token, self.session)

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return self.session.request(
            method, self.sandbox.service("x") + path, headers=headers, timeout=30, **more
        )

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.send("GET", path, params=query)

    def post(self, **body: Any) -> requests.Response:
        return self.send("POST", "/2/tweets", json=body)

    def post_id(self, **body: Any) -> str:
        answer = self.post(**body)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]

    def initialize(self, content: bytes, media_type: str, category: str) -> requests.Response:
        body = {"media_type": media_type, "total_bytes": len(content), "media_category": category}
        return self.send("POST", "/2/media/upload/initialize", json=body)

    def append(self, media_id: str, index: int, content: bytes) -> requests.Response:
        parts = {"segment_index": (None, str(index)), "media": ("blob", content)}
        return self.send("POST", f"/2/media/upload/{media_id}/append", files=parts)

    def finalize(self, media_id: str) -> requests.Response:
        return self.send("POST", f"/2/media/upload/{media_id}/finalize")

    def status(self, media_id: str) -> dict[str, Any]:
        return self.get("/2/media/upload", command="STATUS", media_id=media_id).json()["data"]

    def upload(self, content: bytes, media_type: str, category: str, ready: bool = True) -> str:
        media_id = self.initialize(content, media_type, category).json()["data"]["id"]
        assert self.append(media_id, 0, content).status_code == 200
        answer = self.finalize(media_id)
        assert answer.status_code == 200, answer.text
        while (
            ready
            and self.status(media_id).get("processing_info", {}).get("state", "succeeded") != "succeeded"
        ):
            pass
        return media_id

    def photo(self, shade: int = 0) -> str:
        return self.upload(image("PNG", shade), "image/png", "tweet_image")


@cache
def image(kind: str, shade: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (shade, 90, 200)).save(file, kind)
    return file.getvalue()


def moving_gif() -> bytes:
    file = io.BytesIO()
    first, *others = (Image.new("RGB", (64, 48), (shade, 90, 200)) for shade in (0, 100, 200))
    first.save(file, "GIF", save_all=True, append_images=others, duration=100)
    return file.getvalue()


@cache
def video(
    seconds: float, fps: int = 24, width: int = 64, height: int = 64, pixels: str = "yuv420p", **options: str
) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "45", **options})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        picture = av.VideoFrame(width, height, pixels)
        for plane in picture.planes:
            plane.update(b"\x80" * plane.buffer_size)
        for number in range(round(seconds * fps)):
            picture.pts = number
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return file.getvalue()


@pytest.fixture
def x(sandbox: RunningSandbox) -> Client:
    sandbox.seed(SEED)
    return Client(sandbox)
