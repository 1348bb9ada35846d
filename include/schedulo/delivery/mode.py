"""Whether posts go to the platforms: live, to a sandbox, or to nothing.

A ledger that published for real must not be used with a sandbox: what was due meanwhile would count as
published. Nor the other way round. So a ledger keeps for good which of the two it is for. The mode *nothing*
publishes nothing and fits both: it is a hold on everything, which a person ends once the mode is another.
"""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.delivery import holds
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import writes
from schedulo.settings import Mode, Settings

MARK = "mode"
AUTHOR = "SCHEDULO_MODE"
REASON = "test mode: nothing is sent"


class ModeError(Exception):
    """This ledger is for another mode; the message says which, and who can mend it."""


def agree(ledger: Ledger, settings: Settings) -> None:
    """See that the ledger is for the mode that is set; one that was used for nothing yet is from now on. In
    the mode *nothing* what it holds must wait before anybody works with it, or posts would fail where nothing
    may be sent.

    :raises ModeError: where it is for another
    """
    if settings.mode == Mode.NOTHING:
        with ledger.begin() as connection:
            hold_all(connection, ledger.now_ms(connection), settings)
        return
    with ledger.read() as connection:
        kept = marks.read(connection, MARK)[0]
        if kept is None and settings.mode == Mode.SANDBOX and _wrote(connection):
            kept = Mode.LIVE
    if kept is None:
        with ledger.begin() as connection:
            marks.mark(connection, ledger.now_ms(connection), MARK, settings.mode)
    elif kept != settings.mode:
        raise ModeError(_other(kept, settings.mode))


def _wrote(connection: sa.Connection) -> bool:
    """Whether something was sent by this ledger, in a time when there were no modes."""
    return connection.execute(sa.select(writes.c.id).limit(1)).first() is not None


def _other(kept: str, wanted: str) -> str:
    did = "published to the platforms" if kept == Mode.LIVE else "published to a sandbox"
    return (
        f"SCHEDULO_MODE is {wanted}, and this ledger has {did}: with it posts that count as published would "
        f"not be. Nothing is sent. The operator sets SCHEDULO_MODE to {kept}, or another ledger "
        "(SCHEDULO_LEDGER_URL)."
    )


def hold_all(connection: sa.Connection, now_ms: int, settings: Settings) -> bool:
    """In the mode *nothing* hold everything, unless a person does; whether the hold is new."""
    if settings.mode != Mode.NOTHING:
        return False
    everything = [hold for hold in holds.in_force(connection, now_ms) if hold.scope is holds.Scope.EVERYTHING]
    if any(hold.until_ms is None for hold in everything):
        return False
    return holds.set_hold(connection, now_ms, holds.Scope.EVERYTHING, "", REASON, AUTHOR)


def sentence(settings: Settings) -> str:
    """What people must know of the mode; empty where posts go to the platforms."""
    match settings.mode:
        case Mode.SANDBOX:
            return (
                f"Test mode: posts go to the sandbox at {settings.sandbox_url}; no platform is asked, "
                "nothing is published."
            )
        case Mode.NOTHING:
            return "Test mode: nothing is sent; all posts are held, and no platform is asked."
        case _:
            return ""
