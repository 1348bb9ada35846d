"""Where reports are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schedulo.analytics.shelf import KEPT, Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "reports")


def test_a_report_is_found_again_and_replaced_by_one_of_its_name(shelf: Shelf) -> None:
    assert shelf.names() == []
    shelf.keep("week-2026-w48.html", "one")
    path = shelf.keep("week-2026-w48.html", "two")
    assert shelf.find("week-2026-w48.html") == path
    assert path.read_text() == "two"
    assert [entry.name for entry in shelf.folder.iterdir()] == ["week-2026-w48.html"]


def test_the_oldest_go_and_what_is_no_report_stays(shelf: Shelf) -> None:
    for number in range(KEPT):
        path = shelf.keep(f"r-{number}.html", "old")
        os.utime(path, (1000 + number, 1000 + number))
    shelf.keep("errors-2026-11-25.html", "of another kind")
    os.utime(shelf.folder / "errors-2026-11-25.html", (1, 1))
    (shelf.folder / "Notes.txt").write_text("a person's")
    shelf.keep("r-new.html", "new")
    assert len(shelf.names()) == KEPT + 1
    assert shelf.names()[0] == "r-new.html"
    assert shelf.find("r-0.html") is None
    assert shelf.find("errors-2026-11-25.html")
    assert (shelf.folder / "Notes.txt").exists()


@pytest.mark.parametrize(
    "name", ["../ledger.db", "..", ".r.html", "a/b.html", "A.html", "a.html\n", "", "a.htm"]
)
def test_a_name_leads_nowhere_else(shelf: Shelf, name: str) -> None:
    shelf.keep("a.html", "x")
    assert shelf.find(name) is None
    with pytest.raises(ValueError, match="no name of a report"):
        shelf.keep(name, "x")


def test_a_link_to_another_file_is_no_report(shelf: Shelf, tmp_path: Path) -> None:
    shelf.keep("a.html", "x")
    secret = tmp_path / "secret"
    secret.write_text("s")
    (shelf.folder / "b.html").symlink_to(secret)
    assert shelf.find("b.html") is None
