"""What a round of upkeep removes, and all that it must not."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import restored
from schedulo.delivery.claims import claims_of
from schedulo.delivery.incidents import Trouble
from schedulo.delivery.rows import kept_steps
from schedulo.delivery.troubles import note
from schedulo.flow import Job
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.heard import platform_events
from schedulo.ledger.maintenance import window_posts
from schedulo.ledger.outages import stumbles
from schedulo.ledger.tables import (
    amendments,
    attachments,
    claims,
    deliveries,
    events,
    holders,
    incident_cases,
    incidents,
    instances,
    metadata,
    notices,
    outcomes,
    renditions,
    steps,
    writes,
)
from schedulo.ledger.troubles import troubles
from schedulo.ledger.view_texts import VIEWS
from schedulo.media import MediaStore
from schedulo.media.leaving import stored, take_away
from schedulo.model import Account, Content, Format, Media, Platform, State, WriteState
from schedulo.platforms import AFTER
from schedulo.platforms.after import READS_STEPS, Out
from schedulo.settings import Settings, SettingsError
from schedulo.upkeep.ledger_rows import DAY_MS
from schedulo.upkeep.over import STATES
from schedulo.upkeep.rounds import Removed, make_round, round_is_late
from tests.schedulo.analytics.figures import Figures
from tests.schedulo.delivery.conftest import Books
from tests.schedulo.media.corpus import picture_bytes

SETTINGS = Settings(history_days=400, media_days=180, readings_days=400)
YEARS_S = 2 * 365 * 86400.0


class House(Books):
    """A ledger in which ticks run, and a store. `books.now_ms` is long ago; rounds are made now."""

    store: MediaStore

    def round(self, dry: bool = False, **chosen: int) -> Removed:
        return make_round(self.ledger, self.store, AFTER, Settings(**chosen) if chosen else SETTINGS, dry=dry)

    def counts(self, *tables: sa.Table) -> list[int]:
        return [self.run(sa.select(sa.func.count()).select_from(table))[0][0] for table in tables]

    def worked(self, state: State, **values: Any) -> str:
        """A delivery in `state`, with everything that may have been written about it."""
        id_ = self.add(state, **values)
        number = id_[1:]
        self.run(sa.insert(events).values(delivery_id=id_, at_ms=self.now_ms, sentence="published"))
        for name in ("container", "find-2"):
            row = {"delivery_id": id_, "name": name, "value": "7", "kept_ms": self.now_ms}
            self.run(sa.insert(steps).values(**row))
        claim = {"run_id": f"run{number}", "map_index": 0, "delivery_id": id_}
        self.run(sa.insert(claims).values(**claim, claimed_ms=self.now_ms))
        self.run(sa.insert(instances).values(**claim, ti_id=f"ti{number}", started_ms=self.now_ms))
        fate = {"delivery_id": id_, "window_id": "w", "fate": "move", "at_ms": self.now_ms}
        instants = dict.fromkeys(("until_ms", "due_ms", "fire_ms", "not_after_ms"), self.now_ms)
        self.run(sa.insert(window_posts).values(**fate, **instants))
        self.wrote(id_, WriteState.ACCEPTED)
        return id_

    def wrote(self, id_: str, state: WriteState, snapshot: Any = None) -> None:
        write_id = f"w{next(self.numbers)}"
        row = {"id": write_id, "delivery_id": id_, "name": write_id, "state": state, "fence": 1}
        row |= {"holder": "h", "request": {}, "snapshot": snapshot or {}, "live": True}
        row |= {"opened_ms": self.now_ms - 1, "sending_until_ms": self.now_ms}
        self.run(sa.insert(writes).values(**row))
        self.run(sa.insert(outcomes).values(write_id=write_id, at_ms=self.now_ms, state="accepted"))

    def kept(self, id_: str) -> set[str]:
        """Which tables still know what led to a delivery."""
        tables = (events, steps, claims, instances, window_posts)
        query = [(table.name, sa.select(table).where(table.c.delivery_id == id_)) for table in tables]
        return {name for name, select in query if self.run(select)}

    def put(self, picture: Callable[..., bytes], **look: Any) -> Media:
        """A file that was put long ago."""
        media = self.store.put(picture(**look), "a.jpg")
        self.age(media.sha256)
        return media

    def age(self, sha256: str, days: float = 700) -> None:
        then = time.time() - days * 86400
        os.utime(self.store.path(sha256), (then, then))

    def fetched(self, media: Media, id_: str = "") -> None:
        row = {"id": id_ or f"att{media.sha256[:6]}", "sha256": media.sha256, "fetched_ms": self.now_ms}
        self.run(sa.insert(attachments).values(**row))

    def showing(self, media: Media, state: State, account: str = "instagram:1", **values: Any) -> str:
        content = Content(Format.IMAGES, "hello", media=(media,)).to_json()
        return self.worked(state, account=account, content=content, **values)


ALL = frozenset({"events", "steps", "claims", "instances", "maintenance_posts"})


@pytest.fixture
def house(ledger: Ledger, tmp_path: Path) -> House:
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        marks.mark(connection, now_ms, restored.TICK, "run")
    made = House(ledger, now_ms - int(YEARS_S * 1000))
    made.store = MediaStore(tmp_path / "media")
    return made


# --- rows -----------------------------------------------------------------------------------------------


def test_what_led_to_a_post_that_is_long_out_goes_and_the_post_stays(house: House) -> None:
    id_ = house.worked(State.PUBLISHED)
    before = house.row(id_)
    removed = house.round()
    assert house.kept(id_) == {"steps"}
    assert house.row(id_) == before
    assert house.counts(writes, outcomes) == [1, 1]
    assert {name: removed.rows[name] for name in sorted(ALL)} == {
        "maintenance_posts": 1,
        "events": 1,
        "steps": 1,
        "claims": 1,
        "instances": 1,
    }


@pytest.mark.parametrize("state", sorted(set(State) - set(STATES)))
def test_nothing_goes_of_what_may_still_be_asked_for_looked_up_or_sent(house: House, state: State) -> None:
    id_ = house.worked(state)
    house.round()
    assert house.kept(id_) == ALL


@pytest.mark.parametrize(
    "so",
    [
        {"error_kind": "first_comment"},
        {"updated_ms": 2_500_000_000_000},
        {"due_ms": 2_500_000_000_000},
    ],
    ids=["a part of it is missing", "it was changed lately", "it was due lately"],
)
def test_nothing_goes_of_what_is_out_and_not_whole_or_not_for_long(house: House, so: dict[str, Any]) -> None:
    id_ = house.worked(State.PUBLISHED, **so)
    house.round()
    assert house.kept(id_) == ALL


@pytest.mark.parametrize("state", [WriteState.OPEN, WriteState.UNKNOWN])
def test_nothing_goes_of_what_has_a_write_of_which_nobody_knows(house: House, state: WriteState) -> None:
    id_ = house.worked(State.PUBLISHED)
    house.wrote(id_, state)
    house.round()
    assert house.kept(id_) == ALL


def test_nothing_goes_of_a_post_that_somebody_asked_to_take_down(house: House) -> None:
    id_ = house.worked(State.PUBLISHED)
    row = {"id": "a", "delivery_id": id_, "verb": "take_down", "asked_by": "Ada", "state": "open"}
    house.run(sa.insert(amendments).values(**row, asked_ms=house.now_ms, next_ms=house.now_ms))
    house.round()
    assert house.kept(id_) == ALL


def test_what_taking_down_reads_is_kept_as_long_as_the_post_may_be_there(house: House) -> None:
    ids = [house.worked(state) for state in STATES]
    house.round()
    with house.ledger.read() as connection:
        left = kept_steps(connection, ids, house.ledger.now_ms(connection))
    assert [sorted(left[id_]) for id_ in ids] == [["find-2"]] * 3


def test_a_run_keeps_its_claims_until_all_of_its_posts_are_over(house: House) -> None:
    """A task instance finds its own by the place among them."""
    first, second = house.worked(State.PUBLISHED), house.worked(State.FAILED)
    house.run(sa.update(claims).where(claims.c.delivery_id == second).values(run_id="run1", map_index=1))
    house.round()
    with house.ledger.read() as connection:
        assert [claim.delivery_id for claim in claims_of(connection, "run1")] == [first, second]
    house.change(second, state=State.PUBLISHED)
    house.round()
    assert house.counts(claims, instances) == [0, 1]  # whose run has no claims is not known


def test_an_incident_goes_only_when_it_is_over_and_everybody_knows(house: House) -> None:
    old = house.now_ms
    keys = {
        "over": {"closed_ms": old, "told_ms": old, "told_times": 1, "end_told_ms": old},
        "never told": {"closed_ms": old},
        "open": {"told_ms": old, "told_times": 1},
        "its end is not told": {"closed_ms": old, "told_ms": old, "told_times": 1},
        "owed": {"closed_ms": old, "told_ms": old, "told_times": 1, "end_told_ms": old},
    }
    for key, values in keys.items():
        row = {"key": key, "kind": Trouble.SETUP, "sentence": "s", "opened_ms": old, "last_ms": old}
        house.run(sa.insert(incidents).values(**row, **values))
        house.run(sa.insert(incident_cases).values(incident_key=key, delivery_id="d", at_ms=old))
    row = {"id": "n", "channel": "c", "incident_key": "owed", "title": "", "body": "", "html": ""}
    house.run(sa.insert(notices).values(**row, made_ms=old, next_ms=old))
    house.round()
    left = {"open", "its end is not told", "owed"}
    assert {row.key for row in house.run(sa.select(incidents))} == left
    assert {row.incident_key for row in house.run(sa.select(incident_cases))} == left


def test_what_went_wrong_long_ago_is_forgotten_and_what_was_lately_is_not(house: House) -> None:
    house.incident(Trouble.SETUP)
    with house.ledger.begin() as connection:
        now_ms = house.ledger.now_ms(connection)
        note(connection, now_ms - 399 * DAY_MS, "setup", Trouble.SETUP, "s", "the operator")
    assert house.round(dry=True).rows["troubles"] == 1
    house.round()
    assert [row.first_ms for row in house.run(sa.select(troubles))] == [now_ms - 399 * DAY_MS]


def test_a_process_goes_when_it_is_silent_and_holds_nothing(house: House) -> None:
    house.add(State.CLAIMED, holder="holding")
    for id_ in ("dead", "holding"):
        house.run(sa.insert(holders).values(id=id_, started_ms=house.now_ms, beat_ms=house.now_ms))
    house.run(sa.insert(holders).values(id="alive", started_ms=house.now_ms, beat_ms=2_500_000_000_000))
    house.round()
    assert {row.id for row in house.run(sa.select(holders))} == {"holding", "alive"}


def test_of_readings_those_go_that_nothing_shows_and_no_number_of_a_day_changes(house: House) -> None:
    figures = Figures(house.ledger)
    figures.account("x:1")
    figures.post("a")
    figures.daily("a", "likes", {0: 4, 1: 5})
    begin = datetime.fromtimestamp(house.now_ms / 1000, UTC)
    for hour, told in enumerate((1, "too_few", 2, "failed", "failed", 3)):
        number = None if isinstance(told, str) else told
        row = {"post_key": "a", "metric": "views", "read_at": begin + timedelta(hours=hour)}
        row |= {"value": number, "availability": "measured" if number else told}
        figures.run(sa.insert(figures.house.post_readings).values(**row))
    figures.reading("a", "views", datetime.now(UTC), 9)
    shown = [figures.rows(view.name) for view in VIEWS]
    assert house.round(dry=True).rows["post_readings"] == 4
    assert house.round().rows["post_readings"] == 4
    table = figures.house.post_readings
    left = figures.run(sa.select(table.c.value).order_by(table.c.read_at))
    assert [row.value for row in left] == [None, None, 9]
    assert [figures.rows(view.name) for view in VIEWS] == shown


# --- files ----------------------------------------------------------------------------------------------


def test_a_file_goes_in_two_steps_when_only_posts_that_are_long_out_show_it(house: House) -> None:
    media = house.put(picture_bytes)
    house.fetched(media)
    house.showing(media, State.PUBLISHED)
    removed = house.round()
    assert removed.rows["attachments"] == 1  # whoever needs it fetches it again
    assert house.store.has(media.sha256)
    house.round()
    assert house.store.has(media.sha256), "it rests for a week"
    house.age(media.sha256, days=8)
    assert house.round().rows["files"] == 1
    assert [path for path in house.store.root.rglob("*") if path.is_file()] == []
    assert house.counts(deliveries) == [1]


def test_a_dry_run_says_the_same_and_changes_nothing(house: House) -> None:
    media, alone = house.put(picture_bytes), house.put(picture_bytes, size=(32, 32))
    house.fetched(media)
    house.showing(media, State.PUBLISHED)
    house.worked(State.FAILED)
    tables = [table for table in metadata.sorted_tables if table.name != "marks"]
    before = [house.run(sa.select(table)) for table in tables]
    expected = house.round(dry=True)
    assert [house.run(sa.select(table)) for table in tables] == before
    assert house.store.has(media.sha256)
    assert house.store.has(alone.sha256)
    done = house.round()
    assert {k: v for k, v in expected.rows.items() if v} == {k: v for k, v in done.rows.items() if v}
    assert done.rows["files"] == 1
    assert not house.store.has(alone.sha256)


@pytest.mark.parametrize("state", sorted(set(State) - set(STATES)))
def test_a_file_stays_as_long_as_a_post_may_want_it_with_what_it_was_made_of(
    house: House, state: State
) -> None:
    source, made, other = (house.put(picture_bytes, size=(32, side)) for side in (32, 33, 34))
    house.fetched(source)
    for number, item in enumerate((made, other)):
        row = {"source": source.sha256, "recipe": f"r{number}", "sha256": item.sha256}
        house.run(sa.insert(renditions).values(**row, made_ms=house.now_ms))
    house.showing(made, State.PUBLISHED)
    house.showing(made, state, account="x:1")
    house.round()
    for item in (source, made, other):
        house.age(item.sha256)
    house.round()
    assert all(house.store.has(item.sha256) for item in (source, made, other))
    assert house.counts(attachments, renditions) == [1, 2]


def test_what_was_frozen_in_a_write_is_kept_for_being_sent_once_more(house: House) -> None:
    media = house.put(picture_bytes)
    id_ = house.add(State.ARMED)
    house.wrote(id_, WriteState.ABSENT, Content(Format.IMAGES, "x", media=(media,)).to_json())
    house.round()
    assert house.store.has(media.sha256)


@pytest.mark.parametrize(
    ("account", "state", "stays"),
    [
        ("facebook:1", State.PUBLISHED, True),
        ("facebook:1", State.REMOVED, True),
        ("facebook:1", State.TAKEN_DOWN, False),
        ("instagram:1", State.PUBLISHED, False),
    ],
)
def test_files_stay_where_a_change_of_the_row_can_still_change_the_post(
    house: House, account: str, state: State, stays: bool
) -> None:
    media = house.put(picture_bytes)
    house.showing(media, state, account=account)
    house.round()
    assert house.store.has(media.sha256) is stays


def test_a_file_that_a_row_names_or_that_was_put_lately_stays(house: House) -> None:
    named, lately = house.put(picture_bytes), house.put(picture_bytes, size=(32, 32))
    house.run(sa.insert(attachments).values(id="a", sha256=named.sha256, fetched_ms=2_500_000_000_000))
    house.store.put(house.store.path(lately.sha256).read_bytes())  # the same again
    house.round()
    assert house.store.has(named.sha256)
    assert house.store.has(lately.sha256)


def test_a_file_that_is_wanted_at_the_last_moment_comes_back(house: House) -> None:
    """A post is planned with it after it was asked what is wanted, and before the file went."""
    media, put_again, unwanted = (house.put(picture_bytes, size=(32, side)) for side in (32, 33, 34))
    content = house.store.path(put_again.sha256).read_bytes()

    def wanted(some: Collection[str]) -> set[str]:
        assert not any(house.store.has(sha256) for sha256 in some)
        house.store.put(content)
        return {media.sha256}

    sha256s = [item.sha256 for item in (media, put_again, unwanted)]
    assert take_away(house.store, sha256s, time.time() - 60, wanted)[0] == 2
    assert [house.store.has(sha256) for sha256 in sha256s] == [True, True, False]


def test_what_a_round_that_died_left_aside_is_decided_by_the_next(house: House) -> None:
    media, needed = house.put(picture_bytes), house.put(picture_bytes, size=(32, 32))
    house.fetched(needed)
    house.showing(needed, State.MISSED)

    def die(_some: Collection[str]) -> set[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_away(house.store, [media.sha256, needed.sha256], time.time() - 60, die)
    assert not house.store.has(needed.sha256)
    house.round()
    assert {file.sha256 for file in stored(house.store)} == {needed.sha256}
    assert house.store.has(needed.sha256)


def test_what_was_never_stored_whole_goes_after_a_week(house: House) -> None:
    incoming = house.store.root / "incoming"
    incoming.mkdir(parents=True)
    for name, days in (("old", 8.0), ("young", 1.0)):
        (incoming / name).write_bytes(b"half")
        then = time.time() - days * 86400
        os.utime(incoming / name, (then, then))
    house.round()
    assert [path.name for path in incoming.iterdir()] == ["young"]


# --- when nothing is done -------------------------------------------------------------------------------


def test_nothing_goes_while_the_ledger_may_be_an_old_one_or_another(house: House) -> None:
    id_ = house.worked(State.PUBLISHED)
    house.put(picture_bytes)
    with house.ledger.begin() as connection:
        now_ms = house.ledger.now_ms(connection)
        restored.begin(connection, now_ms, now_ms - DAY_MS, "Airtable knows more")
    assert "restored" in house.round().why_not
    house.run(sa.delete(metadata.tables["marks"]))
    assert house.round().lines() == [
        "Nothing is removed: publish_due_posts has never run with this ledger: it may be a wrong one."
    ]
    assert house.kept(id_) == ALL
    assert len(list(stored(house.store))) == 1


def test_settings_of_0_keep_everything_for_good(house: House) -> None:
    id_ = house.worked(State.PUBLISHED)
    house.put(picture_bytes)
    assert house.round(history_days=0, media_days=0, readings_days=0).lines() == ["Nothing had to go."]
    assert house.kept(id_) == ALL
    assert len(list(stored(house.store))) == 1


@pytest.mark.parametrize(("name", "days"), [("history_days", 59), ("media_days", 29), ("readings_days", 124)])
def test_what_is_still_worked_with_cannot_be_set_to_go(name: str, days: int) -> None:
    with pytest.raises(SettingsError, match=f"SCHEDULO_{name.upper()} is {days}: it must be 0, or at least"):
        Settings(**{name: days})


def test_a_late_round_is_one_incident_that_a_whole_one_ends(house: House) -> None:
    for run in ("one", "two"):
        round_is_late(house.ledger, run, 240)
    (found,) = house.run(sa.select(incidents))
    assert (found.key, found.times, found.closed_ms) == ("workflow:maintain.remove", 2, None)
    house.round(dry=True)
    assert house.run(sa.select(incidents))[0].closed_ms is None
    house.round()
    assert house.run(sa.select(incidents))[0].closed_ms is not None


@pytest.mark.parametrize("platform", sorted(Platform))
def test_taking_down_reads_no_step_that_goes(platform: Platform) -> None:
    read: set[str] = set()

    class Steps(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            read.add(key)
            return default

        def __getitem__(self, key: str) -> Any:
            read.add(key)
            return super().__getitem__(key)

    content = Content(Format.TEXT, "hello", thread=("two", "three"))
    account = Account(platform, "1", "acme", "UTC", {"login": "facebook"})
    job = Job(account, content, lambda _: None, {"meta_version": "v25.0"})
    out = Out("d", "7", content, 0, {}, Steps(), True)
    with contextlib.suppress(StopIteration, ValueError):  # TikTok offers none
        next(AFTER[platform].take_down(job, out))
    assert all(name.startswith(READS_STEPS) for name in read)
    assert read or platform is not Platform.X


def test_a_post_that_is_out_with_files_nobody_knows_stops_no_round(house: House) -> None:
    """A person said of it that it is out, after the ledger was restored."""
    house.showing(house.put(picture_bytes), State.PUBLISHED, account="facebook:1")
    id_ = house.worked(State.PUBLISHED, content={}, account="facebook:1")
    house.round()
    assert house.kept(id_) == {"steps"}


def test_what_platforms_told_goes_after_a_month_and_what_is_still_looked_into_stays(house: House) -> None:
    now_ms = int(time.time() * 1000)
    told = {"platform": "tiktok", "app": "app", "account_key": "tiktok:1", "event": "e", "what": "other"}
    told |= {"direct": True, "at_ms": 0}
    for key, days, next_ms in (("young", 29, None), ("old", 31, None), ("at work", 31, 1)):
        values = told | {"key": key, "heard_ms": now_ms - days * DAY_MS, "next_ms": next_ms}
        house.run(sa.insert(platform_events).values(**values))
    assert house.round().lines() == ["platform_events: 1 went"]
    assert {row.key for row in house.run(sa.select(platform_events))} == {"young", "at work"}


def test_what_posts_met_at_platforms_goes_after_a_week(house: House) -> None:
    now_ms = int(time.time() * 1000)
    for days in (6, 8):
        row = {"delivery_id": f"d{days}", "account_key": "x:1", "platform": "x", "kind": "network"}
        house.run(sa.insert(stumbles).values(**row, at_ms=now_ms - days * DAY_MS))
    assert house.round().lines() == ["stumbles: 1 went"]
    assert [row.delivery_id for row in house.run(sa.select(stumbles))] == ["d6"]
