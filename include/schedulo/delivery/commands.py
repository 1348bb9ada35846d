"""What people ask for on rows of Deliveries in Airtable: once for each time they ask, told in the row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from schedulo.airtable import schema
from schedulo.delivery import again, amendments
from schedulo.delivery.amendments import Verb
from schedulo.delivery.news import changed
from schedulo.delivery.rows import tell_story
from schedulo.ledger.tables import deliveries

_D = deliveries.c
BY = "in Airtable"
"""Who asks there, Airtable does not tell."""
REFUSED = "\nYour answer was "
"""Where a refusal begins in the message of a delivery's row."""


def command(
    connection: sa.Connection,
    now_ms: int,
    key: str,
    verb: str,
    requested_ms: int,
    grace_ms: int,
    *,
    quiet_ms: int = 0,
    resolution: str = "",
    link: str = "",
    why_not: amendments.WhyNot = lambda _verb, _account, _content: "",
) -> None:
    """Do what a person asked for on a delivery's row, once for each time they ask.

    :param verb: `retry`, `cancel`, `resolve`, `take_down` or `edit`
    :param resolution: for `resolve`: `out`, with the `link` of the post, or `not_out`
    :param grace_ms: how long it may still go out where its time is over
    :param quiet_ms: a request sent so long ago may still arrive
    :param why_not: why a platform cannot take down or change a post
    """
    row = connection.execute(sa.select(deliveries).where(_D.id == key)).first()
    if row is None or requested_ms < (row.commanded_ms or 0):
        return
    verbs = {verb}
    if requested_ms == row.commanded_ms:  # Airtable shows minutes: two wishes may have the same
        if not row.commanded or verb in row.commanded.split():
            return
        verbs |= set(row.commanded.split())
    known = {"commanded_ms": requested_ms, "commanded": " ".join(sorted(verbs))}
    connection.execute(sa.update(deliveries).where(_D.id == key).values(**known))
    if verb in (again.Ask.RETRY, again.Ask.CANCEL):
        again.ask(connection, now_ms, [key], again.Request(again.Ask(verb), BY, grace_ms))
        return
    if verb in list(Verb):
        amendments.ask(connection, now_ms, [key], amendments.Request(Verb(verb), BY, why_not), note=True)
        return
    if verb == "resolve":
        _resolve(
            connection, now_ms, row, resolution, again.Request(again.Ask.IS_OUT, BY, grace_ms, quiet_ms, link)
        )
        return
    tell_story(connection, now_ms, [(key, f"{verb} was requested {BY}: refused, that is not possible")])
    changed(connection, now_ms, [key])


def _resolve(
    connection: sa.Connection, now_ms: int, row: Any, resolution: str, request: again.Request
) -> None:
    """Do what a person says of a delivery in doubt; why it is refused stands in its row, since nobody sees
    the story there."""
    if resolution:
        [told] = again.ask(connection, now_ms, [row.id], replace(request, ask=again.Ask(resolution)))
        if told.done:
            return
        sentence = told.sentence
    else:
        sentence = f"refused, 'Resolve as' must be one of {', '.join(schema.RESOLUTIONS)}"
        tell_story(connection, now_ms, [(row.id, f"resolving was requested {BY}: {sentence}")])
    reason = f"{row.reason.partition(REFUSED)[0]}{REFUSED}{sentence}."
    connection.execute(sa.update(deliveries).where(_D.id == row.id).values(reason=reason, updated_ms=now_ms))
    changed(connection, now_ms, [row.id])
