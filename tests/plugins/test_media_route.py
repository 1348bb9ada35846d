"""The media route over a real socket: parts, permissions, and what it never says."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import uvicorn
from fastapi import FastAPI
from PIL import Image

from sandbox.core import World
from sandbox.media import fetch
from schedulo.media import MediaLinks, MediaStore
from schedulo.model import Media
from web import media as route

ROOT = Path(__file__).resolve().parents[2]
KEY = "a key of the tests"


def bmp_bytes(size: tuple[int, int] = (300, 200)) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).save(out, "BMP")
    return out.getvalue()


CONTENT = bmp_bytes()


class Served:
    """A store behind the route, mounted as Airflow mounts it."""

    def __init__(self, root: Path, port: int) -> None:
        self.store = MediaStore(root)
        self.links = MediaLinks(f"http://127.0.0.1:{port}/schedulo/media", KEY)
        self.media: Media = self.store.put(CONTENT)
        url = self.links.url(self.media)
        assert url is not None
        self.url = url

    def ask(self, method: str = "GET", url: str = "", **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, url or self.url, headers=named, allow_redirects=False, timeout=10)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    served = Served(tmp_path_factory.mktemp("media"), listener.getsockname()[1])
    host = FastAPI()
    host.mount("/schedulo/media", route.build(served.store, served.links))
    server = uvicorn.Server(uvicorn.Config(host, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield served
    server.should_exit = True
    thread.join(10)


def test_the_whole_file_comes_with_what_it_is(served: Served) -> None:
    answer = served.ask()
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "image/bmp"
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == f'"{served.media.sha256}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-299", 100, 299),
        ("bytes=1000-", 1000, len(CONTENT) - 1),
        ("bytes=-10", len(CONTENT) - 10, len(CONTENT) - 1),
        (f"bytes=-{10**9}", 0, len(CONTENT) - 1),
        (f"bytes=5-{10**17}", 5, len(CONTENT) - 1),
    ],
)
def test_one_range_is_one_part(served: Served, asked: str, first: int, last: int) -> None:
    answer = served.ask(Range=asked)
    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert answer.headers["Content-Length"] == str(last - first + 1)


async def test_a_platform_that_reads_in_parts_gets_the_same_file(served: Served) -> None:
    fetched = await fetch(World(), served.url, part_bytes=10_000)
    assert (fetched.content, fetched.content_type, fetched.ranged) == (CONTENT, "image/bmp", True)


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", f"bytes={10**9}-{10**9 + 1}", "bytes=-0"])
def test_a_range_outside_of_the_file_is_refused_with_its_size(served: Served, asked: str) -> None:
    answer = served.ask(Range=asked)
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=" + "9" * 5000 + "-", "nonsense"]
)
def test_what_is_not_one_range_of_bytes_gets_the_whole_file(served: Served, asked: str) -> None:
    assert served.ask(Range=asked).status_code == 200


def test_a_part_of_another_version_is_never_given(served: Served) -> None:
    assert served.ask(Range="bytes=0-9", If_Range='"another"').status_code == 200
    assert served.ask(Range="bytes=0-9", If_Range=f'"{served.media.sha256}"').status_code == 206


@pytest.mark.parametrize(("asked", "status", "length"), [("", 200, len(CONTENT)), ("bytes=0-99", 206, 100)])
def test_head_says_the_same_without_the_bytes(served: Served, asked: str, status: int, length: int) -> None:
    answer = served.ask("HEAD", **({"Range": asked} if asked else {}))
    assert (answer.status_code, answer.content) == (status, b"")
    assert answer.headers["Content-Length"] == str(length)
    assert answer.headers["Content-Type"] == "image/bmp"


def test_forged_missing_and_misnamed_addresses_get_one_and_the_same_answer(served: Served) -> None:
    base, signature, name = served.url.rsplit("/", 2)
    absent = served.links.url(Media("0" * 64, served.media.kind, "image/bmp", 1))
    answers = [
        served.ask(url=url)
        for url in (f"{base}/{'0' * 64}/{name}", absent, f"{base}/{signature}/{served.media.sha256}.html")
        if url
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(404, b"")] * 3


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/{signature}", "/{signature}/", "/{signature}/{name}/"]
)
def test_there_is_no_listing_no_page_and_no_redirect(served: Served, path: str) -> None:
    base, signature, name = served.url.rsplit("/", 2)
    answer = served.ask(url=base + path.format(signature=signature, name=name))
    assert answer.status_code == 404
    assert signature not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed_through_it(served: Served, method: str) -> None:
    assert served.ask(method).status_code == 405


def test_a_file_that_lost_its_end_is_not_served(served: Served) -> None:
    media = served.store.put(bmp_bytes((31, 17)))
    path = served.store.path(media.sha256)
    path.write_bytes(path.read_bytes()[:-1])
    url = served.links.url(media)
    assert url is not None
    assert served.ask(url=url).status_code == 404


def test_the_route_imports_no_airflow() -> None:
    code = "import sys, web.media; sys.exit(any(name.split('.')[0] == 'airflow' for name in sys.modules))"
    path = os.pathsep.join(str(ROOT / folder) for folder in ("include", "plugins"))
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False).returncode == 0


def test_uvicorn_alone_serves_what_the_settings_say(tmp_path: Path) -> None:
    media = MediaStore(tmp_path).put(CONTENT)
    path = os.pathsep.join(str(ROOT / folder) for folder in ("include", "plugins"))
    settings = {
        "SCHEDULO_MEDIA_DIR": str(tmp_path),
        "SCHEDULO_MEDIA_BASE_URL": "https://media.example/m",
        "SCHEDULO_MEDIA_KEY": KEY,
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "web.media:app", "--port", "0"]
    with subprocess.Popen(
        command, env={"PYTHONPATH": path, **settings}, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            found = (re.search(r"running on (http://[\d.:]+)", line) for line in server.stderr)
            address = next(match.group(1) for match in found if match)
            url = MediaLinks(f"{address}/", KEY).url(media)
            assert url is not None
            assert requests.get(url, timeout=10).content == CONTENT
        finally:
            server.terminate()
