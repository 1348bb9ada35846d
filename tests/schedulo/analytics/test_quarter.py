"""A quarter of collecting, checked by SQL against what the sandbox knows: nothing lost, nothing invented."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rig import sandbox_process
from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from tests.schedulo.analytics.quarter import Quarter, people, plan


@pytest.fixture
def far_sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """Stand-ins in a process of their own: they answer while the collector works."""
    with sandbox_process(tmp_path) as running:
        found = RunningSandbox(running.url, None)  # type: ignore[arg-type]
        yield found
        found.close()


@pytest.fixture
def quick_ledger(ledger: Ledger) -> Iterator[Ledger]:
    """An empty ledger; that of SQLite in memory, where there is room for files: what is kept is the same."""
    memory = Path("/dev/shm")
    if not ledger.is_sqlite or not memory.is_dir():
        yield ledger
        return
    with tempfile.TemporaryDirectory(prefix="schedulo-", dir=memory) as folder:
        quick = Ledger(f"sqlite:///{shutil.copy(str(ledger.url.database), folder)}")
        yield quick
        quick.close()


@pytest.mark.slow(minutes=8)  # the file: two databases, four each
@pytest.mark.timeout(1200)
def test_a_quarter_of_24_accounts_is_true_and_stays_as_it_is(
    quick_ledger: Ledger, far_sandbox: RunningSandbox
) -> None:
    live_through(quick_ledger, far_sandbox, 24, 240)


@pytest.mark.whole
@pytest.mark.timeout(4 * 3600)
def test_a_quarter_of_50_accounts_and_5000_posts_is_true_and_stays_as_it_is(
    quick_ledger: Ledger, far_sandbox: RunningSandbox
) -> None:
    live_through(quick_ledger, far_sandbox, 50, 5000)


def live_through(ledger: Ledger, sandbox: RunningSandbox, accounts: int, posts: int) -> None:
    """The quarter is collected as it passes, each day twice, with gaps; then all of it is collected again,
    which fills what a platform tells of days past; then once more, which changes nothing."""
    persons = people(accounts)
    quarter = Quarter(ledger, sandbox, persons, plan(persons, posts))
    quarter.lay_out()
    quarter.run()
    check(quarter)
    assert {key for key, _ in quarter.refused} == {
        person.key for person in persons if person.special == "bad token"
    }
    quarter.snapshot("lived")
    quarter.again()
    assert quarter.changed("lived") <= {"late start"}
    quarter.snapshot("filled")
    quarter.again()
    assert set(quarter.differences("filled").values()) == {0}
    check(quarter)


def check(quarter: Quarter) -> None:
    """What must be true of the tables, whatever was collected when."""
    quarter.keep_truth()
    assert quarter.out_of_time()[:5] == []
    for name, query in NEVER.items():
        assert [tuple(row) for row in quarter.ask(query)] == [], name
    for name, query in SOME.items():
        assert quarter.ask(query)[0][0] > 0, name


NEVER = {
    "a number is what was true when it was read": """
        SELECT f.post_key, f.date, f.metric, f.value, t.value
        FROM {post_facts} f
        LEFT JOIN truth t ON t.about = f.post_key AND t.metric = f.metric AND t.at_s = {read_s}
        WHERE f.value IS NOT NULL AND (t.value IS NULL OR t.value <> f.value)
        LIMIT 5""",
    "so is an account's": """
        SELECT f.account_key, f.date, f.metric, f.value, t.value
        FROM {account_facts} f
        JOIN {accounts} a ON a.account_key = f.account_key
        JOIN {metrics} m ON m.platform = a.platform AND m.metric = f.metric AND m.subject = 'account'
        LEFT JOIN truth t ON t.about = f.account_key AND t.metric = f.metric
          AND ((m.by_date AND t.day = f.date) OR (NOT m.by_date AND t.at_s = {read_s}))
        WHERE f.value IS NOT NULL AND (t.value IS NULL OR t.value <> f.value)
        LIMIT 5""",
    "what has no number has a reason, and no delta": """
        SELECT post_key, date, metric FROM {post_facts}
        WHERE (value IS NULL AND (reason = '' OR delta IS NOT NULL))
           OR (value IS NOT NULL AND reason <> '') LIMIT 5""",
    "deltas of a post add up to its last number": """
        SELECT f.post_key, f.metric, f.value, s.added, s.days
        FROM {post_facts} f
        JOIN (SELECT post_key, metric, sum(delta) AS added, sum(delta_days) AS days, max(date) AS last,
                     count(*) AS numbers
              FROM {post_facts} WHERE value IS NOT NULL AND delta IS NOT NULL
              GROUP BY post_key, metric) s
          ON s.post_key = f.post_key AND s.metric = f.metric AND s.last = f.date
        WHERE s.added <> f.value LIMIT 5""",
    "a running number of a post always has a delta": """
        SELECT f.post_key, f.date, f.metric FROM {post_facts} f
        JOIN {posts} p ON p.post_key = f.post_key JOIN {accounts} a ON a.account_key = p.account_key
        JOIN {metrics} m ON m.platform = a.platform AND m.metric = f.metric AND m.subject = 'post'
        WHERE f.value IS NOT NULL AND (f.delta IS NULL) <> (m.kind = 'rate') LIMIT 5""",
    "the number of a day is read within the next day, or before the end of a post": """
        SELECT f.post_key, f.date, f.collected_at FROM {post_facts} f
        JOIN world w ON w.about = f.post_key
        WHERE f.value IS NOT NULL AND w.gone_s IS NULL AND w.format <> 'story'
          AND NOT (w.platform = 'x' AND {date_s} BETWEEN w.out_s + 28 * 86400 AND w.out_s + 31 * 86400)
          AND {read_s} - {date_s} NOT BETWEEN 9 * 3600 AND 61 * 3600 LIMIT 5""",
    "gone is what is gone": """
        SELECT f.post_key, f.date, w.gone_s FROM {post_facts} f JOIN world w ON w.about = f.post_key
        WHERE f.availability = 'gone' AND (w.gone_s IS NULL OR w.gone_s > coalesce({read_s}, w.gone_s))
        LIMIT 5""",
    "over are stories after a day, and what X tells authors for a month": """
        SELECT f.post_key, f.date, f.metric FROM {post_facts} f JOIN world w ON w.about = f.post_key
        WHERE f.availability = 'ended'
          AND NOT (w.format = 'story' AND {read_s} >= w.out_s + 86400)
          AND NOT (w.platform = 'x' AND {read_s} >= w.out_s + 30 * 86400 AND (f.metric IN
            ('clicks', 'user_profile_clicks', 'engagements') OR f.metric LIKE 'playback%'))
        LIMIT 5""",
    "retired is what was retired": """
        SELECT f.post_key, f.date, f.metric, f.reason FROM {post_facts} f
        JOIN world w ON w.about = f.post_key
        WHERE f.availability = 'retired' AND NOT ({read_s} >= {retired_s} AND (
          (w.platform = 'instagram' AND f.metric = 'reposts')
          OR (w.platform = 'facebook' AND f.metric = 'clicks'))) LIMIT 5""",
    "what was retired was not told any more": """
        SELECT f.post_key, f.date, f.metric FROM {post_facts} f JOIN world w ON w.about = f.post_key
        WHERE f.value IS NOT NULL AND {read_s} >= {retired_s} AND (
          (w.platform = 'instagram' AND f.metric = 'reposts')
          OR (w.platform = 'facebook' AND f.metric = 'clicks' AND w.format <> 'reel')) LIMIT 5""",
    "a permission lacks where it was not given": """
        SELECT f.post_key, f.date, f.metric, f.reason FROM {post_facts} f
        JOIN world w ON w.about = f.post_key
        WHERE f.availability = 'no_permission' AND w.special <> 'no scope'
          AND NOT (w.special = 'instagram login' AND f.metric IN
            ('clicks', 'total_views', 'total_likes', 'total_comments')) LIMIT 5""",
    "and nothing is told without it": """
        SELECT f.post_key, f.date, f.metric FROM {post_facts} f JOIN world w ON w.about = f.post_key
        WHERE f.value IS NOT NULL AND w.special = 'no scope' LIMIT 5""",
    "too few people see only what too few people see": """
        SELECT f.post_key, f.date, f.metric, f.reason FROM {post_facts} f
        JOIN world w ON w.about = f.post_key
        WHERE f.availability = 'too_few'
          AND NOT (w.format = 'story' AND (w.tiny OR {read_s} < w.out_s + 3600))
        LIMIT 5""",
    "not yet is what comes late at Meta, and what TikTok does not show": """
        SELECT f.post_key, f.date, f.metric, f.reason FROM {post_facts} f
        JOIN world w ON w.about = f.post_key
        WHERE f.availability = 'not_yet'
          AND NOT (w.platform IN ('instagram', 'facebook') AND {read_s} <= w.out_s + {lag_s})
          AND NOT (w.platform = 'tiktok' AND (w.private OR {read_s} < w.out_s + 3600))
        LIMIT 5""",
    "missed is what nobody could ask": """
        SELECT f.post_key, f.date, f.metric, f.reason FROM {post_facts} f
        JOIN world w ON w.about = f.post_key
        WHERE f.availability = 'missed' AND NOT (
             (w.special = 'bad token' AND f.date BETWEEN {bad_from} AND {bad_to}
              AND f.reason LIKE 'it could not be read in time: %')
          OR (w.special = 'not run' AND f.date BETWEEN {gap_from} AND {gap_to})
          OR (w.special = 'late start' AND f.date < {late}))
        LIMIT 5""",
    "nothing failed that was answered": """
        SELECT post_key, date, metric, reason FROM {post_facts} WHERE availability = 'failed' LIMIT 5""",
    "nor of accounts": """
        SELECT account_key, date, metric, reason FROM {account_facts}
        WHERE availability = 'failed' LIMIT 5""",
    "a post that is there has all its numbers of each of its first days": """
        SELECT w.about, count(DISTINCT f.date) AS days FROM world w
        LEFT JOIN {post_facts} f ON f.post_key = w.about
          AND {date_s} < w.out_s + 13 * 86400
        WHERE w.format IS NOT NULL AND w.gone_s IS NULL AND w.format <> 'story'
          AND w.out_s < {end_s} - 16 * 86400
          AND NOT (w.special = 'late start' AND w.out_s < {late_s})
        GROUP BY w.about HAVING count(DISTINCT f.date) < 13 LIMIT 5""",
    "of a post that is seen to be gone nothing is written after, but once a week": """
        SELECT f.post_key, count(DISTINCT f.date) FROM {post_facts} f JOIN world w ON w.about = f.post_key
        WHERE w.gone_s IS NOT NULL AND {date_s} > w.gone_s + 86400 AND w.special <> 'no scope'
          AND NOT w.private -- TikTok shows none of those, there or not
        GROUP BY f.post_key, w.told
        HAVING count(DISTINCT f.date) > CASE WHEN w.told THEN 0 ELSE 13 END LIMIT 5""",
    "an account's number lacks for a reason of the account": """
        SELECT f.account_key, f.date, f.metric, f.availability, f.reason FROM {account_facts} f
        JOIN world w ON w.about = f.account_key
        WHERE f.value IS NULL
          AND NOT (f.availability = 'no_permission' AND w.special = 'no scope')
          AND NOT (f.availability = 'too_few' AND w.special = 'few')
          AND NOT (f.availability = 'retired' AND {read_s} >= {retired_s}
                   AND f.metric IN ('reposts', 'page_views_total'))
          AND NOT (f.availability = 'not_yet' AND w.platform IN ('instagram', 'facebook')
                   AND f.date >= {last_days})
          AND NOT (f.availability = 'missed' AND w.special = 'bad token'
                   AND f.date BETWEEN {bad_from} AND {bad_to})
          AND NOT (f.availability = 'missed' AND w.special = 'not run'
                   AND f.date BETWEEN {gap_from} AND {gap_to})
          AND NOT (f.availability IN ('missed', 'ended') AND w.special = 'late start' AND f.date < {late})
        LIMIT 5""",
}
"""Queries of what must not be: each finds nothing."""

SOME = {
    f"there is something {availability}": f"""
        SELECT count(*) FROM {{post_facts}} WHERE availability = '{availability}'"""
    for availability in (
        "measured",
        "gone",
        "ended",
        "retired",
        "no_permission",
        "too_few",
        "not_yet",
        "missed",
    )
} | {
    "most of what could be read was": """
        SELECT count(*) - 100 * (SELECT count(*) FROM {posts}) FROM {post_facts} WHERE value IS NOT NULL""",
    "a post ended with the number of its last hours": """
        SELECT count(*) FROM {post_facts} f JOIN world w ON w.about = f.post_key
        WHERE f.value IS NOT NULL AND (w.format = 'story' OR w.gone_s IS NOT NULL)
          AND {read_s} < {date_s} + 14 * 3600""",
    "days of the gap are told by date where a platform does": """
        SELECT count(*) FROM {account_facts} f JOIN world w ON w.about = f.account_key
        WHERE w.special = 'not run' AND f.date BETWEEN {gap_from} AND {gap_to} AND f.value IS NOT NULL""",
}
