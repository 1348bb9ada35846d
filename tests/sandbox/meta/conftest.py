"""A seeded sandbox with an account of each login, two Pages, and media that really is what it says."""

from __future__ import annotations

import base64
import functools
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest
import requests
from PIL import Image

from sandbox.core import sha256
from sandbox.running import RunningSandbox

V = "v25.0"
IG = "17841400000000001"
IG_FB = "17841400000000002"
IG_TOKEN = "IGAA-creator"
PAGE = "100000000000001"
OTHER_PAGE = "100000000000002"
PAGE_TOKEN = "EAA-page"
OTHER_PAGE_TOKEN = "EAA-other-page"
USER_TOKEN = "EAA-user"
APP_ID = "424242"
APP_SECRET = "app-secret"


@functools.cache
def jpeg(width: int = 1080, height: int = 1080, kind: str = "JPEG", shade: int = 90) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 120, 40)).save(out, kind)
    return out.getvalue()


@functools.cache
def mp4(
    seconds: float = 3, width: int = 540, height: int = 960, fps: int = 30, *, moov_first: bool = True
) -> bytes:
    options = {"movflags": "+faststart"} if moov_first else {}
    with (
        tempfile.NamedTemporaryFile(suffix=".mp4") as out,
        av.open(out.name, "w", options=options) as file,
    ):
        stream = file.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "45"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = av.VideoFrame(width, height, "yuv420p")
        for plane in picture.planes:
            plane.update(b"\x80" * plane.buffer_size)
        for number in range(round(seconds * fps)):
            picture.pts = number
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
        file.close()
        return Path(out.name).read_bytes()


@dataclass
class Meta:
    """The sandbox as a Meta client sees it."""

    sandbox: RunningSandbox
    http: requests.Session = field(default_factory=requests.Session)

    def call(
        self, method: str, service: str, path: str, token: str | None = None, **params: Any
    ) -> requests.Response:
        """One request with form (POST) or query parameters, the token as a parameter."""
        if token is not None:
            params["access_token"] = token
        sent = {"data": params} if method == "POST" else {"params": params}
        return self.http.request(method, f"{self.sandbox.service(service)}/{path}", timeout=20, **sent)

    def file(self, name: str, content: bytes, content_type: str = "image/jpeg") -> str:
        """Put a file on the media host; its URL."""
        row = {"path": name, "content_type": content_type, "base64": base64.b64encode(content).decode()}
        self.sandbox.seed({"media": {"files": [row]}})
        return f"{self.sandbox.service('media')}/{name}"

    # Instagram, with Instagram Login.

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.call("GET", "instagram", f"{V}/{path}", IG_TOKEN, **params)

    def post(self, path: str, **params: Any) -> requests.Response:
        return self.call("POST", "instagram", f"{V}/{path}", IG_TOKEN, **params)

    def create(self, **params: Any) -> requests.Response:
        if not params.keys() & {"image_url", "video_url", "children"}:
            params["image_url"] = self.file("square.jpg", jpeg())
        return self.post(f"{IG}/media", **params)

    def container(self, **params: Any) -> str:
        answer = self.create(**params)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def state(self, container: str) -> dict[str, Any]:
        return self.get(container, fields="status_code,status").json()

    def settled(self, container: str) -> dict[str, Any]:
        """The container's state once it is no longer in progress."""
        for _ in range(2_000):
            if (state := self.state(container))["status_code"] != "IN_PROGRESS":
                return state
        raise AssertionError("the container stays in progress")

    def finished(self, **params: Any) -> str:
        container = self.container(**params)
        assert self.settled(container)["status_code"] == "FINISHED"
        return container

    def publish(self, container: str) -> requests.Response:
        return self.post(f"{IG}/media_publish", creation_id=container)

    def published(self, **params: Any) -> str:
        answer = self.publish(self.finished(**params))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    # Facebook.

    def fb_get(self, path: str, token: str = PAGE_TOKEN, **params: Any) -> requests.Response:
        return self.call("GET", "facebook", f"{V}/{path}", token, **params)

    def fb_post(self, path: str, token: str = PAGE_TOKEN, **params: Any) -> requests.Response:
        return self.call("POST", "facebook", f"{V}/{path}", token, **params)

    def fb_upload(self, path: str, name: str, content: bytes, **params: Any) -> requests.Response:
        params["access_token"] = PAGE_TOKEN
        url = f"{self.sandbox.service('facebook')}/{V}/{path}"
        return self.http.post(url, data=params, files={name: (name, content)}, timeout=20)

    def rupload(self, url: str, content: bytes, offset: int = 0, **headers: str) -> requests.Response:
        headers = {"Authorization": f"OAuth {PAGE_TOKEN}", "offset": str(offset)} | headers
        headers.setdefault("file_size", str(offset + len(content)))
        return self.http.post(url, data=content, headers=headers, timeout=20)


def error(answer: requests.Response) -> tuple[int, int, int | None]:
    """HTTP status, code, subcode of a refusal."""
    told = answer.json()["error"]
    return answer.status_code, told["code"], told.get("error_subcode")


def digest(content: bytes) -> str:
    return sha256(content)


@pytest.fixture
def meta(sandbox: RunningSandbox) -> Iterator[Meta]:
    sandbox.seed(
        {
            "instagram": {
                "accounts": [
                    {"account_id": IG, "username": "creator", "name": "Creator", "token": IG_TOKEN},
                    {"account_id": IG_FB, "username": "shop", "name": "Shop", "flavour": "facebook_login"},
                ]
            },
            "facebook": {
                "apps": [{"app_id": APP_ID, "app_secret": APP_SECRET}],
                "pages": [
                    {
                        "page_id": PAGE,
                        "name": "A Page",
                        "page_token": PAGE_TOKEN,
                        "user_token": USER_TOKEN,
                        "instagram_account_id": IG_FB,
                    },
                    {"page_id": OTHER_PAGE, "name": "Another Page", "page_token": OTHER_PAGE_TOKEN},
                ],
            },
        }
    )
    client = Meta(sandbox)
    yield client
    client.http.close()
