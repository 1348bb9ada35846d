"""When a platform is held for everyone, how it is tried again, and in which order its posts then go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import breakers, endings, lateness
from schedulo.delivery.breakers import TRIAL_MS, TRIAL_POSTS, Answer, Stumble
from schedulo.delivery.commits import Outcome
from schedulo.delivery.endings import Armed
from schedulo.delivery.holds import in_force
from schedulo.delivery.incidents import close_what_is_over
from schedulo.delivery.stops import resume
from schedulo.delivery.windows import Fate, Wanted, plan
from schedulo.errors import Kind
from schedulo.ledger.outages import breakers as breakers_table
from schedulo.ledger.tables import deliveries, holds, incident_cases, incidents
from schedulo.model import State, WriteState
from tests.schedulo.delivery.conftest import ME, Books, intent

S = State


@dataclass
class Platforms:
    """What each platform answers, and who was asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Sequence[str]] = field(default_factory=list)

    def __call__(self, names: Sequence[str]) -> Mapping[str, Answer]:
        self.asked.append(names)
        return {name: self.answers.get(name, Answer.WELL) for name in names}


@pytest.fixture
def there(books: Books, monkeypatch: pytest.MonkeyPatch) -> Platforms:
    monkeypatch.setattr(books.ledger, "now_ms", lambda _connection: books.now_ms)
    return Platforms()


def stumble(books: Books, *ids: str, kind: Kind = Kind.PLATFORM_DOWN) -> None:
    books.do(breakers.stumbled, [Stumble(id_, books.row(id_).account_key, kind) for id_ in ids])


def tick(books: Books, there: Platforms, run_id: str = "run") -> list[str]:
    """What a tick does with the ledger and with platforms that are held; answers what it claimed."""
    books.sweep()
    close_what_is_over(books.ledger)
    breakers.look(books.ledger, books.settings, there)
    return books.claim(run_id)


def names(books: Books) -> list[str]:
    return [f"{hold.name} {hold.error_kind}" for hold in books.do(in_force)]


def opened(books: Books) -> dict[str, str]:
    """The sentences of open incidents."""
    found = books.run(sa.select(incidents).where(incidents.c.closed_ms.is_(None)))
    return {row.key: row.sentence for row in found}


def down(books: Books, there: Platforms, answer: Answer = Answer.FAULT) -> list[str]:
    """X fails for three accounts, and is held; the posts that met it."""
    ids = [books.add(account=f"x:{number}") for number in range(3)]
    stumble(books, *ids)
    there.answers["x"] = answer
    assert tick(books, there) == []
    return ids


# --- when it is held --------------------------------------------------------------------------------------


def test_three_accounts_that_meet_a_fault_hold_their_platform_once_and_tell_it_once(
    books: Books, there: Platforms
) -> None:
    ids = down(books, there)
    assert names(books) == ["platform:x platform_down"]
    assert list(opened(books)) == ["outage:x"]
    assert "X fails for everyone: 3 posts of 3 accounts" in opened(books)["outage:x"]
    assert {row.delivery_id for row in books.run(sa.select(incident_cases))} == set(ids)
    stumble(books, *ids)
    tick(books, there)
    assert len(books.run(sa.select(holds))) == 1


@pytest.mark.parametrize(
    ("posts", "accounts", "others", "held"),
    [
        (2, 2, 0, False),
        (4, 2, 0, False),
        (5, 2, 0, True),
        (5, 1, 0, True),  # it is all that there is on the platform
        (20, 1, 1, False),  # others are on the platform too, and say nothing
        (3, 3, 0, True),
    ],
)
def test_a_platform_is_held_for_many_and_never_for_one_account_among_others(
    books: Books, there: Platforms, posts: int, accounts: int, others: int, held: bool
) -> None:
    for number in range(others):
        books.account(f"x:other{number}")
    stumble(books, *(books.add(account=f"x:{number % accounts}") for number in range(posts)))
    books.sweep()
    assert bool(names(books)) is held


def test_a_post_that_went_out_shows_that_it_is_not_the_platform(books: Books, there: Platforms) -> None:
    _, write_id = books.sent(account="x:9")
    books.settle(Outcome(write_id, WriteState.ACCEPTED, "taken", 201, "17", books.now_ms))
    stumble(books, *(books.add(account=f"x:{number}") for number in range(6)))
    books.sweep()
    assert names(books) == []
    books.pass_s(books.settings.breaker_window_s + 1)
    stumble(books, *(books.add(account=f"x:{number}") for number in range(6)))
    books.sweep()
    assert names(books) == ["platform:x platform_down"], "but only so long"


def test_what_was_met_longer_ago_than_the_window_counts_no_more(books: Books, there: Platforms) -> None:
    stumble(books, *(books.add(account=f"x:{number}") for number in range(4)))
    books.pass_s(books.settings.breaker_window_s)
    books.sweep()
    assert names(books) == []


def test_a_commit_without_an_answer_is_noted_with_its_outcome(books: Books, there: Platforms) -> None:
    for number in range(3):
        _, write_id = books.sent(account=f"x:{number}")
        books.settle(Outcome(write_id, WriteState.UNKNOWN, "503", 503, away=Kind.PLATFORM_DOWN))
    books.sweep()
    assert names(books) == ["platform:x platform_down"]


# --- whose fault it is ------------------------------------------------------------------------------------


def test_where_nothing_answers_it_is_our_network_and_one_incident(books: Books, there: Platforms) -> None:
    for platform in ("x", "facebook", "tiktok"):
        books.account(f"{platform}:0")
        there.answers[platform] = Answer.SILENCE
    ids = [books.add(account=f"{platform}:{n}") for platform in ("x", "facebook") for n in range(3)]
    stumble(books, *ids, kind=Kind.NETWORK)
    tick(books, there)
    assert there.asked == [["facebook", "tiktok", "x"]], "those without trouble bear witness"
    assert list(opened(books)) == ["outage:network"]
    assert "our network is away" in opened(books)["outage:network"]
    query = sa.select(incident_cases.c.delivery_id).where(incident_cases.c.incident_key == "outage:network")
    assert {row.delivery_id for row in books.run(query)} == set(ids)
    told = books.run(sa.select(incidents.c.key).where(incidents.c.end_told_ms.is_(None)))
    assert [row.key for row in told] == ["outage:network"], "nobody is told of each platform"
    assert len(names(books)) == 2, "what has no trouble yet is not held"


def test_both_platforms_of_one_company_that_are_silent_are_not_our_network(
    books: Books, there: Platforms
) -> None:
    for platform in ("instagram", "facebook"):
        there.answers[platform] = Answer.SILENCE
        books.account(f"{platform}:0")
        stumble(books, *(books.add(account=f"{platform}:{n}") for n in range(3)), kind=Kind.NETWORK)
    tick(books, there)
    assert set(opened(books)) == {"outage:facebook", "outage:instagram"}


def test_when_the_network_is_back_and_one_platform_is_not_it_is_told_by_name(
    books: Books, there: Platforms
) -> None:
    books.account("facebook:0")
    there.answers["facebook"] = Answer.SILENCE
    down(books, there, Answer.SILENCE)
    assert list(opened(books)) == ["outage:network"]
    there.answers = {"x": Answer.SILENCE}
    books.pass_s(60)
    tick(books, there)
    assert "outage:x" in opened(books)


# --- asking -----------------------------------------------------------------------------------------------


def test_it_is_asked_at_once_and_then_at_growing_intervals(books: Books, there: Platforms) -> None:
    down(books, there)
    asked = []
    for second in range(0, 1500, 5):
        if second % 60 == 0:
            before = len(there.asked)
            tick(books, there)
            asked += [second] * (len(there.asked) - before)
        books.pass_s(5)
    assert asked == [60, 120, 240, 480, 780, 1080, 1380]


def test_while_it_fails_nothing_of_it_is_claimed_not_even_what_is_in_doubt(
    books: Books, there: Platforms
) -> None:
    in_doubt, _ = books.unknown(account="x:1")
    down(books, there)
    free = books.add(account="facebook:1")
    assert tick(books, there) == [free]
    assert books.row(in_doubt).state == S.UNKNOWN


def test_whoever_asks_breaks_and_the_tick_goes_on(books: Books, there: Platforms) -> None:
    down(books, there)
    books.pass_s(60)

    def broken(_names: Sequence[str]) -> Mapping[str, Answer]:
        raise RuntimeError("secret")

    lines = breakers.look(books.ledger, books.settings, broken)
    assert lines[0] == "Held platforms could not be asked: RuntimeError"
    assert names(books) == ["platform:x platform_down"]


# --- letting go -------------------------------------------------------------------------------------------


def test_its_first_posts_are_a_trial_and_the_others_follow_in_the_order_in_which_they_were_due(
    books: Books, there: Platforms
) -> None:
    met = down(books, there)
    later = [books.add(account=f"x:{n % 3}", due_ms=books.now_ms + n, fire_ms=0) for n in range(1, 18)]
    for id_ in met:
        books.change(id_, attempts=5, trouble_since_ms=books.now_ms)
    books.pass_s(60)
    soon = books.add(account="x:2", due_ms=books.now_ms + 30_000, fire_ms=books.now_ms + 30_000)
    books.sweep()
    assert {books.row(id_).state for id_ in (*met, *later, soon)} == {S.HELD}
    there.answers = {}
    tick(books, there)
    order = [*met, *later]
    fire = [books.row(id_).fire_ms - books.now_ms for id_ in order]
    assert fire[:TRIAL_POSTS] == [0, 1000, 2000]
    assert fire[TRIAL_POSTS] >= TRIAL_MS, "when a tick has seen what became of the first"
    assert fire == sorted(fire)
    assert {b - a for a, b in zip(fire[TRIAL_POSTS:], fire[TRIAL_POSTS + 1 :], strict=False)} == {1000}
    assert books.row(soon).fire_ms == books.row(soon).due_ms, "what is not due yet keeps its second"
    assert books.row(soon).state == S.CLAIMED
    assert {(books.row(id_).attempts, books.row(id_).trouble_since_ms) for id_ in met} == {(0, None)}
    assert names(books) == []
    assert list(opened(books)) == ["outage:x"], "not over before a post went out"


def take_up(books: Books, id_: str, state: WriteState, **outcome: Any) -> None:
    """A process sends what a run has claimed, and learns this."""
    books.pass_s(max(0.0, (books.row(id_).fire_ms - books.now_ms) / 1000))
    books.change(id_, holder=ME)
    assert books.do(endings.arm, [Armed(id_, ME, 1)]) == [True]
    write_id = f"w-{id_}-{books.now_ms}"
    assert books.fence(intent(id_, write_id))[0] is not None
    books.settle(Outcome(write_id, state, "said", answered_ms=books.now_ms, **outcome))


def test_one_of_the_first_that_goes_out_ends_the_trial_and_the_last_the_incident(
    books: Books, there: Platforms
) -> None:
    first, *others = down(books, there)
    there.answers = {}
    books.pass_s(60)
    assert first in tick(books, there, "run-2")
    take_up(books, first, WriteState.ACCEPTED)
    books.pass_s(60)
    tick(books, there, "run-3")
    assert books.run(sa.select(breakers_table)) == []
    assert list(opened(books)) == ["outage:x"]
    for id_ in others:
        take_up(books, id_, WriteState.ACCEPTED)
    tick(books, there, "run-4")
    assert opened(books) == {}
    assert len(books.run(sa.select(holds))) == 1


def test_a_trial_in_which_a_post_fails_holds_it_again_within_the_same_incident(
    books: Books, there: Platforms
) -> None:
    first, *_ = down(books, there)
    there.answers = {}
    books.pass_s(60)
    tick(books, there, "run-2")
    books.pass_s(1)
    stumble(books, first)
    books.pass_s(59)
    tick(books, there, "run-3")
    assert names(books) == ["platform:x platform_down"]
    [incident] = books.run(sa.select(incidents))
    assert (incident.closed_ms, incident.kind) == (None, "outage")
    [row] = books.run(sa.select(breakers_table))
    assert (row.state, row.asked_ms - books.now_ms) == ("open", 60_000)


def test_who_releases_it_by_hand_lets_its_posts_go_in_turns_too(books: Books, there: Platforms) -> None:
    down(books, there)
    later = [books.add(account=f"x:{n}") for n in range(3)]
    books.pass_s(1)
    books.do(resume, "platform:x", "ann")
    tick(books, there)
    fire = sorted(row.fire_ms - books.now_ms for row in books.run(sa.select(deliveries.c.fire_ms)))
    assert len(later) == 3
    assert fire[-1] >= TRIAL_MS


def test_what_a_person_holds_stays_held_when_its_platform_is_back(books: Books, there: Platforms) -> None:
    down(books, there)
    books.hold("account", "x:0")
    there.answers = {}
    books.pass_s(60)
    books.sweep()
    tick(books, there)
    states = {row.account_key: row.state for row in books.run(sa.select(deliveries))}
    assert states == {"x:0": S.HELD, "x:1": S.CLAIMED, "x:2": S.CLAIMED}


def test_what_cannot_go_yet_takes_no_turn(books: Books, there: Platforms) -> None:
    first, *others = down(books, there)
    books.change(first, ready=False)
    there.answers["x"] = Answer.WELL
    books.pass_s(30)
    assert set(tick(books, there)) == set(others)
    assert {books.row(id_).fire_ms - books.now_ms for id_ in others} == {0, 1000}
    assert books.row(first).state == S.SCHEDULED


def test_what_maintenance_stops_when_its_platform_is_back_says_so_and_waits_for_the_end_of_that(
    books: Books, there: Platforms
) -> None:
    [first, *_] = down(books, there)
    until_ms = books.now_ms + 600_000
    wanted = Wanted(("platform:x",), books.now_ms + 1, until_ms, Fate.MOVE, "new database")
    books.do(plan, wanted, "ann")
    there.answers["x"] = Answer.WELL
    for number in range(3):
        books.pass_s(30)
        assert tick(books, there, f"run-{number}") == []
    assert names(books) == ["platform:x "]
    row = books.row(first)
    assert (row.state, row.fire_ms) == (S.SCHEDULED, until_ms)
    assert row.reason.startswith("maintenance of platform:x until ")


def test_what_is_too_late_when_it_is_back_becomes_missed(books: Books, there: Platforms) -> None:
    down(books, there)
    late = books.add(account="x:1", not_after_ms=books.now_ms + 30_000)
    there.answers = {}
    books.pass_s(60)
    tick(books, there)
    assert books.row(late).state == S.MISSED


def test_that_its_posts_are_late_is_told_with_it_and_not_beside_it(books: Books, there: Platforms) -> None:
    late = {"trouble_since_ms": books.now_ms - 70_000, "due_ms": books.now_ms - 70_000}
    first = books.add(account="x:7", **late)
    books.do(lateness.tell, books.settings)
    assert list(opened(books)) == ["late:x"]
    others = [books.add(account=f"x:{number}", **late) for number in range(3)]
    stumble(books, *others)
    books.do(lateness.tell, books.settings)
    assert list(opened(books)) == ["outage:x"], "found by whoever looks for late posts"
    query = sa.select(incident_cases.c.delivery_id).where(incident_cases.c.incident_key == "outage:x")
    assert {row.delivery_id for row in books.run(query)} == {first, *others}
