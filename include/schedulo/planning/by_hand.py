"""What people do by hand, by form, REST or command: try posts again, cancel, resolve one, stop and release.

Here a request is read and its deliveries are found; what each of them answers is `delivery.again`'s, what a
hold does is `delivery.stops`'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.clock import ClockError, parse_instant
from schedulo.delivery import holds, stops
from schedulo.delivery.again import Ask, Request, Told, ask, foresee
from schedulo.errors import Kind
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries
from schedulo.model import Platform, State
from schedulo.planning import wishes
from schedulo.planning.wishes import WishError
from schedulo.settings import Settings

_D = deliveries.c

AGO = re.compile(r"(\d{1,6})\s*(second|minute|hour|day|week)s?(?:\s+ago)?")
UNIT_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
LIMIT, MOST = 100, 1000
RETRIED = (State.FAILED, State.MISSED, State.CANCELLED, State.UNRESOLVED, State.PUBLISHED_INCOMPLETE)
"""What may be chosen by `states`; where nobody chooses, it is what failed."""


# --- trying again -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Retry:
    """Which deliveries to try again. What is given must all be true of a delivery."""

    deliveries: tuple[str, ...] = ()
    posts: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    error_kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    since: str = ""
    """They came to rest since then: an ISO instant with a zone, or so long ago (`2 hours`)."""
    limit: int = LIMIT
    dry_run: bool = False

    @classmethod
    def read(cls, conf: Mapping[str, Any]) -> Retry:
        """Read a request. Raises `WishError`."""
        wishes.only(conf, tuple(cls.__dataclass_fields__))
        get = conf.get
        limit = LIMIT if get("limit") is None else get("limit")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
            raise WishError(
                f"limit ({limit!r}): it must be a number from 1 to {MOST}. Whoever calls corrects it."
            )
        read = cls(
            *wishes.named(conf),
            wishes.words("platforms", get("platforms"), list(Platform)),
            wishes.words("error_kinds", get("error_kinds"), list(Kind)),
            wishes.words("states", get("states"), RETRIED),
            wishes.text("since", get("since")),
            limit,
            wishes.flag("dry_run", get("dry_run", False)),
        )
        read.since_ms(0)
        chosen = (*read.deliveries, *read.posts, *read.accounts, *read.platforms, *read.error_kinds)
        if not (chosen or read.states or read.since):
            raise WishError(
                "Nothing chooses the posts: name deliveries, posts, accounts, platforms, error_kinds, states "
                "or since. Whoever calls corrects it."
            )
        return read

    def since_ms(self, now_ms: int) -> int | None:
        """The instant of `since`; None where it is not given. Raises `WishError`."""
        if not self.since:
            return None
        if ago := AGO.fullmatch(self.since):
            return now_ms - int(ago[1]) * UNIT_S[ago[2]] * 1000
        try:
            return parse_instant(self.since)
        except ClockError:
            raise WishError(
                f"since ({self.since!r}): it must be an instant with its zone, such as 2026-12-24T17:00:00Z, "
                "or how long ago, such as 2 hours. Whoever calls corrects it."
            ) from None


@dataclass(frozen=True, slots=True)
class Retried:
    """What was or would be done, and how many more were chosen than the limit lets through."""

    told: tuple[Told, ...]
    left_out: int

    def sentence(self, *, dry_run: bool) -> str:
        done = sum(item.done for item in self.told)
        words = f"{done} of {len(self.told)} deliveries {'would be' if dry_run else 'are'} tried again"
        return words + (
            f"; {self.left_out} more than the limit are left as they are" if self.left_out else ""
        )


def retry(ledger: Ledger, wished: Retry, by: str, settings: Settings) -> Retried:
    """Make what was chosen claimable again, so that the next run takes it; or only say what would be done.

    :raises WishError: where a delivery, a post or an account is named that nobody knows
    """
    request = Request(Ask.RETRY, by, int(settings.missed_after_s * 1000))
    if wished.dry_run:
        with ledger.read() as connection:
            now_ms = ledger.now_ms(connection)
            ids, left_out = _chosen(connection, now_ms, wished)
            return Retried(tuple(foresee(connection, now_ms, ids, request)), left_out)
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        ids, left_out = _chosen(connection, now_ms, wished)
        return Retried(tuple(ask(connection, now_ms, ids, request)), left_out)


def _chosen(connection: sa.Connection, now_ms: int, wished: Retry) -> tuple[list[str], int]:
    """The chosen deliveries, those that were due first at the beginning; and how many the limit left out."""
    conditions = wishes.chosen(connection, wished.deliveries, wished.posts, wished.accounts)
    conditions += [
        column.in_(wanted)
        for wanted, column in ((wished.platforms, _D.platform), (wished.error_kinds, _D.error_kind))
        if wanted
    ]
    since_ms = wished.since_ms(now_ms)
    if since_ms is not None:
        conditions.append(_D.updated_ms >= since_ms)
    if wished.states or not (wished.deliveries or wished.posts):
        conditions.append(_D.state.in_(wished.states or (State.FAILED,)))
    query = sa.select(_D.id).where(*conditions).order_by(_D.due_ms, _D.id)
    ids = list(connection.execute(query).scalars())
    return ids[: wished.limit], len(ids[wished.limit :])


# --- cancelling -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cancel:
    """Which deliveries are not to go out. What is given must all be true of a delivery."""

    deliveries: tuple[str, ...] = ()
    posts: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    dry_run: bool = False

    @classmethod
    def read(cls, conf: Mapping[str, Any]) -> Cancel:
        """Read a request. Raises `WishError`."""
        wishes.only(conf, tuple(cls.__dataclass_fields__))
        read = cls(*wishes.named(conf), wishes.flag("dry_run", conf.get("dry_run", False)))
        if not (read.deliveries or read.posts or read.accounts):
            raise WishError(
                "Nothing chooses the posts: name deliveries, posts or accounts. Whoever calls corrects it."
            )
        return read


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was or would be done."""

    told: tuple[Told, ...]

    def sentence(self, *, dry_run: bool) -> str:
        done = sum(item.done for item in self.told)
        return f"{done} of {len(self.told)} deliveries {'would be' if dry_run else 'are'} cancelled"


def cancel(ledger: Ledger, wished: Cancel, by: str) -> Cancelled:
    """Cancel what was chosen, or only say what would be done. Where accounts alone are named it is what is
    planned on them.

    :raises WishError: where a delivery, a post or an account is named that nobody knows, or too many are
    """
    request = Request(Ask.CANCEL, by, 0)

    def chosen(connection: sa.Connection) -> list[str]:
        conditions = wishes.chosen(connection, wished.deliveries, wished.posts, wished.accounts)
        if not (wished.deliveries or wished.posts):
            conditions.append(_D.state.in_(holds.WAITING))
        query = sa.select(_D.id).where(*conditions).order_by(_D.due_ms, _D.id).limit(MOST + 1)
        ids = list(connection.execute(query).scalars())
        if len(ids) > MOST:
            raise WishError(
                f"More than {MOST} deliveries are chosen. Nothing was done; whoever calls names fewer."
            )
        return ids

    if wished.dry_run:
        with ledger.read() as connection:
            return Cancelled(
                tuple(foresee(connection, ledger.now_ms(connection), chosen(connection), request))
            )
    with ledger.begin() as connection:
        return Cancelled(tuple(ask(connection, ledger.now_ms(connection), chosen(connection), request)))


# --- resolving --------------------------------------------------------------------------------------------

ANSWERS: Mapping[str, Ask] = {"it is out": Ask.IS_OUT, "it is not out, send it": Ask.NOT_OUT}
"""What a person may say of an unresolved delivery, in the words of forms."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """What a person who has looked says of one unresolved delivery."""

    delivery: str
    answer: Ask
    link: str = ""
    dry_run: bool = False

    @classmethod
    def read(cls, conf: Mapping[str, Any]) -> Resolve:
        """Read a request. Raises `WishError`."""
        wishes.only(conf, tuple(cls.__dataclass_fields__))
        delivery = wishes.text("delivery", conf.get("delivery"))
        if not wishes.DELIVERY_ID.fullmatch(delivery):
            raise WishError(
                f"delivery ({delivery!r}): it must be the id of one delivery, as the column Key of "
                "Deliveries shows it. Whoever calls corrects it."
            )
        answer = wishes.text("answer", conf.get("answer"))
        if answer not in ANSWERS:
            raise WishError(
                f"answer ({answer!r}): it must be one of: {'; '.join(ANSWERS)}. Whoever calls corrects it."
            )
        link = wishes.text("link", conf.get("link"))
        said = ANSWERS[answer]
        if (said is Ask.IS_OUT) != bool(link):
            rule = "it must show the post" if said is Ask.IS_OUT else "it is only for what is out"
            raise WishError(f"link ({link!r}): {rule}. Whoever calls corrects it.")
        return cls(delivery, said, link, wishes.flag("dry_run", conf.get("dry_run", False)))


def resolve(ledger: Ledger, wished: Resolve, by: str, settings: Settings) -> Told:
    """Do what a person says of a delivery that nobody knows the outcome of, or only say what would be done.

    :raises WishError: where there is no such delivery
    """
    request = Request(
        wished.answer,
        by,
        int(settings.missed_after_s * 1000),
        int(settings.quiet_s * 1000),
        wished.link,
    )
    with ledger.read() if wished.dry_run else ledger.begin() as connection:
        work = foresee if wished.dry_run else ask
        told = work(connection, ledger.now_ms(connection), [wished.delivery], request)
    if not told:
        raise WishError(f"delivery ({wished.delivery}): nobody knows it. Whoever calls corrects it.")
    return told[0]


# --- stopping ---------------------------------------------------------------------------------------------


class Switch(StrEnum):
    HOLD = "hold"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Stop:
    """To hold something, or to release it."""

    action: Switch
    what: str
    """`everything`, `platform:<name>`, `account:<platform>:<account id>` or `post:<record id>`."""
    reason: str = ""
    dry_run: bool = False

    @classmethod
    def read(cls, conf: Mapping[str, Any]) -> Stop:
        """Read a request. Raises `WishError`."""
        wishes.only(conf, tuple(cls.__dataclass_fields__))
        [action] = wishes.words("action", conf.get("action") or Switch.HOLD.value, list(Switch)) or [""]
        what = wishes.text("what", conf.get("what", holds.Scope.EVERYTHING.value))
        reason = wishes.text("reason", conf.get("reason"))
        return cls(Switch(action), what, reason, wishes.flag("dry_run", conf.get("dry_run", False)))


def stop(ledger: Ledger, wished: Stop, by: str) -> stops.Answer:
    """Hold or release, or only say what would be done. Raises `HoldError`: for a name that nobody knows, and
    without a reason."""
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        if wished.action is Switch.RELEASE:
            answer = stops.resume(connection, now_ms, wished.what, by)
        else:
            answer = stops.stop(connection, now_ms, wished.what, wished.reason, by)
        if wished.dry_run:
            connection.rollback()
            answer = replace(answer, sentence=f"Dry run, nothing was done. {answer.sentence}")
        return answer
