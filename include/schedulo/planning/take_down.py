"""Asks by form, REST or command to take posts down, or to change what is out.

Here a request is read and its deliveries are found; what each of them answers is `delivery.amendments`', who
carries it out is `publishing.aftercare`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.amendments import Deed, Request, Told, Verb, ask, foresee
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries
from schedulo.model import Account, Content, Platform
from schedulo.planning import wishes
from schedulo.planning.wishes import WishError
from schedulo.platforms import AFTER
from schedulo.platforms.after import After

_D = deliveries.c
MOST = 1000


@dataclass(frozen=True, slots=True)
class Wished:
    """Which deliveries to take down or to change. What is given must all be true of a delivery."""

    action: Verb = Verb.TAKE_DOWN
    deliveries: tuple[str, ...] = ()
    posts: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    dry_run: bool = False

    @classmethod
    def read(cls, conf: Mapping[str, Any]) -> Wished:
        """Read a request. Raises `WishError`: also where accounts alone are named, since everything on an
        account is never taken down at once."""
        wishes.only(conf, tuple(cls.__dataclass_fields__))
        get = conf.get
        [action] = wishes.words("action", get("action") or Verb.TAKE_DOWN.value, list(Verb)) or [""]
        read = cls(
            Verb(action),
            *wishes.named(conf),
            wishes.flag("dry_run", get("dry_run", False)),
        )
        if not (read.deliveries or read.posts):
            raise WishError("Nothing chooses the posts: name deliveries or posts. Whoever calls corrects it.")
        return read


@dataclass(frozen=True, slots=True)
class Answer:
    told: tuple[Told, ...]

    def sentence(self, wished: Wished) -> str:
        done = sum(item.deed is not Deed.REFUSED for item in self.told)
        verb = "taken down" if wished.action is Verb.TAKE_DOWN else "changed"
        return f"{done} of {len(self.told)} deliveries {'would be' if wished.dry_run else 'are to be'} {verb}"

    @property
    def requested(self) -> list[str]:
        """The deliveries of which something is to be carried out."""
        return [item.delivery_id for item in self.told if item.deed is Deed.REQUESTED]


def why_not(after: Mapping[Platform, After], verb: Verb, account: Account, content: Content) -> str:
    """Why the platform cannot do that with such a post, as a sentence; empty where it can."""
    side = after[account.platform]
    if verb is Verb.TAKE_DOWN:
        return side.cannot_take_down(account, content)
    return side.cannot_edit(account, content)


def take_down(ledger: Ledger, wished: Wished, by: str, after: Mapping[Platform, After] = AFTER) -> Answer:
    """Ask for it, or only say what would be done.

    :raises WishError: where a delivery, a post or an account is named that nobody knows, or too many are
    """
    request = Request(wished.action, by, lambda *about: why_not(after, *about))
    if wished.dry_run:
        with ledger.read() as connection:
            return Answer(tuple(foresee(connection, _chosen(connection, wished), request)))
    with ledger.begin() as connection:
        ids = _chosen(connection, wished)
        return Answer(tuple(ask(connection, ledger.now_ms(connection), ids, request)))


def _chosen(connection: sa.Connection, wished: Wished) -> list[str]:
    """The chosen deliveries, the first due first."""
    chosen = wishes.chosen(connection, wished.deliveries, wished.posts, wished.accounts)
    ids = connection.execute(sa.select(_D.id).where(*chosen).order_by(_D.due_ms, _D.id)).scalars().all()
    if len(ids) > MOST:
        raise WishError(
            f"{len(ids)} deliveries are chosen: at most {MOST} at once. Whoever calls names fewer."
        )
    return list(ids)
