"""Sends subscribers what waits for them: at least once, each subject's events in their order, eight tries.

One process at a time sends to a subscriber, under a lease. Nothing is marked as sent before it was taken: who
dies in between sends it once more, with the same id and the same body. A subscriber that takes nothing is
asked less and less often, and paused when one event has had all its tries without any other being taken.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.webhook_events import GIVEN_UP, SAY_LINK, SENT, TEST, WAITING, new_id
from schedulo.errors.kinds import Actor
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.subscribers import subscriber_events, subscriber_sendings, subscribers
from schedulo.ledger.tables import deliveries
from schedulo.outward import OutwardError, asked, check
from schedulo.vault import Vault, VaultError
from schedulo.webhooks.signing import headers
from schedulo.webhooks.subscribers import find, host_of, secrets_of

API_VERSION = 1
"""In every body; another one means that something in it changed its meaning."""
WAITS_S = (5.0, 30.0, 120.0, 900.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Between the tries of one event: eight in all, over a day and a half."""
TRIES = len(WAITS_S) + 1
LONGEST_S = 86_400.0
"""A subscriber that asks for more time than this (Retry-After) gets this."""
DOUBTED = 3
"""After so many failures in a row a subscriber rests, and then gets one try at a time."""
RESTS_S = (5.0, 30.0, 120.0, 900.0, 3600.0)
"""How long it rests; the last one goes on."""
ANSWER_S = 15.0
"""How long a subscriber may take to answer."""
SEND_FOR_S = 60.0
"""How long one run begins to send to a subscriber; what is left waits for the next."""
LEASE_S = SEND_FOR_S + 4 * ANSWER_S
PAGE = 50
AT_ONCE = 8
"""Subscribers that are sent to at the same time: a slow one holds up no other."""
GONE = 410

_S, _E, _T, _D = subscribers.c, subscriber_events.c, subscriber_sendings.c, deliveries.c


def due(connection: sa.Connection, now_ms: int) -> list[str]:
    """The subscribers that are to get something now."""
    some = sa.select(sa.literal(1)).where(_due(now_ms)).exists()
    query = sa.select(_S.id).where(_open(now_ms), some).order_by(_S.id)
    return list(connection.execute(query).scalars())


def _open(now_ms: int) -> sa.ColumnElement[bool]:
    return sa.and_(_S.paused_ms.is_(None), sa.or_(_S.next_ms.is_(None), _S.next_ms <= now_ms))


def _due(now_ms: int) -> sa.ColumnElement[bool]:
    """SQL: a sending of the subscriber at hand may go now; nothing earlier of its subject has to wait."""
    before = subscriber_sendings.alias("before")
    earlier = (
        sa.select(sa.literal(1))
        .where(
            before.c.subscriber_id == _T.subscriber_id,
            before.c.subject == _T.subject,
            before.c.state == WAITING,
            before.c.number < _T.number,
            before.c.next_ms > now_ms,
        )
        .correlate(subscriber_sendings)
        .exists()
    )
    return sa.and_(_T.subscriber_id == _S.id, _T.state == WAITING, _T.next_ms <= now_ms, ~earlier)


def flush(
    ledger: Ledger, vault: Vault, me: str, allowed_hosts: frozenset[str], *, for_s: float = SEND_FOR_S
) -> Iterator[str]:
    """Send what may go now; yields what was done, as sentences.

    :param me: names the caller, for the leases
    :param allowed_hosts: `host:port` of those that may be private and use plain http
    """
    with ledger.read() as connection:
        ids = due(connection, ledger.now_ms(connection))
    if not ids:
        return
    until = time.monotonic() + for_s

    def one(id_: str) -> list[str]:
        return _Post(ledger, vault, id_, me, allowed_hosts, until).send()

    with ThreadPoolExecutor(min(AT_ONCE, len(ids)), thread_name_prefix="webhooks") as pool:
        for lines in pool.map(one, ids):
            yield from lines


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try."""

    status: int | None
    problem: str = ""
    """Why it was not taken; empty: it was."""
    wait_s: float = 0.0
    """It asks for so much time."""


@dataclass(slots=True)
class _Post:
    """Sends to one subscriber."""

    ledger: Ledger
    vault: Vault
    id_: str
    me: str
    allowed_hosts: frozenset[str]
    until: float
    name: str = ""
    taken: int = 0

    def send(self) -> list[str]:
        lease = f"webhooks:{self.id_}"
        with self.ledger.begin() as connection:
            if not marks.lease(connection, self.ledger.now_ms(connection), lease, self.me, LEASE_S):
                return [f"{self.id_}: somebody else is sending to it"]
        lines: list[str] = []
        try:
            while time.monotonic() < self.until and self._page(lines.append):
                pass
        except VaultError as error:
            lines.append(f"{self.id_}: {error}")
            self._pause(str(error))
        finally:
            with self.ledger.begin() as connection:
                marks.release(connection, self.ledger.now_ms(connection), lease, self.me)
        if self.taken:
            lines.append(f"{self.name}: took {self.taken}")
        return lines

    def _page(self, say: Callable[[str], None]) -> bool:
        """Send a few; False where no more are to be sent now."""
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            query = (
                sa.select(subscribers, subscriber_events.c.number, _E.id.label("event_id"), _E.type, _T.tries)
                .add_columns(_E.subject, _E.at_ms, _E.data, _E.body)
                .select_from(subscribers)
                .join(subscriber_sendings, _due(now_ms))
                .join(subscriber_events, _E.number == _T.number)
                .where(_S.id == self.id_, _open(now_ms))
                .order_by(_T.number)
                .limit(PAGE)
            )
            rows = connection.execute(query).all()
            bodies = [row.body or _compose(connection, row) for row in rows]
        if not rows:
            return False
        self.name = rows[0].name
        secrets = secrets_of(self.vault, rows[0], now_ms)
        failed: set[str] = set()
        failures = rows[0].failures
        for row, body in zip(rows, bodies, strict=True):
            if row.subject in failed:
                continue
            if time.monotonic() >= self.until:
                return False
            answer = _post(row.url, row.event_id, body.encode(), secrets, self.allowed_hosts)
            if not answer.problem:
                failures = 0
                self._took(row, answer)
                continue
            failures += 1
            failed.add(row.subject)
            say(f"{self.name}: {row.event_id} was not taken: {answer.problem}")
            if self._failed(row, answer, failures):
                return False
        return True

    def _took(self, row: Any, answer: Answer) -> None:
        self.taken += 1
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            _mark(
                connection,
                row,
                state=SENT,
                tries=_T.tries + 1,
                tried_ms=now_ms,
                status=answer.status,
                problem="",
            )
            _of(connection, row.id, failures=0, next_ms=None, took_ms=now_ms)

    def _failed(self, row: Any, answer: Answer, failures: int) -> bool:
        """Keep that a try failed; True where nothing more is to be sent to it for now."""
        tries = row.tries + 1
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            wait_ms = _later_ms(WAITS_S[min(tries, len(WAITS_S)) - 1], answer.wait_s)
            kept = {"tried_ms": now_ms, "status": answer.status, "problem": answer.problem}
            given_up = tries >= TRIES and failures < TRIES  # it took others meanwhile
            _mark(
                connection,
                row,
                state=GIVEN_UP if given_up else WAITING,
                tries=tries,
                next_ms=now_ms + wait_ms,
                **kept,
            )
            rests = failures >= DOUBTED or answer.wait_s > 0
            rest_s = RESTS_S[min(max(failures - DOUBTED, 0), len(RESTS_S) - 1)]
            next_ms = now_ms + _later_ms(rest_s, answer.wait_s) if rests else None
            _of(connection, row.id, failures=failures, next_ms=next_ms)
            if given_up:
                self._tell_given_up(connection, now_ms, row, answer)
        if answer.status == GONE:
            self._pause("it answered 410: it wants no more events")
            return True
        if tries >= TRIES and not given_up:
            self._pause(f"it took nothing in {TRIES} tries; the last time: {answer.problem}")
            return True
        return rests

    def _tell_given_up(self, connection: sa.Connection, now_ms: int, row: Any, answer: Answer) -> None:
        sentence = (
            f"{row.name} ({host_of(row.url)}, {row.id}) did not take {row.event_id} ({row.type}) in {TRIES} "
            f"tries; the last time {answer.problem}"
        )
        incident(connection, now_ms, Trouble.SUBSCRIBER_REFUSES, sentence, actor=Actor.OPERATOR, about=row.id)

    def _pause(self, why: str) -> None:
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            row = connection.execute(sa.select(subscribers).where(_S.id == self.id_)).first()
            if row is None:
                return
            _of(connection, self.id_, paused_ms=now_ms, paused_why=why)
            sentence = f"{row.name} ({host_of(row.url)}, {row.id}) gets no more events: {why}"
            incident(
                connection, now_ms, Trouble.SUBSCRIBER_PAUSED, sentence, actor=Actor.OPERATOR, about=row.id
            )


def try_now(ledger: Ledger, vault: Vault, id_: str, allowed_hosts: frozenset[str]) -> Answer:
    """Send a subscriber an event that says nothing but that it is a test, whether it is paused or not.

    :raises SubscriberError: there is none
    """
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
        row = find(connection, id_)
    event_id = new_id()
    body = _whole(event_id, TEST, now_ms, {"subscriber": id_})
    return _post(row.url, event_id, body.encode(), secrets_of(vault, row, now_ms), allowed_hosts)


def _post(
    url: str, event_id: str, body: bytes, secrets: Sequence[str], allowed_hosts: frozenset[str]
) -> Answer:
    signed = headers(secrets, event_id, int(time.time()), body)
    sent = {"Content-Type": "application/json", "User-Agent": "Schedulo-Webhooks/1", **signed}
    try:
        hop = check(url, allowed_hosts, "subscriber")
        with asked(hop, time.monotonic() + ANSWER_S, "POST", sent, body) as answer:
            status = answer.status_code
            if 200 <= status < 300:
                return Answer(status)
            moved = "; it redirects, and that is not followed" if 300 <= status < 400 else ""
            return Answer(status, f"it answered {status}{moved}", _asked_s(answer.headers.get("Retry-After")))
    except OutwardError as error:
        return Answer(None, str(error))


def _mark(connection: sa.Connection, row: Any, **values: Any) -> None:
    mine = (_T.subscriber_id == row.id, _T.number == row.number)
    connection.execute(sa.update(subscriber_sendings).where(*mine).values(**values))


def _of(connection: sa.Connection, id_: str, **values: Any) -> None:
    connection.execute(sa.update(subscribers).where(_S.id == id_).values(**values))


def _compose(connection: sa.Connection, row: Any) -> str:
    """The body of an event, made when it is first sent and kept: each try sends the same bytes."""
    mine = sa.select(_E.body).where(_E.number == row.number)
    # A link that is written meanwhile is either seen here, or sees this body without it (`linked`).
    body: str | None = connection.execute(mine.with_for_update()).scalar_one()
    if body is not None:
        return body
    data = dict(row.data)
    if row.type in SAY_LINK:
        known = connection.execute(
            sa.select(_D.permalink, _D.remote_id, _D.published_ms).where(_D.id == row.subject)
        ).first()
        if known is not None:
            published_at = None if known.published_ms is None else iso(known.published_ms)
            data |= {"permalink": known.permalink, "remote_id": known.remote_id, "published_at": published_at}
    body = _whole(row.event_id, row.type, row.at_ms, data)
    connection.execute(sa.update(subscriber_events).where(_E.number == row.number).values(body=body))
    return body


def _whole(id_: str, type_: str, at_ms: int, data: Mapping[str, Any]) -> str:
    whole = {"id": id_, "type": type_, "timestamp": iso(at_ms), "api_version": API_VERSION, "data": data}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _later_ms(wait_s: float, asked_s: float) -> int:
    """A wait in milliseconds, a little longer or shorter by chance; at least what was asked for."""
    return int(1000 * max(wait_s * random.uniform(0.9, 1.1), asked_s))


def _asked_s(text: str | None) -> float:
    """The seconds that a Retry-After asks for: it is a number or a date (RFC 9110, 10.2.3)."""
    if not text:
        return 0.0
    try:
        seconds = (
            float(text) if text.strip().isdecimal() else parsedate_to_datetime(text).timestamp() - time.time()
        )
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_S)
