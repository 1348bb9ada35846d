"""A year with two hundred accounts: no post is lost to a login that could have been renewed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import vault_audit
from tests.schedulo.tokens.house import DAY, HOUR, House
from tests.schedulo.tokens.year import KINDS, POINTS, Year

DAYS = 365


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory, sandbox_server: RunningSandbox) -> Iterator[Year]:
    sandbox_server.reset()
    ledger = Ledger(f"sqlite:///{tmp_path_factory.mktemp('year') / 'ledger.db'}")
    ledger.migrate()

    @sa.event.listens_for(ledger.engine, "connect")
    def no_power_cuts_here(connection: object, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]

    ledger.engine.dispose()
    house = House(ledger, sandbox_server)
    played = Year(house, accounts=200, post_every_days=30, die_every=60)
    played.play(DAYS)
    yield played
    house.close()
    ledger.close()
    sandbox_server.reset()


pytestmark = pytest.mark.slow(minutes=5)


def test_posts_were_due_all_year_on_every_platform(year: Year) -> None:
    kinds = Counter(year.people[post.key].kind for post in year.posts)
    assert set(kinds) == set(KINDS)
    assert len(year.posts) > 2000


def test_no_post_was_lost_to_a_login_that_could_have_been_renewed(year: Year) -> None:
    """What was revoked hours before a post is found when it is due; nothing else may be dead then."""
    dead = [post for post in year.posts if post.how == "dead"]
    assert [post for post in dead if post.revoked_s is None] == []
    assert [post for post in dead if post.revoked_s and post.due_s - post.revoked_s > 26 * HOUR] == []


def test_a_post_was_held_only_where_a_person_had_to_act(year: Year) -> None:
    lost = {key for key, _ in year.cut_off}
    for post in year.posts:
        person = year.people[post.key]
        if post.how != "held":
            continue
        ends = person.kind in ("facebook", "instagram by a Page") and not person.answers
        cut_off = post.key in lost and rotating(post.key)
        assert post.revoked_s is not None or ends or cut_off, post


def test_processes_died_at_every_point_on_every_platform(year: Year) -> None:
    points = Counter(point for point, _ in year.deaths.happened)
    assert set(points) == set(POINTS)
    assert min(points.values()) >= 10
    platforms = {key.partition(":")[0] for _, key in year.deaths.happened}
    assert platforms == {"x", "tiktok", "instagram"}, "a Page's token is not renewed"


def test_no_refresh_token_was_used_twice_unless_its_answer_was_lost_with_a_process(year: Year) -> None:
    twice = [token for token, times in year.presented.items() if times > 1]
    lost = [key for point, key in year.deaths.happened if point == "before it is kept" and rotating(key)]
    cut_off = [key for key, _ in year.cut_off if rotating(key)]
    assert len(lost) <= len(twice) <= len(cut_off)
    assert max(year.presented.values()) == 2


def rotating(key: str) -> bool:
    return key.partition(":")[0] in ("x", "tiktok")


def test_a_login_that_a_death_cost_was_held_and_said_so(year: Year) -> None:
    """Never a silent one."""
    deaths = year.deaths.happened
    lost = Counter(key for point, key in deaths if point == "before it is kept" and rotating(key))
    a = vault_audit.c
    with year.house.ledger.read() as connection:
        query = sa.select(a.account_key).where(a.what == "held", a.note.contains("was cut off"))
        said = Counter(connection.execute(query).scalars())
    assert lost - said == Counter()
    assert said - Counter(key for key, _ in year.cut_off) == Counter()


def test_every_warning_was_sent_once_and_in_time(year: Year) -> None:
    a = vault_audit.c
    with year.house.ledger.read() as connection:
        query = sa.select(a.account_key, a.at_ms, a.note).where(a.what == "warned").order_by(a.id)
        warned = connection.execute(query).all()
    assert len(warned) > 200
    sent = Counter((row.account_key, row.note) for row in warned)
    assert set(sent.values()) == {1}
    stages: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in warned:
        days, _, end = row.note.partition(" days before ")
        stages[row.account_key, end].append(int(days))
        left_s = (
            sa.DateTime().python_type.fromisoformat(end.replace("Z", "+00:00")).timestamp() - row.at_ms / 1000
        )
        assert int(days) * DAY - HOUR <= left_s <= int(days) * DAY, row
    for (key, _), found in stages.items():
        assert found == [14, 7, 3, 1][: len(found)], key


def test_in_the_end_every_login_is_good_or_waits_for_its_owner(year: Year) -> None:
    held = {hold.key for hold in year.house.holds()}
    for key, person in year.people.items():
        if key in held or person.revoked_s is not None:
            continue
        login = year.house.login(key)
        assert login.problem == "" or "cut off" in login.problem, key
        assert login.checked_ms / 1000 > year.house.now_s - 8 * DAY, key
