"""Sends people what is to be told now: from a task, or from the process that watches Airflow."""

from __future__ import annotations

from collections.abc import Iterator

from hooks.channels import send
from hooks.places import places
from schedulo.errors.kinds import Actor
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.settings import settings
from schedulo.telling.letters import LEASE_S, ChannelFailed, send_letters, write_notices
from schedulo.telling.message import Message
from schedulo.telling.news import still_open
from schedulo.telling.recipients import Recipients

LEASE = "telling"
"""One at a time, or people would be told twice."""


def tell_people(ledger: Ledger, me: str) -> Iterator[str]:
    """Tell what began, lasts and ended; yields what was done, as sentences.

    A channel that fails is tried again by a later call.

    :param me: names the caller, for the lease
    """
    with ledger.begin() as connection:
        if not marks.lease(connection, ledger.now_ms(connection), LEASE, me, LEASE_S):
            yield "somebody else is telling people"
            return
    try:
        count = write_notices(ledger, Recipients.of(settings()), places(ledger))
        with ledger.read() as connection:
            lines = still_open(connection)
        yield f"{len(lines)} incidents are open, news of {count}"
        yield from lines
        if lines and not settings().notify_operator:
            yield "nobody is told: SCHEDULO_NOTIFY_OPERATOR names no channel"
        yield from send_letters(ledger, settings(), send)
    finally:  # else nobody is told until the lease has run out
        with ledger.begin() as connection:
            marks.release(connection, ledger.now_ms(connection), LEASE, me)


def tell_operators(message: Message) -> Iterator[str]:
    """Send one message on the operators' channels, past the ledger; yields what became of it."""
    for channel in Recipients.of(settings()).by_actor[Actor.OPERATOR]:
        try:
            send(channel, message)
        except ChannelFailed as error:
            yield f"{channel}: not told: {error}"
        else:
            yield f"{channel}: {message.title}"
