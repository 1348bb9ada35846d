"""How deliveries stand, for programs: those of posts or accounts, a page at a time, and one with its story.

For who may see the Dag that publishes, or has the permission for these alone.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import JSONResponse

from schedulo.airtable.client import RECORD_ID
from schedulo.delivery.standing import CURSOR, MOST, Which, one, page
from schedulo.ledger.database import Ledger
from schedulo.model import State
from schedulo.planning import wishes
from schedulo.planning.wishes import WishError
from schedulo.settings import settings
from web.answers import HEADERS, application
from web.login import User, check_may_see_deliveries, send_to_login, whoever_asks

PREFIX = "/schedulo/deliveries"
DAG_ID = "publish_due_posts"
NAMES = 100
"""Posts or accounts that may be asked for at once."""
Names = Annotated[list[str], Query(default_factory=list)]


@cache
def app() -> FastAPI:
    """The application of this process's settings."""
    return build(Ledger(settings().ledger))


def build(ledger: Ledger) -> FastAPI:
    """An application that says how the deliveries of `ledger` stand."""
    app = application("Schedulo deliveries")
    send_to_login(app, PREFIX)

    def reader(user: Annotated[User, Depends(whoever_asks)]) -> None:
        check_may_see_deliveries(user, DAG_ID)

    @app.get("/", dependencies=[Depends(reader)])
    def some(
        post: Names,
        account: Names,
        state: Names,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        after: Annotated[str, Query(pattern=f"^({CURSOR.pattern})?$")] = "",
    ) -> JSONResponse:
        which = _which(post, account, state, limit, after)
        with ledger.read() as connection:
            found = page(connection, which)
        return JSONResponse({"deliveries": found.deliveries, "next": found.next}, 200, HEADERS)

    @app.get("/{delivery}", dependencies=[Depends(reader)])
    def single(delivery: str) -> JSONResponse:
        found = None
        if wishes.DELIVERY_ID.fullmatch(delivery):
            with ledger.read() as connection:
                found = one(connection, delivery)
        if found is None:
            raise HTTPException(404, f"There is no delivery {delivery[:64]}.", HEADERS)
        return JSONResponse(found, 200, HEADERS)

    return app


def _which(post: list[str], account: list[str], state: list[str], limit: int, after: str) -> Which:
    try:
        which = Which(
            wishes.texts("post", post, RECORD_ID, wishes.RECORDS, NAMES),
            wishes.texts("account", account, wishes.ACCOUNT_KEY, wishes.ACCOUNTS, NAMES),
            wishes.words("state", state, list(State)),
            limit,
            after,
        )
    except WishError as error:
        raise HTTPException(422, str(error), HEADERS) from None
    if not (which.posts or which.accounts):
        raise HTTPException(
            422, "Nothing is asked for: name post or account. Whoever calls corrects it.", HEADERS
        )
    return which
