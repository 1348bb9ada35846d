"""Many deliveries side by side in one publisher, each on an account of its own and with a trouble of its own.

Waiting is what takes time in these scripts, so all wait together. A crowd is looked at twice: when the first
session of each has come to its end, and after everything that waits was let go on.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.delivery.holds import in_force, lift
from schedulo.errors import KINDS, Kind
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries, outcomes, writes
from schedulo.model import Content, Format, Media, MediaKind, State
from schedulo.settings import Settings
from tests.sandbox.meta.conftest import jpeg, mp4
from tests.schedulo.publishing.stage import Stage

SETTINGS = Settings(
    window_s=3.0,
    kernel_s=3.0,
    late_s=0.2,
    lag_s=0.2,
    quiet_s=7.0,
    holder_silent_s=30.0,
    beat_s=1.0,
    account_gap_s=0.0,
    max_claims=2000,
)
"""The law Q > W + K + S + L, scaled down, with a window and a kernel's time that a busy machine keeps to."""
FIRST_S = 150.0
"""How long the first sessions may take; those that wait for longer are let go of."""
LAST_S = 180.0
"""How long all the others together."""
DONE = {State.PUBLISHED, State.FAILED, State.UNRESOLVED, State.WAITING_IN_APP, State.MISSED, State.CANCELLED}


@dataclass(frozen=True, slots=True, eq=False)
class Post:
    """A kind of post, and the requests of it that may be answered badly."""

    platform: str
    service: str
    form: Format
    begins: str
    """The route of its first request."""
    commits: str
    looks: str
    """The route that is asked what became of it."""
    looks_before: int = 0
    """How often that route is asked before the commit."""
    seed: str = ""
    media: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def begin(self, mode: str, route: str = "", **more: Any) -> dict[str, Any]:
        """A fault of a request that prepares it."""
        return {"service": self.service, "method": "P*", "route": route or self.begins, "mode": mode, **more}

    def commit(self, mode: str) -> dict[str, Any]:
        """A fault of the request that publishes it."""
        return {"service": self.service, "method": "P*", "route": self.commits, "mode": mode}

    def look(self, mode: str) -> dict[str, Any]:
        """A fault of the request that asks what became of it."""
        method = "POST" if self.service == "tiktok" else "GET"
        fault = {"service": self.service, "method": method, "route": self.looks, "mode": mode}
        return fault | {"after": self.looks_before}


IG_IMAGE = Post(
    "instagram", "instagram", Format.IMAGE, "media", "media_publish", "container", 1, "accounts", "jpeg"
)
FB_TEXT = Post("facebook", "facebook", Format.TEXT, "feed", "post", "post", 1, "pages")
FB_IMAGE = replace(FB_TEXT, form=Format.IMAGE, begins="photos", commits="feed", looks="published_posts")
FB_IMAGE = replace(FB_IMAGE, looks_before=0, media="jpeg")
FB_VIDEO = Post(
    "facebook",
    "facebook",
    Format.VIDEO,
    "videos:start",
    "videos:finish",
    "video",
    seed="pages",
    media="mp4",
)
FB_REEL = replace(FB_VIDEO, form=Format.REEL, begins="video_reels:start", commits="video_reels:finish")
X_TEXT = Post("x", "x", Format.TEXT, "", "create_post", "timeline", seed="accounts")
X_IMAGE = replace(X_TEXT, form=Format.IMAGE, begins="upload_initialize", media="jpeg")
X_VIDEO = replace(X_TEXT, form=Format.VIDEO, begins="upload_initialize", media="mp4")
TIKTOK_FILE = Post(
    "tiktok",
    "tiktok",
    Format.VIDEO,
    "creator_info",
    "upload",
    "status",
    seed="accounts",
    media="mp4",
    options={"privacy_level": "PUBLIC_TO_EVERYONE"},
)
TIKTOK_PULL = replace(TIKTOK_FILE, commits="video_init", settings={"tiktok_source": "pull"})
TIKTOK_CHUNKS = replace(TIKTOK_FILE, begins="upload", media="big mp4")


@dataclass(frozen=True, slots=True)
class Case:
    """One delivery: what it is, and the faults that it meets."""

    id: str
    post: Post
    faults: tuple[dict[str, Any], ...] = ()
    alone: bool = False
    """It may hold a whole platform: no other case of the platform may be beside it in the ledger."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ledger and the platform say of a delivery at one time."""

    row: Any
    writes: tuple[str, ...]
    """The states of its writes, oldest first."""
    outcomes: tuple[str, ...]
    """All that was ever found out about its writes, in that order."""
    story: str
    hold: Any
    """The hold that an error set and that stops it, or None."""
    live: int
    at_ms: int

    def tells(self, kind: Kind) -> bool:
        """Whether people were told of this kind."""
        said = " ".join((self.story, self.row.reason, self.hold.reason if self.hold else ""))
        return all(part in said for part in KINDS[kind].sentence.split("{platform}"))


@dataclass(frozen=True, slots=True)
class Result:
    first: Seen
    last: Seen


@cache
def _big() -> bytes:
    """A video in two chunks; what pads it out, players skip."""
    content, padding = mp4(3.2), 11 * 1024 * 1024
    return content + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8)


def _media(stage: Stage, post: Post) -> tuple[Media, ...]:
    if not post.media:
        return ()
    content = {"jpeg": lambda: jpeg(540, 540), "mp4": lambda: mp4(3.2), "big mp4": _big}[post.media]()
    kept = stage.file(content)
    if kept.kind is MediaKind.VIDEO:
        kept = replace(kept, width=540, height=960, duration_ms=3200)
    return (replace(kept, alt_text="a field") if kept.kind is MediaKind.IMAGE else kept,)


def _account(post: Post, account_id: str) -> dict[str, Any]:
    token = f"token-{account_id}"
    if post.platform == "facebook":
        return {"page_id": account_id, "name": f"Page {account_id}", "page_token": token}
    common = {"account_id": account_id, "username": f"user{account_id}", "token": token}
    return common | ({} if post.platform == "instagram" else {"limits": "off"})


def together(cases: list[Case], folder: Path, sandbox: RunningSandbox) -> dict[str, Result]:
    """Publish them all, in as few ledgers as they can share; what was seen of each, by its id."""
    groups: dict[Any, list[Case]] = {}
    counts: Counter[Any] = Counter()
    for case in cases:
        settings = tuple(case.post.settings.items())
        counts[settings, case.post.platform] += case.alone
        wave = counts[settings, case.post.platform] if case.alone else 0
        groups.setdefault((settings, wave), []).append(case)
    stages = [Stage(_ledger(folder / f"{number}.db"), sandbox) for number in range(len(groups))]
    numbers = itertools.count(17_000_000_000_000)
    try:
        with ThreadPoolExecutor(len(groups)) as threads:
            jobs = [
                threads.submit(run, stage, group, {case.id: str(next(numbers)) for case in group})
                for stage, group in zip(stages, groups.values(), strict=True)
            ]
            return {id_: result for job in jobs for id_, result in job.result().items()}
    finally:
        for stage in stages:
            stage.close()
            stage.ledger.close()


def _ledger(path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{path}")
    ledger.migrate()
    return ledger


def run(stage: Stage, cases: list[Case], mine: dict[str, str]) -> dict[str, Result]:
    """Publish the cases of one ledger, on the accounts `mine`."""
    stage.settings = replace(SETTINGS, **cases[0].post.settings)
    assert all(case.post.settings == cases[0].post.settings for case in cases), "one publisher, one setting"
    stage.sandbox.switch(
        ig_processing_polls="0",
        fb_processing_polls="0",
        x_processing_polls="0",
        tiktok_processing_polls="0",
        tiktok_id_lag_polls="0",
    )
    media: dict[str, tuple[Media, ...]] = {}
    seeds: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for case in cases:
        service = seeds.setdefault(case.post.platform, {case.post.seed: []})
        service[case.post.seed].append(_account(case.post, mine[case.id]))
        if case.post.media not in media:
            media[case.post.media] = _media(stage, case.post)
    if "tiktok" in seeds:
        prefixes = [stage.sandbox.service("media")]
        client = {"client_key": "key", "client_secret": "secret", "verified_prefixes": prefixes}
        seeds["tiktok"]["clients"] = [client]  # type: ignore[assignment]
    stage.sandbox.seed(seeds)
    stage.sandbox.faults([{"account_id": mine[case.id], **fault} for case in cases for fault in case.faults])
    ids = {
        case.id: stage.plan(
            f"post {number}",
            mine[case.id],
            due_in_s=4.0 + number * 0.01,
            platform=case.post.platform,
            content=Content(
                case.post.form, f"post {number}", media[case.post.media], options=case.post.options
            ),
            account_options={"login": "instagram_login"} if case.post.platform == "instagram" else {},
        )
        for number, case in enumerate(cases)
    }
    publisher = stage.publisher()
    claims = stage.tick("run-0")
    assert len(claims) == len(cases)
    sessions = [publisher.work_on("run-0", number, f"ti-{number}") for number in range(len(claims))]
    wait(sessions, FIRST_S)
    first = _seen(stage, ids, mine)
    publisher.close()
    publisher = stage.publisher()
    until = time.monotonic() + LAST_S
    for number in itertools.count(1):
        if not _let_go_on(stage) or time.monotonic() > until:
            break
        claims = stage.tick(f"run-{number}")
        run_id = f"run-{number}"
        wait([publisher.work_on(run_id, place, f"{run_id}-{place}") for place in range(len(claims))], FIRST_S)
        time.sleep(0.5)
    last = _seen(stage, ids, mine)
    return {id_: Result(first[id_], last[id_]) for id_ in ids}


def _let_go_on(stage: Stage) -> bool:
    """Nothing holds the waiting any more and their time has come; False: nobody waits."""
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        for hold in in_force(connection, now_ms):
            lift(connection, now_ms, hold.scope, hold.key, "test")
        waiting = deliveries.c.state.notin_(DONE)
        connection.execute(sa.update(deliveries).where(waiting).values(fire_ms=now_ms))
        count = connection.execute(sa.select(sa.func.count()).select_from(deliveries).where(waiting))
        return bool(count.scalar_one())


def _seen(stage: Stage, ids: dict[str, str], mine: dict[str, str]) -> dict[str, Seen]:
    live = Counter(post["account_id"] for post in stage.sandbox.posts())
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        holds = {hold.key: hold for hold in in_force(connection, now_ms) if hold.error_kind}
        rows = {row.id: row for row in connection.execute(sa.select(deliveries))}
        states: dict[str, list[str]] = {}
        for row in connection.execute(sa.select(writes).order_by(writes.c.delivery_id, writes.c.fence)):
            states.setdefault(row.delivery_id, []).append(row.state)
        found: dict[str, list[str]] = {}
        query = (
            sa.select(writes.c.delivery_id, outcomes.c.state)
            .join(outcomes, outcomes.c.write_id == writes.c.id)
            .order_by(outcomes.c.id)
        )
        for row in connection.execute(query):
            found.setdefault(row.delivery_id, []).append(row.state)
    return {
        case: Seen(
            rows[id_],
            tuple(states.get(id_, ())),
            tuple(found.get(id_, ())),
            stage.story(id_),
            holds.get(rows[id_].account_key) or holds.get(rows[id_].platform),
            live[mine[case]],
            now_ms,
        )
        for case, id_ in ids.items()
    }
