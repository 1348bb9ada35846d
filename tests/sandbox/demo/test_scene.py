"""What the demo plans is fit for its platforms, but for the one post that is wrong on purpose."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo import scene
from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import account_row, post_row
from schedulo.media import MediaStore
from schedulo.model import Media
from schedulo.planning.content import fit
from schedulo.planning.files import File, Files
from schedulo.platforms import CONVERSATIONS

FIRST_DUE = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Media]:
    folder: Path = tmp_path_factory.mktemp("media")
    store = MediaStore(folder)
    return {name: store.put([content], name) for name, content in scene.files().items()}


def problems(post: scene.Post, media: dict[str, Media]) -> list[str]:
    ids = {account: f"rec{account.account_id}" for account in scene.ACCOUNTS}
    cells: dict[str, Any] = post.row(FIRST_DUE, "http://127.0.0.1/media", ids)
    for field in ("Media", "Cover"):
        cells[field] = [
            {"id": item["filename"], "url": "http://127.0.0.1", "filename": item["filename"], "size": 1}
            for item in cells[field]
        ]
    row = post_row({"id": "rec1", "fields": cells}, Mapping())
    found = [problem.sentence() for problem in row.problems]
    for one in post.accounts:
        account = account_row({"id": "recA", "fields": one.cells}, Mapping()).account()
        assert account is not None
        refs = [*row.attachments, *([row.cover] if row.cover else [])]
        files = Files({ref.id: File(ref, media[ref.filename]) for ref in refs})
        fitted = fit(row, files, account, CONVERSATIONS[account.platform], public_media=True)
        found += [problem.sentence() for problem in fitted.problems if not problem.warning]
    return found


@pytest.mark.parametrize("post", scene.POSTS, ids=lambda post: post.title)
def test_a_post_has_a_problem_only_if_it_is_the_wrong_one(post: scene.Post, media: dict[str, Media]) -> None:
    assert bool(problems(post, media)) == post.wrong


def test_all_platforms_two_zones_and_a_few_seconds_are_shown() -> None:
    planned = scene.planned(FIRST_DUE)
    assert {one.account.platform for one in planned} == set(scene.PLATFORMS)
    assert len({one.account.zone for one in planned}) == 2
    assert len({one.due for one in planned}) > 3


def test_what_arrives_can_be_told_apart_by_account_and_text() -> None:
    marks = [(one.account, one.post.text) for one in scene.planned(FIRST_DUE)]
    assert len(set(marks)) == len(marks)


def test_the_media_are_small() -> None:
    assert sum(map(len, scene.files().values())) < 600_000
