"""What a channel gets now, and what became of it: a table of notices, one row a channel.

A notice stays until it was sent. What a channel did not take is tried again at growing intervals, and that it
fails is an incident of its own. A channel gets a limited number of messages an hour; what is beyond waits for
a digest, which leaves nothing out.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, close_what_is_over, incident, over
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import notices
from schedulo.settings import Settings
from schedulo.telling.message import Message, Places, digest, message
from schedulo.telling.news import Occasion, take, waiting
from schedulo.telling.recipients import Recipients

HOUR_MS = 3_600_000
DIGESTS_AN_HOUR = 4
"""So many of a channel's messages an hour are kept for digests, spaced evenly."""
SEND_FOR_S = 300.0
"""How long one run begins to send messages; the rest is the next run's."""
LEASE_S = 2 * SEND_FOR_S
KEEP_S = 30 * 86_400.0
"""How long a notice is kept after it was sent."""
TRY_AGAIN_S = (50.0, 300.0, 900.0, 3600.0)
"""A channel that failed is tried again so long after; the last interval goes on for ever."""

_N = notices.c


class ChannelFailed(Exception):
    """A channel did not take a message; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message on one channel."""

    channel: str
    notice_ids: Sequence[str]
    message: Message


def write_notices(ledger: Ledger, recipients: Recipients, places: Places) -> int:
    """Close what is over and put all that is to be told now into `notices`; answers of how many incidents."""
    close_what_is_over(ledger)
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        _tidy(connection, now_ms, recipients)
        found = waiting(connection, now_ms, recipients)
    for key, occasion in found.items():  # each alone: nobody who sends waits for the words of all
        with ledger.begin() as connection:
            _write_notice(connection, ledger.now_ms(connection), recipients, places, key, occasion)
    return len(found)


def _write_notice(
    connection: sa.Connection,
    now_ms: int,
    recipients: Recipients,
    places: Places,
    key: str,
    occasion: Occasion,
) -> None:
    news = take(connection, now_ms, key, occasion)
    words = message(news, places)
    row = {
        "id": secrets.token_hex(8),
        "incident_key": key,
        "title": words.title,
        "body": words.body,
        "html": words.html,
        "made_ms": now_ms,
        "next_ms": now_ms,
    }
    channels = set(recipients.channels(news.actor, key))
    if occasion is Occasion.LASTS:  # who has not heard of it yet needs no reminder
        channels -= _owed(connection, key)
    if channels:
        connection.execute(sa.insert(notices), [{**row, "channel": channel} for channel in channels])


def _owed(connection: sa.Connection, key: str) -> set[str]:
    """The channels that wait for a notice of this incident."""
    query = sa.select(_N.channel).where(_N.incident_key == key, _N.sent_ms.is_(None))
    return set(connection.execute(query).scalars())


def _tidy(connection: sa.Connection, now_ms: int, recipients: Recipients) -> None:
    """Nothing waits for a channel that the operator took out of the settings; what is long sent goes too."""
    connection.execute(sa.delete(notices).where(_N.sent_ms < now_ms - int(KEEP_S * 1000)))
    gone = sa.and_(_N.sent_ms.is_(None), _N.channel.not_in(recipients.every()))
    for channel in connection.execute(sa.select(_N.channel).where(gone).distinct()).scalars().all():
        over(connection, now_ms, Trouble.CHANNEL, channel)
    connection.execute(sa.delete(notices).where(gone))


def anything_to_tell(connection: sa.Connection, now_ms: int, settings: Settings) -> bool:
    """Whether `write_notices` or `letters` would find something now."""
    return bool(waiting(connection, now_ms, Recipients.of(settings)) or letters(connection, now_ms, settings))


def letters(connection: sa.Connection, now_ms: int, settings: Settings) -> list[Letter]:
    """What each channel may get now, oldest first."""
    unsent = connection.execute(
        sa.select(notices).where(_N.sent_ms.is_(None)).order_by(_N.channel, _N.made_ms, _N.id)
    ).all()
    found: list[Letter] = []
    for channel, rows in groupby(unsent, key=lambda row: str(row.channel)):
        kept = list(rows)
        if kept[0].next_ms > now_ms:
            continue  # the channel failed a moment ago; its oldest notice says when it is tried again
        split = [(str(row.id), Message(row.title, row.body, row.html)) for row in kept]
        singles = settings.notify_an_hour - DIGESTS_AN_HOUR
        sent, last_ms = _lately(connection, now_ms, channel)
        if sent + len(split) <= singles:
            found += [Letter(channel, [id_], words) for id_, words in split]
        elif now_ms - last_ms >= HOUR_MS // DIGESTS_AN_HOUR or sent < singles:
            ids, words = zip(*split, strict=True)
            found.append(Letter(channel, ids, digest(words)))
    return found


def _lately(connection: sa.Connection, now_ms: int, channel: str) -> tuple[int, int]:
    """How many messages the channel took within the hour, and when it took the last."""
    row = connection.execute(
        sa.select(sa.func.count(sa.distinct(_N.letter)), sa.func.max(_N.sent_ms)).where(
            _N.channel == channel, _N.sent_ms > now_ms - HOUR_MS
        )
    ).one()
    return int(row[0]), int(row[1] or 0)


def send_letters(ledger: Ledger, settings: Settings, send: Callable[[str, Message], None]) -> list[str]:
    """Send what each channel may get now; answers a sentence for each message. One channel's failure touches
    no other. Call it under a lease of `LEASE_S`: two at once would say everything twice.

    :param send: takes a channel and a message; raises `ChannelFailed`
    """
    with ledger.read() as connection:
        found = letters(connection, ledger.now_ms(connection), settings)
    lines: list[str] = []
    broken: set[str] = set()
    until = time.monotonic() + SEND_FOR_S
    for letter in found:
        if letter.channel in broken or time.monotonic() > until:
            continue
        try:
            send(letter.channel, letter.message)
        except ChannelFailed as error:
            broken.add(letter.channel)
            lines.append(f"{letter.channel}: not told, tried again later: {error}")
            with ledger.begin() as connection:
                _failed(connection, ledger.now_ms(connection), letter, str(error))
            continue
        lines.append(f"{letter.channel}: {letter.message.title}")
        with ledger.begin() as connection:
            _sent(connection, ledger.now_ms(connection), letter)
    return lines


def _sent(connection: sa.Connection, now_ms: int, letter: Letter) -> None:
    mine = (_N.channel == letter.channel, _N.id.in_(list(letter.notice_ids)))
    connection.execute(sa.update(notices).where(*mine).values(sent_ms=now_ms, letter=letter.notice_ids[0]))
    over(connection, now_ms, Trouble.CHANNEL, letter.channel)


def _failed(connection: sa.Connection, now_ms: int, letter: Letter, why: str) -> None:
    mine = (_N.channel == letter.channel, _N.id == letter.notice_ids[0])
    tries = connection.execute(sa.select(_N.tries).where(*mine)).scalar_one()
    wait_s = TRY_AGAIN_S[min(tries, len(TRY_AGAIN_S) - 1)]
    connection.execute(
        sa.update(notices).where(*mine).values(tries=tries + 1, next_ms=now_ms + int(wait_s * 1000))
    )
    sentence = f"{letter.channel} does not take messages: {why}"
    incident(connection, now_ms, Trouble.CHANNEL, sentence, actor=Actor.OPERATOR, about=letter.channel)
