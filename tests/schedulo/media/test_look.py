"""Files are looked into in a process of its own: the same answers, and no crash but its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from schedulo.media import MediaError, MediaStore, look_apart, probe
from schedulo.media import look as look_module
from schedulo.media.apart import Limits

Maker = Callable[..., bytes]


def test_what_is_found_apart_is_what_is_found_here(picture: Maker, film: Maker, tmp_path: Path) -> None:
    for name, content in (("a.heic", picture("HEIF")), ("a.mp4", film(sound=True))):
        (tmp_path / name).write_bytes(content)
        assert look_apart(tmp_path / name) == probe(tmp_path / name)


def test_what_is_refused_apart_is_refused_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "upload.bin"
    path.write_bytes(b"%PDF-1.7")
    problems = []
    for look in (look_apart, probe):
        with pytest.raises(MediaError) as caught:
            look(path, "menu.jpg, image/jpeg")
        problems.append(caught.value.problem)
    assert problems[0] == problems[1]


def test_a_name_may_be_as_odd_and_as_long_as_somebody_made_it(tmp_path: Path) -> None:
    path = tmp_path / "upload.bin"
    path.write_bytes(b"%PDF-1.7")
    with pytest.raises(MediaError, match=r"^Media \(a") as caught:
        look_apart(path, "a\0\ud800" + "b" * 200_000)
    assert len(str(caught.value)) < 2000


def test_a_file_that_crashes_its_reader_is_refused(
    picture: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "upload.bin"
    path.write_bytes(picture())
    monkeypatch.setattr(look_module, "PROGRAM", "import os; os.abort()")
    with pytest.raises(MediaError, match="crash"):
        look_apart(path, "a.jpg")


def test_a_file_that_keeps_its_reader_busy_is_refused(
    picture: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "upload.bin"
    path.write_bytes(picture())
    monkeypatch.setattr(look_module, "PROGRAM", "while True: pass")
    with pytest.raises(MediaError, match="took over"):
        look_apart(path, "a.jpg", Limits(0.3, 2048, 1))


def test_a_reader_that_does_not_start_is_no_fault_of_the_file(
    picture: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "upload.bin"
    path.write_bytes(picture())
    monkeypatch.setattr(look_module, "PROGRAM", "import nothing_of_the_kind")
    assert look_apart(path, "a.jpg") == probe(path)


def test_a_store_looks_into_files_as_it_is_told(picture: Maker, tmp_path: Path) -> None:
    store = MediaStore(tmp_path / "media", look_apart)
    media = store.put(picture("PNG"), "a.png")
    assert media.facts == probe(store.path(media.sha256)).facts
    with pytest.raises(MediaError, match=r"menu\.pdf"):
        store.put(b"%PDF-1.7", "menu.pdf")
