"""Checks that ask others, and those of media and disk: by breaking what they look at and mending it again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sandbox.stack import free_port
from schedulo.delivery import breakers
from schedulo.delivery.incidents import Trouble, incident
from schedulo.errors.kinds import Actor
from schedulo.health.findings import Status
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts
from schedulo.media import MediaStore
from tests.schedulo.health.conftest import House, reds

GREEN, YELLOW, RED, UNKNOWN = Status.GREEN, Status.YELLOW, Status.RED, Status.UNKNOWN


@pytest.fixture
def ledger(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Ledger]:
    """Of one kind: these checks hardly ask it."""
    ledger = Ledger(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'ledger.db')}")
    yield ledger
    ledger.close()


@pytest.mark.parametrize("mode", ["status:503", "drop_before"])
def test_airtable_that_does_not_answer_is_red_and_its_schema_not_known(house: House, mode: str) -> None:
    house.sandbox.fault(service="airtable", mode=mode, times=-1)
    found = house.look()
    assert (found["airtable"].status, found["airtable_schema"].status) == (RED, UNKNOWN)
    house.sandbox.world.faults.clear()
    assert reds(house.look()) == []


def test_airtable_that_asks_to_slow_down_is_yellow(house: House) -> None:
    house.sandbox.fault(service="airtable", mode="rate_limit", times=-1)
    assert house.look()["airtable"].status is YELLOW


def test_a_base_that_is_taken_away_is_red_until_it_is_back(house: House) -> None:
    airtable = house.sandbox.world.services["airtable"]
    bases = vars(airtable)["bases"]
    taken = dict(bases)
    bases.clear()
    assert house.look()["airtable"].status is RED
    bases.update(taken)
    assert reds(house.look()) == []


def test_a_field_that_was_renamed_is_named(house: House) -> None:
    client = house.client()
    url = client.calls.api.base(client.base_id).urls.tables
    posts = next(table for table in client.calls.send("GET", url)["tables"] if table["name"] == "Posts")
    field = next(item for item in posts["fields"] if item["name"] == "Publish at")
    client.calls.send("PATCH", f"{url}/{posts['id']}/fields/{field['id']}", json={"name": "Go out at"})
    found = house.look()
    assert reds(found) == ["airtable_schema"]
    assert "field 'Publish at' is missing" in found["airtable_schema"].sentence
    client.calls.send("PATCH", f"{url}/{posts['id']}/fields/{field['id']}", json={"name": "Publish at"})
    assert reds(house.look()) == []


@pytest.mark.parametrize("mode", ["status:500", "drop_before"])
def test_a_platform_that_is_down_is_red_and_the_others_are_not(house: House, mode: str) -> None:
    house.sandbox.fault(service="x", mode=mode, times=-1)
    assert reds(house.look()) == ["platform:x"]
    house.sandbox.world.faults.clear()
    assert reds(house.look()) == []


def test_a_network_that_is_away_is_one_cause_and_told_once(house: House) -> None:
    house.check()
    with house.ledger.begin() as connection:
        now_ms = house.ledger.now_ms(connection)
        away = {"actor": Actor.OPERATOR, "about": "AirtableDown"}
        incident(connection, now_ms, Trouble.AIRTABLE_READ, "it cannot be reached", **away)
    for service in ("x", "instagram", "airtable"):
        house.sandbox.fault(service=service, mode="drop_before", times=-1)
    assert reds(house.check()) == ["airtable", "network", "platform:instagram", "platform:x"]
    assert house.open() == ["health:network"]
    with house.ledger.read() as connection:
        assert breakers.network_is_away(connection)
    house.sandbox.world.faults.clear()
    assert reds(house.check()) == []
    assert house.open() == []


def test_a_company_that_cannot_be_reached_is_not_our_network(house: House) -> None:
    with house.ledger.begin() as connection:
        connection.execute(sa.update(accounts).where(accounts.c.key == "x:1").values(active=False))
    house.account("facebook:3")
    for service in ("facebook", "instagram"):
        house.sandbox.fault(service=service, mode="drop_before", times=-1)
    found = house.check()
    assert found["network"].status is UNKNOWN
    assert house.open() == ["health:platform:facebook", "health:platform:instagram"]


def test_one_stumble_of_a_platform_is_nothing(house: House) -> None:
    house.sandbox.fault(service="x", mode="drop_before", times=1)
    assert reds(house.look()) == []


@pytest.mark.parametrize(
    ("skew_s", "status"), [(0, GREEN), (3.5, YELLOW), (-3.5, YELLOW), (8, RED), (-8, RED)]
)
def test_a_clock_that_is_wrong(house: House, skew_s: float, status: Status) -> None:
    house.sandbox.switch(date_skew_s=str(skew_s))
    found = house.look()["clock"]
    assert found.status is status
    assert found.value == pytest.approx(skew_s, abs=1.2)
    house.sandbox.switch(date_skew_s="0")
    assert house.look()["clock"].status is GREEN


@pytest.mark.parametrize(
    ("part", "said"),
    [("scheduler", "unhealthy"), ("triggerer", None), ("dag_processor", "unhealthy"), ("metadatabase", None)],
)
def test_a_part_of_airflow_without_a_sign_of_life_is_red(house: House, part: str, said: str | None) -> None:
    house.front.parts[part] = said
    assert reds(house.look()) == [f"airflow:{part}"]


def test_an_airflow_that_does_not_answer_is_one_finding(house: House) -> None:
    house.means = replace(house.means, airflow_url=f"http://127.0.0.1:{free_port()}")
    found = house.look()
    assert reds(found) == ["airflow"]
    assert found["airflow:triggerer"].status is UNKNOWN


# --- media and disk ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"), [(302, "redirects"), (200, "whole files"), (404, "HTTP 404"), (500, "HTTP 500")]
)
def test_media_that_platforms_could_not_fetch(house: House, status: int, said: str) -> None:
    house.front.media_status = status
    found = house.look()
    assert reds(found) == ["media_url"]
    assert said in found["media_url"].sentence
    assert house.front.url not in found["media_url"].sentence
    house.front.media_status = 206
    assert reds(house.look()) == []


def test_without_a_public_address_nothing_is_fetched(house: House) -> None:
    house.set(media_base_url="")
    assert house.look()["media_url"].status is GREEN
    house.set(media_base_url="https://example.com", media_key="short")
    assert "SCHEDULO_MEDIA_KEY" in house.look()["media_url"].sentence


def test_a_store_that_takes_no_file_is_red(house: House, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    house.set(media_dir=str(tmp_path / "file"))
    found = house.look()
    assert reds(found) == ["media_store"]
    assert found["media_url"].status is UNKNOWN


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 8 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a file system may not be mounted here")
    return place


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
def test_a_disk_that_is_filled_turns_yellow_then_red_then_green(house: House, small_disk: Path) -> None:
    try:
        house.set(media_dir=str(small_disk))
        house.front.store = MediaStore(small_disk)
        assert house.look()["disk"].status is GREEN
        for megabytes, status in ((6.5, YELLOW), (7.5, RED)):
            (small_disk / "much").write_bytes(b"x" * int(megabytes * 1_000_000))
            found = house.look()["disk"]
            assert found.status is status
            assert str(small_disk) in found.sentence
        (small_disk / "much").unlink()
        assert reds(house.look()) == []
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


def test_less_room_than_the_settings_ask_for(house: House) -> None:
    house.set(health_disk_low_mb=10**9)
    assert house.look()["disk"].status is YELLOW
    house.set(health_disk_low_mb=10**9, health_disk_full_mb=10**9)
    assert house.look()["disk"].status is RED
