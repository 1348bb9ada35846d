"""A store, and makers of files for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from schedulo.media import MediaStore
from tests.schedulo.media.corpus import film_bytes, picture_bytes


@pytest.fixture
def picture() -> Callable[..., bytes]:
    return picture_bytes


@pytest.fixture
def film() -> Callable[..., bytes]:
    return film_bytes


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")
