"""Checks that ask the ledger: itself, the queue, lateness, workflows, logins."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.schema import PLATFORM_WORDS
from schedulo.clock import iso
from schedulo.clock import now_ms as local_ms
from schedulo.delivery.breakers import Cause, Stands
from schedulo.delivery.holds import LOGINS, InForce, Scope, in_force
from schedulo.delivery.mode import ModeError, agree, sentence
from schedulo.delivery.restored import TICK
from schedulo.errors.kinds import Actor
from schedulo.health.findings import Finding, Limits, Means, Status
from schedulo.ledger import marks
from schedulo.ledger.database import LedgerError
from schedulo.ledger.outages import breakers
from schedulo.ledger.tables import IS_OUT, accounts, credentials, deliveries, outbox, writes
from schedulo.model import State, WriteState
from schedulo.vault import Vault, VaultError
from schedulo.words import counted

_D = deliveries.c
SKEW = Limits(2.0, 5.0, "s")
QUEUE = Limits(60.0, 180.0, "s")
STUCK = Limits(900.0, 3600.0, "s")
PROCESSING = Limits(3600.0, 86_400.0, "s")
OUTBOX = Limits(300.0, 1800.0, "s")
LATENESS = Limits(5.0, 60.0, "s")
HOUR_MS = 3_600_000
LISTED = 5
"""So many names are in a sentence at the most."""


def ledger(means: Means) -> Iterator[Finding]:
    """Whether it answers, has the schema of this program, and tells the same time as this machine."""
    began = time.monotonic()
    try:
        means.ledger.check()
        with means.ledger.read() as connection:
            before_ms = local_ms()
            theirs_ms = means.ledger.now_ms(connection)
            ours_ms = (before_ms + local_ms()) / 2
    except LedgerError as error:
        yield Finding("ledger", Status.RED, str(error))
        return
    except (sa.exc.SQLAlchemyError, OSError) as error:
        yield Finding("ledger", Status.RED, unreachable(error))
        return
    took_s = time.monotonic() - began
    yield Finding("ledger", Status.GREEN, "It answers and has the right schema.", round(took_s, 3), "s")
    skew_s = (theirs_ms - ours_ms) / 1000
    yield skewed("ledger_clock", skew_s, "the ledger's database")


def unreachable(error: Exception) -> str:
    """Names no address: it holds a password."""
    return (
        f"The ledger cannot be reached ({type(error).__name__}): nothing can go out. The operator starts its "
        "database, or corrects SCHEDULO_LEDGER_URL."
    )


def skewed(name: str, skew_s: float, whose: str) -> Finding:
    """What the difference of two clocks means. :param skew_s: theirs less ours"""
    status = SKEW.status(abs(skew_s))
    said = "agrees with" if status is Status.GREEN else f"is {abs(skew_s):.1f} s off from"
    todo = (
        "" if status is Status.GREEN else " Posts leave off their second; the operator has NTP set the clock."
    )
    return Finding(name, status, f"This machine's clock {said} that of {whose}.{todo}", round(skew_s, 3), "s")


def queue(means: Means) -> Iterator[Finding]:
    """Posts whose second is past and that nothing holds; posts that are between sent and known; how long
    Airtable has not been told."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        holds = InForce(in_force(connection, now_ms))
        waiting = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED)
        due = sa.select(_D.platform, _D.account_key, _D.post_id, _D.fire_ms, _D.label).where(
            _D.state.in_(waiting), _D.ready, _D.fire_ms < now_ms, _D.approval == ""
        )
        rows = connection.execute(due.order_by(_D.fire_ms).limit(10_000))
        overdue = [
            row for row in rows if holds.on(row.platform, row.account_key, row.fire_ms, row.post_id) is None
        ]
        yield _queue(overdue, now_ms)
        since = sa.func.min(sa.func.coalesce(_D.sent_ms, _D.updated_ms))
        for name, states, limits, what in (
            ("stuck", (State.SENDING, State.UNKNOWN), STUCK, "whether it is out is not known"),
            ("processing", (State.PROCESSING,), PROCESSING, "its platform works on it"),
        ):
            found = sa.select(sa.func.count(), since).where(_D.state.in_(states))
            count, since_ms = connection.execute(found).one()
            yield _waited(name, count, since_ms, now_ms, limits, what)
        told = sa.select(sa.func.count(), sa.func.min(outbox.c.changed_ms)).where(
            outbox.c.kind == "state", outbox.c.version > outbox.c.told_version
        )
        count, since_ms = connection.execute(told).one()
        yield _waited("outbox", count, since_ms, now_ms, OUTBOX, "Airtable was not told of it")


def _queue(overdue: Sequence[Any], now_ms: int) -> Finding:
    if not overdue:
        return Finding("queue", Status.GREEN, "Nothing is due and not out.", 0.0, "s", {"posts": 0})
    age_s = (now_ms - overdue[0].fire_ms) / 1000
    status = QUEUE.status(age_s)
    are = "is" if len(overdue) == 1 else "are"
    sentence = (
        f"{counted(len(overdue))} {are} due and not out, the oldest ({overdue[0].label}) for {spoken(age_s)}."
    )
    if status is not Status.GREEN:
        sentence += " The operator looks whether publish_due_posts runs and a triggerer lives."
    return Finding("queue", status, sentence, round(age_s, 1), "s", {"posts": len(overdue)})


def _waited(name: str, count: int, since_ms: int | None, now_ms: int, limits: Limits, what: str) -> Finding:
    if not count or since_ms is None:
        return Finding(name, Status.GREEN, "Nothing waits.", 0.0, "s", {"posts": 0})
    age_s = max(0.0, (now_ms - since_ms) / 1000)
    sentence = f"{count} wait, the oldest for {spoken(age_s)}: {what}."
    return Finding(name, limits.status(age_s), sentence, round(age_s, 1), "s", {"posts": count})


def outages(means: Means) -> Iterator[Finding]:
    """Platforms that are held because they fail for everyone, and those that are being tried again."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        rows = connection.execute(sa.select(breakers).order_by(breakers.c.opened_ms)).all()
    if not rows:
        yield Finding("outages", Status.GREEN, "No platform is held for failing for everyone.", 0.0, "s")
        return
    held = [row for row in rows if row.state == Stands.OPEN]
    said = []
    for row in rows:
        lasts = spoken((now_ms - row.opened_ms) / 1000)
        since = f"{PLATFORM_WORDS[row.platform]} fails for everyone for {lasts}"
        if row.state == Stands.OPEN:
            why = "; nothing can be reached from here" if row.cause == Cause.NETWORK else ""
            said.append(f"{since}{why}: its posts wait, it is asked again at {iso(row.asked_ms)}.")
        else:
            said.append(f"{since}: it answers again, and its first posts are a trial.")
    age_s = round((now_ms - rows[0].opened_ms) / 1000, 1)
    status = Status.RED if held else Status.YELLOW
    yield Finding("outages", status, " ".join(said), age_s, "s", {"held": len(held)})


def lateness(means: Means) -> Iterator[Finding]:
    """How late the posts of the last hour were, counted from the second for which each was let go: what was
    held, or asked for later, is not late."""
    taken = sa.select(sa.func.max(writes.c.fire_ms)).where(
        writes.c.delivery_id == _D.id, writes.c.state == WriteState.ACCEPTED
    )
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        rows = connection.execute(
            sa.select(_D.accepted_ms, _D.due_ms, taken.scalar_subquery().label("fire_ms")).where(
                sa.text(IS_OUT), _D.updated_ms >= now_ms - HOUR_MS, _D.accepted_ms >= now_ms - HOUR_MS
            )
        )
        late = sorted((row.accepted_ms - max(row.due_ms, row.fire_ms or 0)) / 1000 for row in rows)
    if not late:
        yield Finding("lateness", Status.GREEN, "No post went out in the last hour.", None, "s", {"posts": 0})
        return
    numbers = {f"p{share}": percentile(late, share) for share in (50, 90, 99)}
    status = LATENESS.status(numbers["p99"])
    spread = ", ".join(f"{name} {value:.3f} s" for name, value in numbers.items())
    sentence = f"{len(late)} posts of the last hour: {spread} late."
    yield Finding("lateness", status, sentence, numbers["p99"], "s", numbers | {"posts": len(late)})


def percentile(ordered: list[float], share: int) -> float:
    """The smallest value that so many of a hundred do not exceed (nearest rank)."""
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


# --- workflows --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Workflow:
    """A Dag that runs by itself, and how long it may be silent."""

    dag_id: str
    limits: Limits
    mark: str = ""
    """The mark that it leaves; empty: `ran:<dag_id>`, left when a task of it succeeds."""
    without: str = ""
    """What does not happen while it does not run."""


NEVER = float("inf")
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
PUBLISHING = Workflow("publish_due_posts", Limits(90.0, 2 * MINUTE, "s"), TICK, "nothing goes out")
WORKFLOWS: tuple[Workflow, ...] = (
    PUBLISHING,
    Workflow("handle_incidents", Limits(35 * MINUTE, 65 * MINUTE, "s"), "", "nobody is told of trouble"),
    Workflow("send_webhooks", Limits(35 * MINUTE, NEVER, "s"), "", "subscribers are told nothing"),
    Workflow("prepare_posts", Limits(35 * MINUTE, 2 * HOUR, "s"), "", "media are not made ready"),
    Workflow("plan_tomorrow", Limits(4 * HOUR, NEVER, "s"), "", "nobody is told of days that are too full"),
    Workflow("monitor_tokens", Limits(2.5 * HOUR, 6 * HOUR, "s"), "", "logins are not renewed in time"),
    Workflow("look_after_posts", Limits(2.5 * HOUR, 12 * HOUR, "s"), "", "nothing is taken down or changed"),
    Workflow("read_numbers", Limits(4 * HOUR, NEVER, "s"), "", "young posts have no numbers"),
    Workflow("collect_analytics", Limits(30 * HOUR, NEVER, "s"), "", "days stay without numbers"),
    Workflow("summarise_week", Limits(8 * DAY, NEVER, "s"), "", "nobody is told how the week went"),
    Workflow("maintain", Limits(30 * HOUR, NEVER, "s"), "", "old rows and files are not removed"),
)
"""Of those that only count or tidy up, none is red: posts go out without them."""
CHECKED = "health:checked"
"""When all checks were made last."""
BACK = "health:back"
"""When checks were made again after a pause: what stood still together is silent since then."""
STALE_S = 600.0
"""Checks older than this say nothing any more: two runs were missed."""
BEGUN = "health:begun"
"""When the first check was made: what never ran is silent since then."""


def workflows(means: Means) -> Iterator[Finding]:
    """When each Dag ran last. After a pause in which nothing was checked either, each has its time anew: that
    all of them stood still has one cause, which was told."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        _, begun_ms = marks.read(connection, BEGUN)
        _, back_ms = marks.read(connection, BACK)
        if paused(connection, now_ms):
            back_ms = now_ms
        for workflow in WORKFLOWS:
            yield silence(connection, now_ms, workflow, begun_ms or now_ms, back_ms)


def paused(connection: sa.Connection, now_ms: int) -> bool:
    """Whether checks were made before, and not of late."""
    _, checked_ms = marks.read(connection, CHECKED)
    return bool(checked_ms) and now_ms - checked_ms > STALE_S * 1000


WATCHED = "watch"
"""When `schedulo watch` looked last."""


def watch(means: Means) -> Iterator[Finding]:
    """Whether somebody looks who does not live and die with the scheduler (`health.watch`)."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        _, at_ms = marks.read(connection, WATCHED)
    limit_s = 10 * means.settings.watch_s
    age_s = (now_ms - at_ms) / 1000
    if at_ms and age_s <= limit_s:
        yield Finding("watch", Status.GREEN, f"It looked {age_s:.0f} seconds ago.", round(age_s, 1), "s")
        return
    said = (
        "schedulo watch has not looked for ten of its rounds" if at_ms else "schedulo watch was never started"
    )
    sentence = f"{said}: nobody would be told that the scheduler is dead. The operator starts it."
    yield Finding("watch", Status.RED if at_ms else Status.YELLOW, sentence)


def silence(
    connection: sa.Connection, now_ms: int, workflow: Workflow, begun_ms: int, back_ms: int = 0
) -> Finding:
    """How long a Dag has been silent, and what that means; before `back_ms` it could not run."""
    _, last_ms = marks.read(connection, workflow.mark or f"ran:{workflow.dag_id}")
    age_s = max(0.0, (now_ms - (last_ms or begun_ms)) / 1000)
    status = workflow.limits.status(min(age_s, (now_ms - back_ms) / 1000))
    sentence = f"It ran {spoken(age_s)} ago." if last_ms else f"It has not run for {spoken(age_s)}."
    if status is not Status.GREEN:
        sentence = (
            f"{workflow.dag_id} has not run for {spoken(age_s)}, and {workflow.without}. The operator looks "
            "whether the Dag is paused or cannot be imported, and whether scheduler and workers live."
        )
    return Finding(f"workflow:{workflow.dag_id}", status, sentence, round(age_s, 1), "s")


def spoken(seconds: float) -> str:
    """A length of time in words, roughly."""
    for unit_s, word in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {word}"
    return f"{seconds:.0f} seconds"


# --- logins -----------------------------------------------------------------------------------------------


def logins(means: Means) -> Iterator[Finding]:
    """Whether each account that is in use has a login that is not known to be refused. No platform
    is asked."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        names = {
            row.key: row.name or row.key
            for row in connection.execute(sa.select(accounts.c.key, accounts.c.name).where(accounts.c.active))
        }
        kept = set(connection.execute(sa.select(credentials.c.account_key)).scalars())
        ended = names.keys() & set(connection.execute(_ended(now_ms)).scalars())
        dead = {
            hold.key
            for hold in in_force(connection, now_ms)
            if hold.scope is Scope.ACCOUNT and hold.error_kind in LOGINS and hold.key in names
        }
        planned = set(
            connection.execute(
                sa.select(_D.account_key).distinct().where(_D.state.in_((State.SCHEDULED, State.HELD)))
            ).scalars()
        )
    ended -= dead
    numbers = {"accounts": float(len(names)), "refused": float(len(dead)), "ended": float(len(ended))}
    if (sealed := _sealed(means, sorted(kept & names.keys()))) is not None:
        yield Finding("logins", Status.RED, sealed, float(len(kept)), "accounts", numbers)
        return
    lacking = names.keys() - kept - means.with_token - dead
    count = float(len(lacking) + len(ended) + len(dead))
    if not count:
        yield Finding("logins", Status.GREEN, "Every account in use has one.", 0.0, "accounts", numbers)
        return
    parts = [
        f"{said} {_listed(names, keys)}."
        for said, keys in (
            ("No login is kept for", lacking),
            ("The login has ended of", ended),
            ("The login was refused of", dead),
        )
        if keys
    ]
    sentence = " ".join(parts) + " The account's owner connects it: `schedulo accounts connect`."
    pressing = dead | ended | (lacking & planned)
    status = Status.RED if pressing else Status.YELLOW
    told = pressing <= dead  # each has its hold, and that its incident
    yield Finding("logins", status, sentence, count, "accounts", numbers, actor=Actor.OWNER, told=told)


def _ended(now_ms: int) -> sa.Select[tuple[str]]:
    """The accounts whose login only a person can make new, by the ends that are known."""
    c = credentials.c
    token = sa.and_(c.expires_ms <= now_ms, ~c.renewable)
    return sa.select(c.account_key).where(
        sa.or_(token, c.refresh_expires_ms <= now_ms, c.data_access_ms <= now_ms)
    )


def _sealed(means: Means, keys: list[str]) -> str | None:
    """Why the vault cannot be opened; None where it can, or holds nothing."""
    if not keys:
        return None
    try:
        Vault(means.ledger, means.settings.vault_key).get(keys)
    except VaultError as error:
        return f"The logins cannot be read: {error}."
    return None


def _listed(names: dict[str, str], keys: set[str]) -> str:
    shown = [names[key] if ":" in names[key] else f"{names[key]} ({key})" for key in sorted(keys)]
    more = f" and {len(shown) - LISTED} more" if len(shown) > LISTED else ""
    return ", ".join(shown[:LISTED]) + more


def mode(means: Means) -> Iterator[Finding]:
    """Whether posts go to the platforms."""
    try:
        agree(means.ledger, means.settings)
    except ModeError as error:
        yield Finding("mode", Status.RED, str(error))
        return
    if said := sentence(means.settings):
        yield Finding("mode", Status.YELLOW, said)
    else:
        yield Finding("mode", Status.GREEN, "Posts go to the platforms.")
