"""A simulated quarter: fifty accounts on all platforms and in all kinds of zones, thousands of posts, ninety
days; and what must be true of the numbers that were collected, as SQL.

The sandbox has a process of its own, and its clock stands wherever the quarter is. What is true at an instant
it tells for all instants at once (`GET /_sandbox/numbers`), which is asked for at the end.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.analytics.collect import Means, collect_day, read_young
from schedulo.analytics.days import accounts_of, day_of, due, last_ended, window
from schedulo.errors import PlatformError
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries
from schedulo.ledger.warehouse import Warehouse, warehouse_of
from schedulo.measures import Subject
from schedulo.model import Content, Format, Platform, State
from schedulo.platforms import CONVERSATIONS, MEASURES
from schedulo.settings import Settings
from schedulo.transport.wire import Wire
from tests.schedulo.analytics.stand import SERVICES, delivery

DAY_S = 86_400
START = datetime(2026, 9, 1, tzinfo=UTC)
"""European clocks go back on October 25th, American ones on November 1st, Lord Howe's forward on
October 4th."""
DAYS = 90
TICKS = (timedelta(minutes=30), timedelta(hours=12, minutes=30))
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Kiritimati",  # UTC+14
    "Etc/GMT+12",  # UTC-12
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Tokyo",
    "Pacific/Chatham",
)
FORMATS = {
    Platform.X: {Format.TEXT: "text", Format.IMAGE: "photo", Format.VIDEO: "video"},
    Platform.TIKTOK: {Format.VIDEO: "video"},
    Platform.INSTAGRAM: {
        Format.IMAGE: "image",
        Format.CAROUSEL: "carousel",
        Format.REEL: "reel",
        Format.STORY: "story",
    },
    Platform.FACEBOOK: {
        Format.TEXT: "feed",
        Format.IMAGE: "photo",
        Format.IMAGES: "photos",
        Format.VIDEO: "video",
        Format.REEL: "reel",
    },
}
LAG_H = 30
"""Meta tells nothing of a post, or of a day, for so long."""
RETIRED_AT = START + timedelta(days=45, hours=6)
RETIRED = {"reposts", "post_clicks", "page_views_total"}
"""Meta's names; from then on each of them fails the call that names it."""
BAD_TOKEN = range(30, 34)
"""Days on which the login of one account is refused."""
NOT_RUN = range(20, 28)
"""Days on which some accounts are never asked."""
LATE_START = 10
"""Some accounts are asked from this day on only."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and what is special about it."""

    platform: Platform
    account_id: str
    zone: str
    special: str = ""

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.account_id}"


@dataclass(frozen=True, slots=True)
class Planned:
    """A post of the quarter."""

    id: str
    person: Person
    format: Format
    post_id: str
    at_s: float
    gone_s: float | None = None
    told: bool = False
    """Whether the ledger learns that it is gone, when it is."""
    tiny: bool = False
    """Fewer than five people see it."""
    private: bool = False


def people(count: int) -> list[Person]:
    """All platforms in turn; the first of each have something special."""
    special = {
        Platform.X: ["bad token", "not run", "late start"],
        Platform.TIKTOK: ["no scope", "not run", "late start"],
        Platform.INSTAGRAM: ["no scope", "few", "not run", "late start", "instagram login"],
        Platform.FACEBOOK: ["no scope", "few", "not run", "late start"],
    }
    found = []
    for number in range(count):
        platform = tuple(special)[number % 4]
        waiting = special[platform]
        account_id = f"{178414 if platform is Platform.INSTAGRAM else 1000}{number:06}"
        zone = ZONES[(number // 4 + 3 * (number % 4)) % len(ZONES)]
        found.append(Person(platform, account_id, zone, waiting.pop(0) if waiting else ""))
    return found


def plan(persons: Sequence[Person], count: int) -> list[Planned]:
    """Posts spread over the quarter, by chance that is always the same."""
    chance = random.Random(5)
    found = []
    for number in range(count):
        person = persons[number % len(persons)]
        format_ = chance.choice(list(FORMATS[person.platform]))
        at_s = START.timestamp() + chance.random() * (DAYS - 1) * DAY_S
        gone = chance.random() < 0.04
        post_id = str(1_900_000_000_000_000_000 + number)
        if person.platform is Platform.FACEBOOK:
            post_id = f"{person.account_id}_{post_id}"
        found.append(
            Planned(
                f"d{number:05}",
                person,
                format_,
                post_id,
                at_s,
                at_s + (2 + 200 * chance.random()) * 3600 if gone else None,
                gone and chance.random() < 0.5,
                format_ is Format.STORY and chance.random() < 0.5,
                person.platform is Platform.TIKTOK and chance.random() < 0.05,
            )
        )
    return sorted(found, key=lambda post: post.at_s)


@dataclass
class Quarter:
    ledger: Ledger
    sandbox: RunningSandbox
    persons: list[Person]
    posts: list[Planned]
    settings: Settings = field(default_factory=lambda: Settings(analytics_young="24h:12h"))
    now_s: float = START.timestamp() - DAY_S
    calls: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Accounts that could not be read, and when."""
    _out: int = 0

    @property
    def house(self) -> Warehouse:
        return warehouse_of(self.ledger.engine)

    # --- the world ---

    def lay_out(self) -> None:
        """Put all accounts and posts on the air, each at its time."""
        self.sandbox.stop_clock(self.now_s)
        self.sandbox.switch(meta_insights_lag_h=str(LAG_H))
        rows: dict[str, list[Any]] = {"x": [], "tiktok": [], "instagram": [], "facebook": []}
        for person in self.persons:
            rows[person.platform].append(_seed_account(person))
        self.sandbox.seed({"tiktok": {"clients": [{"client_key": "k", "client_secret": "s"}]}})
        for platform, seeded in rows.items():
            self.sandbox.seed({platform: {"pages" if platform == "facebook" else "accounts": seeded}})
        for start in range(0, len(self.posts), 500):
            some = self.posts[start : start + 500]
            for platform in rows:
                seeded = [_seed_post(post) for post in some if post.person.platform == platform]
                self.sandbox.seed({platform: {"posts": seeded}})
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(accounts), [_account(person) for person in self.persons])

    def go(self, to: datetime) -> None:
        """Move the clock; the ledger learns what went out, and what was taken down."""
        before, self.now_s = self.now_s, to.timestamp()
        self.sandbox.stop_clock(self.now_s)
        if before < RETIRED_AT.timestamp() <= self.now_s:
            self.sandbox.switch(meta_retired_metrics=",".join(sorted(RETIRED)))
        rows = []
        while self._out < len(self.posts) and self.posts[self._out].at_s <= self.now_s:
            rows.append(_delivery(self.posts[self._out]))
            self._out += 1
        with self.ledger.begin() as connection:
            if rows:
                connection.execute(sa.insert(deliveries), rows)
            for post in self.posts[: self._out]:
                if post.told and post.gone_s is not None and before < post.gone_s <= self.now_s:
                    gone_ms = int(post.gone_s * 1000)
                    values = {"state": State.TAKEN_DOWN, "removed_ms": gone_ms, "updated_ms": gone_ms}
                    connection.execute(
                        sa.update(deliveries).where(deliveries.c.id == post.id).values(**values)
                    )

    # --- collecting ---

    def run(self) -> None:
        """Ninety days and the night after them, as the two Dags would."""
        for number in range(DAYS + 1):
            for tick in TICKS:
                self.go(START + timedelta(days=number) + tick)
                asyncio.run(self._tick(number))

    async def _tick(self, number: int) -> None:
        now_ms = int(self.now_s * 1000)
        with self.ledger.read() as connection:
            works = [
                (one.account_key, one.dates, one.young) for one in due(connection, now_ms, self.settings)
            ]
            if self.now_s % DAY_S > DAY_S / 2:  # collect_analytics, for the day before
                day = (START + timedelta(days=number - 1)).date()
                works += [(key, (day,), False) for key in accounts_of(connection, day, self.settings)]
        await self._work([work for work in works if self._runs(work[0], number)], now_ms)

    def _runs(self, key: str, number: int) -> bool:
        person = next(person for person in self.persons if person.key == key)
        match person.special:
            case "not run":
                return number not in NOT_RUN
            case "late start":
                return number >= LATE_START
        return True

    def again(self) -> None:
        """Every day of the quarter, of every account, once more: a backfill from its beginning to its end."""
        now_ms = int(self.now_s * 1000)
        dates = [START.date() + timedelta(days=number) for number in range(-1, DAYS + 1)]
        works = []
        for person in self.persons:
            ended = last_ended(person.zone, now_ms)
            works.append((person.key, tuple(day for day in dates if day <= ended), False))
        asyncio.run(self._work(works, now_ms))

    async def _work(self, works: Sequence[tuple[str, tuple[date, ...], bool]], now_ms: int) -> None:
        means, places = self._means(), asyncio.Semaphore(3)
        zones = {person.key: person.zone for person in self.persons}

        async def one(key: str, days: Sequence[date], young: bool) -> None:
            async with places:
                try:
                    for day in days:
                        if day <= last_ended(zones[key], now_ms):
                            found = await collect_day(means, key, day, now_ms)
                            self.calls[key] += found.calls
                    if young:
                        self.calls[key] += (await read_young(means, key, now_ms)).calls
                except PlatformError:
                    self.refused.append((key, datetime.fromtimestamp(self.now_s, UTC).date().isoformat()))

        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(one(*work))

    def _means(self) -> Means:
        bad = {person.key for person in self.persons if person.special == "bad token"}
        number = int((self.now_s - START.timestamp()) // DAY_S)

        def token(key: str) -> str:
            return "another" if key in bad and number in BAD_TOKEN else f"token-{key.partition(':')[2]}"

        bases = {name: self.sandbox.service(name) for name in SERVICES}
        wire = Wire(bases, token, lambda _slice: None)
        return Means(self.ledger, wire, self.settings, MEASURES, CONVERSATIONS, patience_s=0.5)

    # --- what is true ---

    def keep_truth(self) -> None:
        """Tables `truth` (what the sandbox knows of each number at the instant when it was read, and of each
        day alone) and `world` (what is special about posts and accounts)."""
        with self.ledger.begin() as connection:
            for table in (TRUTH, WORLD):
                table.drop(connection, checkfirst=True)
                table.create(connection)
            empty = dict.fromkeys(WORLD.c.keys())
            connection.execute(sa.insert(WORLD), [empty | row for row in self._world()])
        for moment, keys in sorted(self._readings().items()):
            rows = [
                {"about": about, "metric": metric, "at_s": moment, "value": value}
                for (about, metric), value in self._true_at(moment).items()
                if about in keys
            ]
            with self.ledger.begin() as connection:
                connection.execute(sa.insert(TRUTH), rows)
        rows = list(self._true_days())
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(TRUTH), rows)

    def _readings(self) -> dict[int, set[str]]:
        """By instant (epoch seconds): what numbers were read then that stand in the facts."""
        found: dict[int, set[str]] = {}
        posts, persons = self.house.post_metrics_daily.c, self.house.account_metrics_daily.c
        for key, moment in (
            (posts.post_key, posts.collected_at),
            (persons.account_key, persons.collected_at),
        ):
            with self.ledger.read() as connection:
                for row in connection.execute(sa.select(key, moment).where(moment.is_not(None)).distinct()):
                    found.setdefault(int(row[1].timestamp()), set()).add(row[0])
        return found

    def _true_at(self, moment: int) -> dict[tuple[str, str], float]:
        ids = {(post.person.platform.value, post.post_id): post for post in self.posts}
        found = {}
        for row in self.sandbox.numbers(moment):
            if "date" in row:
                continue
            if row["post_id"] is None:
                about = f"{row['platform']}:{row['account_id']}"
                names = NAMES.get((row["platform"], None, row["metric"]), ())
            else:
                post = ids[row["platform"], row["post_id"]]
                about = post.id
                names = NAMES.get((row["platform"], post.format.value, row["metric"]), ())
            for name in names:
                found[about, name] = row["value"]
        return found

    def _true_days(self) -> Iterator[dict[str, Any]]:
        """Numbers of one day alone: at noon in UTC each day of each zone is another's, so every six hours."""
        known: dict[tuple[str, str, str], float] = {}
        for number in range(4 * (DAYS + 3)):
            moment = START.timestamp() - DAY_S + number * DAY_S / 4
            for row in self.sandbox.numbers(moment):
                if "date" in row:
                    about = f"{row['platform']}:{row['account_id']}"
                    for name in NAMES.get((row["platform"], None, row["metric"]), ()):
                        known[about, name, row["date"]] = row["value"]
        for (about, name, day), value in known.items():
            yield {"about": about, "metric": name, "day": date.fromisoformat(day), "value": value}

    def _world(self) -> Iterator[dict[str, Any]]:
        for person in self.persons:
            yield {"about": person.key, "platform": person.platform.value, "special": person.special}
        for post in self.posts:
            yield {
                "about": post.id,
                "platform": post.person.platform.value,
                "special": post.person.special,
                "format": post.format.value,
                "out_s": post.at_s,
                "gone_s": post.gone_s,
                "told": post.told,
                "tiny": post.tiny,
                "private": post.private,
            }

    def snapshot(self, name: str) -> None:
        """Keep what was measured, to compare with later."""
        with self.ledger.begin() as connection:
            for table in self._measured():
                connection.exec_driver_sql(
                    f"CREATE TABLE {name}_{table.name} AS SELECT * FROM {_named(table)}"
                )

    def differences(self, name: str) -> dict[str, int]:
        """Rows that are not the same as in a snapshot, by table."""
        found = {}
        with self.ledger.read() as connection:
            for table in self._measured():
                now, then = _named(table), f"{name}_{table.name}"
                found[table.name] = connection.exec_driver_sql(
                    f"SELECT (SELECT count(*) FROM (SELECT * FROM {now} EXCEPT SELECT * FROM {then}) AS a)"
                    f" + (SELECT count(*) FROM (SELECT * FROM {then} EXCEPT SELECT * FROM {now}) AS b)"
                ).scalar_one()
        return found

    def changed(self, name: str) -> set[str]:
        """What is special about the accounts of which a fact of a snapshot is not there any more; Meta's last
        days may still have been corrected."""
        found: set[str] = set()
        with self.ledger.read() as connection:
            for table, key in zip(self._measured()[:2], ("post_key", "account_key"), strict=True):
                query = (
                    f"SELECT DISTINCT w.special FROM (SELECT * FROM {name}_{table.name} EXCEPT "
                    f"SELECT * FROM {_named(table)}) AS gone JOIN world w ON w.about = gone.{key} "
                    f"WHERE gone.date < {_day(DAYS - 4)}"
                )
                found |= set(connection.execute(sa.text(query)).scalars())
        return found

    def out_of_time(self) -> list[Any]:
        """Numbers of days that were read neither between the end of the day and that of the next nor, of what
        is over by then, within the day itself."""
        zones = {person.key: person.zone for person in self.persons}
        facts, persons = self.house.post_metrics_daily, self.house.account_metrics_daily
        f, p, a = facts.c, self.house.posts.c, persons.c
        for_a_month = f.metric.in_(["clicks", "user_profile_clicks", "engagements"]) | f.metric.like(
            "playback%"
        )
        of_posts = (
            sa.select(f.post_key, p.account_key, f.date, f.collected_at, for_a_month)
            .join_from(facts, self.house.posts, p.post_key == f.post_key)
            .where(f.value.is_not(None))
        )
        of_accounts = sa.select(a.account_key, a.account_key, a.date, a.collected_at, a.metric).where(
            a.value.is_not(None)
        )
        ends = {post.id for post in self.posts if post.gone_s is not None or post.format is Format.STORY}
        found = []
        with self.ledger.read() as connection:
            for key, account, day, read_at, ending in connection.execute(of_posts.distinct()):
                start_ms, end_ms = window(zones[account], day)
                if key in ends or (account.startswith("x:") and ending):
                    start_ms = day_of(zones[account], day).start_ms
                if not start_ms <= read_at.timestamp() * 1000 < end_ms:
                    found.append((key, day, read_at))
            for key, account, day, read_at, metric in connection.execute(of_accounts):
                start_ms, end_ms = window(zones[account], day)
                late = (account.partition(":")[0], metric) in BY_DATE
                if not start_ms <= read_at.timestamp() * 1000 < (float("inf") if late else end_ms):
                    found.append((key, day, read_at))
        return found

    def _measured(self) -> Sequence[sa.Table]:
        house = self.house
        facts = (house.post_metrics_daily, house.account_metrics_daily)
        return (*facts, house.post_readings, house.refusals, house.posts, house.accounts, house.watched_posts)

    def ask(self, query: str) -> list[Any]:
        """SQL with the warehouse's tables in braces."""
        names = {
            "posts": _named(self.house.posts),
            "accounts": _named(self.house.accounts),
            "metrics": _named(self.house.metrics),
            "post_facts": _named(self.house.post_metrics_daily),
            "account_facts": _named(self.house.account_metrics_daily),
            "retired_s": RETIRED_AT.timestamp(),
            "end_s": self.now_s,
            "lag_s": LAG_H * 3600,
            "bad_from": _day(min(BAD_TOKEN) - 1),
            "bad_to": _day(max(BAD_TOKEN)),
            "gap_from": _day(min(NOT_RUN) - 1),
            "gap_to": _day(max(NOT_RUN)),
            "late": _day(LATE_START),
            "late_s": START.timestamp() + LATE_START * DAY_S,
            "last_days": _day(DAYS - 2),
        }
        second = "CAST(strftime('%s', {}) AS INTEGER)"
        if not self.ledger.is_sqlite:
            second = "CAST(extract(epoch FROM {}) AS bigint)"
        names |= {"read_s": second.format("f.collected_at"), "date_s": second.format("f.date")}
        with self.ledger.read() as connection:
            return list(connection.execute(sa.text(query.format(**names))))


METADATA = sa.MetaData()
TRUTH = sa.Table(
    "truth",
    METADATA,
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("at_s", sa.BigInteger),
    sa.Column("day", sa.Date),
    sa.Column("value", sa.Numeric(asdecimal=False), nullable=False),
    sa.Index("ix_truth", "about", "metric", "at_s", "day"),
)
WORLD = sa.Table(
    "world",
    METADATA,
    sa.Column("about", sa.Text, primary_key=True),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("special", sa.Text, nullable=False),
    sa.Column("format", sa.Text),
    sa.Column("out_s", sa.Float),
    sa.Column("gone_s", sa.Float),
    sa.Column("told", sa.Boolean),
    sa.Column("tiny", sa.Boolean),
    sa.Column("private", sa.Boolean),
)


def _names() -> dict[tuple[str, str | None, str], tuple[str, ...]]:
    """By platform, format (None: of the account) and the platform's name: ours."""
    found: dict[tuple[str, str | None, str], tuple[str, ...]] = {}
    for platform, measure in MEASURES.items():
        for metric in measure.metrics:
            formats: Sequence[Any] = [None]
            if metric.subject is Subject.POST:
                formats = [format_.value for format_ in metric.formats or Format]
            for format_ in formats:
                key = platform.value, format_, metric.native
                found[key] = (*found.get(key, ()), str(metric.name))
    return found


NAMES = _names()
BY_DATE = {
    (metric.platform.value, str(metric.name))
    for measure in MEASURES.values()
    for metric in measure.metrics
    if metric.by_date and metric.subject is Subject.ACCOUNT
}
"""Numbers of accounts that are told of past days too."""


def _day(number: int) -> str:
    """A date of the quarter, in SQL."""
    return f"'{START.date() + timedelta(days=number)}'"


def _named(table: sa.Table) -> str:
    return f"{table.schema}.{table.name}" if table.schema else table.name


def _account(person: Person) -> dict[str, Any]:
    login = "instagram_login" if person.special == "instagram login" else "facebook_login"
    return {
        "key": person.key,
        "platform": person.platform,
        "account_id": person.account_id,
        "name": f"user{person.account_id}",
        "timezone": person.zone,
        "options": {"login": login} if person.platform is Platform.INSTAGRAM else {},
        "updated_ms": 0,
    }


def _seed_account(person: Person) -> dict[str, Any]:
    token, name = f"token-{person.account_id}", f"user{person.account_id}"
    far = (START + timedelta(days=900)).timestamp()
    row: dict[str, Any] = {"account_id": person.account_id, "username": name, "token": token}
    match person.platform:
        case Platform.X:
            return row | {"limits": "off"}
        case Platform.TIKTOK:
            scopes = {"scopes": "video.publish,user.info.basic"} if person.special == "no scope" else {}
            return row | {"limits": "off", "client_key": "k"} | scopes
        case Platform.INSTAGRAM:
            by_instagram = person.special == "instagram login"
            row |= {"flavour": "instagram_login" if by_instagram else "facebook_login"}
            row |= {"timezone": person.zone, "token_expires_at": far}
            if person.special == "no scope":
                row |= {"scopes": ["instagram_basic", "pages_show_list", "pages_read_engagement"]}
            return row | ({"followers": 50} if person.special == "few" else {})
    page = {"page_id": person.account_id, "name": name, "page_token": token}
    if person.special == "no scope":
        page |= {"scopes": ["pages_show_list", "pages_manage_posts", "pages_read_engagement"]}
    return page | ({"likes": 50} if person.special == "few" else {})


def _seed_post(post: Planned) -> dict[str, Any]:
    row = {
        "account_id": post.person.account_id,
        "post_id": post.post_id,
        "kind": FORMATS[post.person.platform][post.format],
        "published_at": post.at_s,
    }
    if post.gone_s is not None:
        row["gone_at"] = post.gone_s
    if post.tiny:
        row["scale"] = 0.0
    if post.private:
        row["privacy"] = "SELF_ONLY"
    if post.person.platform is Platform.FACEBOOK and post.format in (Format.VIDEO, Format.REEL):
        row["video_id"] = f"55{post.post_id.partition('_')[2]}"
    return row


def _delivery(post: Planned) -> dict[str, Any]:
    options = {"privacy_level": "SELF_ONLY" if post.private else "PUBLIC_TO_EVERYONE"}
    content = Content(post.format, f"text of {post.id}", options=options)
    row = delivery(post.id, post.person.key, post.at_s, post.format, post.post_id)
    return row | {"content": content.to_json()}
