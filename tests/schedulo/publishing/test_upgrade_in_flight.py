"""A new release takes over what the one before left in the middle.

`releases/0005.json` is a ledger of the release with schema 0005: its rows when its process was ended. One
post was out, four were prepared and waited for their second, one had been sent and its answer lost, one was
planned. Ids that platforms gave stand as `{container}`, `{draft}` and `{media}`; the test has platforms give
them anew.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from alembic import command

from operators.publish import DeliveryFailed, DeliveryWaits, PublishOperator
from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger, LedgerError, _alembic
from schedulo.ledger.tables import steps
from schedulo.model import Content, Format
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.publishing.stage import Stage
from triggers.publish import PublishTrigger

RELEASE = Path(__file__).parent / "releases" / "0005.json"
WAITING = {"d2": "A picture", "d3": "A text", "d4": "With a picture", "d5": "Plain"}
IN_DOUBT = ("d6", "In doubt")
IG, PAGE = "17841400000000001", "100000000000001"
PREPARING = ("media", "feed", "upload_initialize", "upload_append", "upload_finalize")
"""The requests that a checkpoint saves."""


def seed(stage: Stage) -> None:
    stage.seed_x("1", "2", "3")
    instagram = {"account_id": IG, "username": "anna", "token": f"token-{IG}"}
    page = {"page_id": PAGE, "name": "Acme", "page_token": f"token-{PAGE}"}
    stage.sandbox.seed({"instagram": {"accounts": [instagram]}, "facebook": {"pages": [page]}})
    stage.sandbox.switch(ig_processing_polls="0")


def prepared_before(stage: Stage) -> dict[str, str]:
    """What the old release had prepared at the platforms: the ids that they gave."""
    image = Content(Format.IMAGE, WAITING["d2"], (stage.file(jpeg(540, 540)),))
    login = {"login": "instagram_login"}
    stage.plan(WAITING["d2"], IG, 60, "instagram", image, login)
    stage.plan(WAITING["d3"], PAGE, 60, "facebook")
    stage.plan(WAITING["d4"], "2", 60, content=Content(Format.IMAGE, WAITING["d4"], image.media))
    publisher = stage.publisher()
    for number, _ in enumerate(stage.tick("before")):
        publisher.work_on("before", number, f"ti-before-{number}")
    for id_ in ("d1", "d2", "d3"):
        stage.wait_for(id_, "armed")
    publisher.close()
    stage.publishers.clear()
    with stage.ledger.read() as connection:
        kept = {row.name: row.value for row in connection.execute(sa.select(steps.c.name, steps.c.value))}
    return {"container": kept["container"]["id"], "draft": kept["draft"], "media": kept["init-0"]["id"]}


def restore(ledger: Ledger, ids: dict[str, str]) -> None:
    """Make the old release's ledger: its schema, its rows, as if its posts were due in three seconds."""
    text = RELEASE.read_text()
    for name, id_ in ids.items():
        text = text.replace(f"{{{name}}}", id_)
    text = text.replace('"{since}"', str(time.time()))
    tables: dict[str, list[dict[str, Any]]] = json.loads(text)
    first_due = min(row["due_ms"] for row in tables["deliveries"] if row["id"] in WAITING)
    later_ms = int(time.time() * 1000) + 3000 - first_due
    with ledger.engine.begin() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        metadata = sa.MetaData()
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            for row in tables.get(table.name, []):
                moved = {
                    name: value + later_ms if name.endswith("_ms") and value is not None else value
                    for name, value in row.items()
                    if value is not None or not table.c[name].nullable
                }
                connection.execute(sa.insert(table).values(moved))


@pytest.fixture
def taken_over(
    ledger_url: str, migrated_sqlite: Path, tmp_path: Path, sandbox: RunningSandbox
) -> Iterator[Stage]:
    """The old release's ledger, and platforms that know what it had prepared and sent; not upgraded yet."""
    scratch = Ledger(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'scratch.db')}")
    before = Stage(scratch, sandbox)
    seed(before)
    ids = prepared_before(before)
    before.close()
    scratch.close()
    publish_in_doubt(sandbox)
    ledger = Ledger(ledger_url)
    restore(ledger, ids)
    after = Stage(ledger, sandbox)
    yield after
    after.close()
    ledger.close()


def publish_in_doubt(sandbox: RunningSandbox) -> None:
    """The request whose answer was lost: X did what it asked for."""
    made = requests.post(
        f"{sandbox.service('x')}/2/tweets",
        json={"text": IN_DOUBT[1]},
        headers={"Authorization": "Bearer token-1"},
        timeout=30,
    )
    assert made.status_code == 201


def preparing(sandbox: RunningSandbox) -> dict[str, int]:
    counts = {row["route"]: row["count"] for row in sandbox.requests() if row["method"] == "POST"}
    return {route: counts.get(route, 0) for route in PREPARING}


def test_what_the_release_before_left_in_the_middle_is_finished_once(
    taken_over: Stage, sandbox: RunningSandbox
) -> None:
    stage = taken_over
    before = preparing(sandbox)
    with pytest.raises(LedgerError, match="schedulo db upgrade"):
        stage.ledger.check()
    stage.ledger.migrate()
    stage.ledger.check()
    publisher = stage.publisher()
    # Airflow keeps triggers: a new triggerer starts them again, for the same places of the same run.
    for ending in [publisher.work_on("run-1", place, f"ti-1-{place}") for place in range(5)]:
        ending.result(60)
    for id_, text in (*WAITING.items(), IN_DOUBT):
        assert stage.row(id_).state == "published", stage.story(id_)
        assert len(stage.live(text)) == 1
    assert preparing(sandbox) == before, "checkpoints save what was prepared"
    assert stage.live("Out before") == [], "what was out is not sent again"
    assert stage.tick("run-2") == ["d7"], "what was planned is claimed by the next run"


@pytest.mark.parametrize("stored", [{}, {"run_id": "run-1", "map_index": 3, "ti_id": "ti-1-3"}])
def test_the_arguments_of_a_trigger_that_waits_are_understood(stored: dict[str, Any]) -> None:
    assert PublishTrigger(**stored).serialize() == ("triggers.publish.PublishTrigger", stored)


@pytest.mark.parametrize(("end", "raised"), [("retry", DeliveryWaits), ("failed", DeliveryFailed)])
def test_what_a_trigger_of_the_release_before_found_is_understood(end: str, raised: type[Exception]) -> None:
    """Workers have the new release at once, a triggerer that is stopped later still has the old one."""
    found = {"delivery_id": "d1", "label": "x @user1: Hello", "kind": "platform_down"}
    event = {"end": end, "sentence": "X is down", "wait_s": 30.0, "story": ["failed: X is down"], **found}
    with pytest.raises(raised, match="X is down"):
        PublishOperator(task_id="publish").resume({}, event)  # type: ignore[arg-type]
