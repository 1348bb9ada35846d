"""What is told once and is no incident: the week's summary, the day's report of errors."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.errors.kinds import Actor
from schedulo.ledger import marks
from schedulo.ledger.database import upsert
from schedulo.ledger.tables import notices
from schedulo.telling.message import Message
from schedulo.telling.recipients import Recipients


def tell_once(
    connection: sa.Connection, now_ms: int, name: str, message: Message, actor: Actor, recipients: Recipients
) -> tuple[str, ...]:
    """Put a message into the notices of an actor's channels, once for each `name`; answers the channels.

    :param name: what it is about, such as `summary:2026-W48`; also the name of the mark that it was told
    """
    if marks.read(connection, name)[1]:
        return ()
    channels = recipients.by_actor[actor]
    if not channels:
        return ()
    row = {
        "id": name,
        "incident_key": name,
        "title": message.title,
        "body": message.body,
        "html": message.html,
        "made_ms": now_ms,
        "next_ms": now_ms,
    }
    connection.execute(
        upsert(connection, notices).on_conflict_do_nothing(),
        [{**row, "channel": channel} for channel in channels],
    )
    marks.mark(connection, now_ms, name, " ".join(channels))
    return channels
