"""How it stands, for monitors: 200 where it is green or yellow, 503 where it is red or nobody has checked.

Anybody learns the colour; the rest is for who is logged in to Airflow and may see the Dag that checks. Asked
for by anybody, it asks the ledger every other second at the most.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from schedulo.clock import now_ms
from schedulo.health.document import Document, standing
from schedulo.health.findings import Finding, Status
from schedulo.ledger.database import Ledger
from schedulo.settings import settings
from web.answers import HEADERS, application
from web.login import NotLoggedIn, User, may_see, whoever_asks

PREFIX = "/schedulo/health"
DAG_ID = "check_health"
KEPT_S = 2.0
WAIT_S = 3.0
SILENT = "The ledger gives no answer. The operator looks at its database."


@cache
def app() -> FastAPI:
    """The application of this process's settings: the ledger's address is in its environment, or the file."""
    return build(Ledger(settings().ledger))


class _Kept:
    """The last answer of the ledger, for a moment; who comes meanwhile waits for it and asks nothing.

    Nobody waits for long: Airflow's own calls need the same threads.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._lock = ledger, threading.Lock()
        self._document: Document | None = None
        self._until_s = 0.0

    def get(self) -> Document:
        if not self._lock.acquire(timeout=WAIT_S):
            return Document(Status.RED, now_ms(), None, [(Finding("ledger", Status.RED, SILENT), None)])
        try:
            if self._document is None or time.monotonic() >= self._until_s:
                self._document = standing(self._ledger)
                self._until_s = time.monotonic() + KEPT_S
            return self._document
        finally:
            self._lock.release()


async def _somebody(request: Request) -> User | None:
    try:
        return await whoever_asks(request)
    except NotLoggedIn:
        return None


def build(ledger: Ledger) -> FastAPI:
    """An application that says how it stands by `ledger`."""
    app = application("Schedulo health")
    kept = _Kept(ledger)

    @app.api_route("/", methods=["GET", "HEAD"])
    def health(user: Annotated[User | None, Depends(_somebody)]) -> JSONResponse:
        document = kept.get()
        known = user is not None and may_see(user, DAG_ID)
        content = document.whole() if known else document.short()
        return JSONResponse(content, 503 if document.status is Status.RED else 200, HEADERS)

    return app
