"""Files by their hash: whole or not at all, looked at once, read in slices."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from schedulo.flow import Slice
from schedulo.media import MediaError, MediaStore, MissingMedia
from schedulo.media import store as store_module
from schedulo.model import Media, MediaKind

Maker = Callable[..., bytes]


def files_in(store: MediaStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


def test_a_stored_file_is_known_by_its_hash(store: MediaStore, picture: Maker) -> None:
    content = picture()
    media = store.put(content, "cat.jpg")
    sha256 = hashlib.sha256(content).hexdigest()
    assert media == Media(
        sha256, MediaKind.IMAGE, "image/jpeg", len(content), width=64, height=48, filename="cat.jpg"
    )
    assert store.path(sha256) == store.root / sha256[:2] / sha256[2:4] / sha256
    assert store.path(sha256).read_bytes() == content


def test_bytes_a_path_and_a_stream_are_the_same_file(
    store: MediaStore, picture: Maker, tmp_path: Path
) -> None:
    content = picture("PNG")
    (tmp_path / "a.png").write_bytes(content)
    sources = (content, tmp_path / "a.png", iter([content[:100], content[100:]]))
    assert len({store.put(source).sha256 for source in sources}) == 1
    assert len(files_in(store)) == 2


def test_a_second_look_costs_nothing(store: MediaStore, film: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    content = film()
    first = store.put(content, "a.mp4")

    def looked_again(*_: Any) -> None:
        raise AssertionError("the file was opened a second time")

    monkeypatch.setattr(store_module, "probe", looked_again)
    again = MediaStore(store.root)
    assert again.put(content, "b.mp4").duration_ms == first.duration_ms == 1000
    assert again.find(first.sha256, "a.mp4") == first
    found = again.find(first.sha256)
    assert found is not None
    assert found.facts == first.facts
    assert found.facts is not None
    assert found.facts.video_codec == "h264"


def test_a_file_stored_when_less_was_looked_for_is_looked_at_again_once(
    store: MediaStore, film: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.put(film(sound=True), "a.mp4")
    beside = store.path(first.sha256).with_name(f"{first.sha256}.json")
    facts = json.loads(beside.read_text())
    del facts["probed"]["facts"]
    facts["probed"] |= {"fps": 25.0, "video_codec": "h264", "audio_codec": "aac"}
    beside.write_text(json.dumps(facts))
    found = store.find(first.sha256, "a.mp4")
    assert found is not None
    assert (found, found.facts) == (first, first.facts)
    monkeypatch.delattr(store_module, "probe")
    again = store.find(first.sha256)
    assert again is not None
    assert again.facts == first.facts


def test_a_file_that_would_be_refused_today_stays_what_it_was(store: MediaStore, picture: Maker) -> None:
    first = store.put(picture())
    beside = store.path(first.sha256).with_name(f"{first.sha256}.json")
    facts = json.loads(beside.read_text())
    del facts["probed"]["facts"]
    beside.write_text(json.dumps(facts))
    store.path(first.sha256).write_bytes(bytes(first.size_bytes))
    found = store.find(first.sha256)
    assert found == first
    assert found.facts is None


def test_what_is_no_media_leaves_nothing_behind(store: MediaStore) -> None:
    with pytest.raises(MediaError) as caught:
        store.put(b"%PDF-1.7 and more", "menu.pdf", "application/pdf")
    assert "menu.pdf, application/pdf" in str(caught.value)
    assert files_in(store) == []


def test_a_stream_that_breaks_leaves_nothing_behind(store: MediaStore, picture: Maker) -> None:
    def stream() -> Iterator[bytes]:
        yield picture()
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        store.put(stream())
    assert files_in(store) == []


def test_many_at_once_storing_one_file_leave_it_whole(store: MediaStore, picture: Maker) -> None:
    content = picture(size=(600, 400))
    threads = [threading.Thread(target=store.put, args=(content,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.has(hashlib.sha256(content).hexdigest())
    assert len(files_in(store)) == 2


def test_a_file_that_lost_its_end_is_no_longer_there_and_can_be_stored_anew(
    store: MediaStore, picture: Maker
) -> None:
    content = picture()
    sha256 = store.put(content).sha256
    store.path(sha256).write_bytes(content[:-1])
    assert not store.has(sha256)
    with pytest.raises(MissingMedia):
        store.open_slice(Slice(sha256, 0, 10))
    store.put(content)
    assert store.has(sha256)


def test_not_a_byte_is_read_of_a_file_that_lost_its_end_while_a_reader_waited(
    store: MediaStore, picture: Maker
) -> None:
    content = picture("BMP", (400, 300))
    reader = store.open_slice(Slice(store.put(content).sha256, 0, len(content)))
    reader.path.write_bytes(content[:-1])
    with pytest.raises(MissingMedia):
        next(iter(reader))


def test_unknown_hashes_are_missing_and_paths_are_no_hashes(store: MediaStore) -> None:
    assert not store.has("0" * 64)
    with pytest.raises(MissingMedia):
        store.open_slice(Slice("0" * 64, 0, 1))
    with pytest.raises(ValueError, match="sha256"):
        store.path("../../etc/passwd")


def test_a_slice_comes_in_small_chunks_and_may_be_read_twice(store: MediaStore, picture: Maker) -> None:
    content = picture("BMP", (400, 300))
    reader = store.open_slice(Slice(store.put(content).sha256, 1000, 200_000))
    for _ in range(2):
        chunks = list(reader)
        assert max(map(len, chunks)) <= 64 * 1024
        assert b"".join(chunks) == content[1000:201_000]


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, 10**9), (10**9, 1), (0, -1)])
def test_bytes_outside_of_the_file_are_refused(
    store: MediaStore, picture: Maker, offset: int, length: int
) -> None:
    sha256 = store.put(picture()).sha256
    with pytest.raises(ValueError, match="outside"):
        store.open_slice(Slice(sha256, offset, length))


async def test_aiohttp_sends_a_slice_as_a_body(store: MediaStore, picture: Maker) -> None:
    content = picture("BMP", (400, 300))
    part = Slice(store.put(content).sha256, 10, 300_000)
    received: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        received.append(await request.read())
        return web.Response(text=request.headers["Content-Length"])

    app = web.Application(client_max_size=10**7)
    app.router.add_put("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.put(
                f"http://127.0.0.1:{runner.addresses[0][1]}/",
                data=aiter(store.open_slice(part)),
                headers={"Content-Length": str(part.length)},
            ) as answer,
        ):
            assert await answer.text() == "300000"
    finally:
        await runner.cleanup()
    assert received == [content[10:300_010]]
