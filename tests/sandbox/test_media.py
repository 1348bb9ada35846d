"""The media host, and fetching by URL."""

from __future__ import annotations

import base64

import pytest
import requests

from sandbox.core import World
from sandbox.media import Cause, FetchError, fetch
from sandbox.running import RunningSandbox

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def url(sandbox: RunningSandbox) -> str:
    content = base64.b64encode(CONTENT).decode()
    row = {"path": "a/file.bin", "content_type": "application/x-test", "base64": content}
    sandbox.seed({"media": {"files": [row]}})
    return f"{sandbox.service('media')}/a/file.bin"


def get(url: str, asked: str | None = None) -> requests.Response:
    return requests.get(url, headers={"Range": asked} if asked else {}, timeout=5)


def test_a_file_is_served_with_its_type(url: str):
    answer = get(url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "application/x-test"
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_a_head_tells_the_size_without_the_bytes(url: str):
    answer = requests.head(url, timeout=5)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=1000-", 1000, 1023), ("bytes=-5", 1019, 1023)],
)
def test_a_range_is_served(url: str, asked: str, first: int, last: int):
    answer = get(url, asked)
    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/1024"


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=-0", "bytes=5-4", "bytes=-", "lines=1-2"])
def test_a_range_outside_the_file_is_refused(url: str, asked: str):
    answer = get(url, asked)
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */1024")


def test_a_host_may_ignore_ranges(sandbox: RunningSandbox, url: str):
    sandbox.switch(media_ranges="ignored")
    assert get(url, "bytes=0-9").status_code == 200


def test_an_unknown_file_is_not_found(url: str):
    assert get(url + "x").status_code == 404


async def test_a_file_is_fetched_in_parts(sandbox: RunningSandbox, url: str):
    fetched = await fetch(World(), url, part_bytes=300)
    assert (fetched.content, fetched.content_type, fetched.ranged) == (CONTENT, "application/x-test", True)
    (row,) = [row for row in sandbox.requests() if row["service"] == "media"]
    assert row["count"] == 4


async def test_a_file_comes_whole_from_a_host_that_ignores_ranges(sandbox: RunningSandbox, url: str):
    sandbox.switch(media_ranges="ignored")
    fetched = await fetch(World(), url, part_bytes=300)
    assert (fetched.content, fetched.ranged) == (CONTENT, False)


async def cause(url: str, **limits: float) -> FetchError:
    with pytest.raises(FetchError) as refused:
        await fetch(World(), url, **limits)
    return refused.value


async def test_a_missing_file_is_told_with_its_status(url: str):
    error = await cause(url + "x")
    assert (error.cause, error.status) == (Cause.STATUS, 404)


@pytest.mark.parametrize(
    "bad", ["file.bin", "ftp://127.0.0.1/x", "http://127.0.0.1/ä", "http://", "http://["]
)
async def test_what_is_no_url_is_told_so(bad: str):
    assert (await cause(bad)).cause is Cause.BAD_URL


async def test_a_host_without_a_server_is_unreachable():
    assert (await cause("http://127.0.0.1:9/x")).cause is Cause.UNREACHABLE


async def test_a_slow_host_times_out(sandbox: RunningSandbox, url: str):
    sandbox.fault(service="media", mode="delay:2")
    assert (await cause(url, timeout_s=0.1)).cause is Cause.TIMEOUT


@pytest.mark.parametrize("side", ["honoured", "ignored"])
async def test_a_file_that_is_too_large_is_left(sandbox: RunningSandbox, url: str, side: str):
    sandbox.switch(media_ranges=side)
    assert (await cause(url, max_bytes=1023)).cause is Cause.TOO_LARGE


async def test_a_host_that_hangs_up_is_unreachable(sandbox: RunningSandbox, url: str):
    sandbox.fault(service="media", mode="drop_before", times=-1)
    assert (await cause(url)).cause is Cause.UNREACHABLE
