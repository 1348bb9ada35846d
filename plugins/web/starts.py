"""Before Airflow starts a Dag of ours by hand, for its form and for programs alike (`POST .../dagRuns`).

Two things it does not do by itself. A configuration that the workflow would refuse is refused here, by the
same rules and in the same words, with 422 instead of a run that fails: Airflow lets unknown fields pass, so
that a mistyped `dry_run` would publish. And a repeated `dag_run_id` is answered with the first run, if it
asked for the same, where Airflow says 409 and not which run there is; for another request it stays 409.

All else is Airflow's, and so is who may do it: whoever may not start the Dag is answered by Airflow.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from schedulo.delivery.holds import HoldError
from schedulo.ledger.database import Ledger
from schedulo.planning.requests import WORKFLOWS, check, same
from schedulo.planning.wishes import WishError
from schedulo.settings import settings
from web.inside import App, Message, ask
from web.login import NotLoggedIn, check_may_start, whoever_asks

log = logging.getLogger(__name__)
MOST_BYTES = 256_000
REPEATED = {"Idempotent-Replayed": "true"}
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@cache
def _ledger() -> Ledger:
    return Ledger(settings().ledger)


async def start(airflow: App, dag_id: str, scope: Message, receive: Receive, send: Send) -> None:
    """Answer a request to start a Dag, or let Airflow do it.

    :param airflow: what comes behind
    """
    if dag_id not in WORKFLOWS or not await _may_start(dag_id, scope, receive):
        await airflow(scope, receive, send)
        return
    body = await _body(receive)
    if body is None:
        refused = JSONResponse({"detail": f"The body must be at most {MOST_BYTES} bytes."}, 413)
        await refused(scope, receive, send)
        return
    asked = _asked(body)
    if asked is not None:
        try:
            await run_in_threadpool(_check, dag_id, asked.get("conf") or {})
        except (WishError, HoldError) as error:
            await JSONResponse({"detail": str(error)}, 422)(scope, receive, send)
            return
    answer = _Answer(send)
    await airflow(scope, _again(body, receive), answer.send)
    if answer.conflict:
        said = await _first(airflow, dag_id, scope, asked or {})
        if said is None:
            await answer.let_go()
        else:
            await said(scope, receive, send)


async def _may_start(dag_id: str, scope: Message, receive: Receive) -> bool:
    try:
        user = await whoever_asks(Request(scope, receive))
        await run_in_threadpool(check_may_start, user, dag_id)
    except (NotLoggedIn, HTTPException):
        return False
    return True


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is too large."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            return None
        more = message.get("more_body", False)
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, for who comes next."""
    unread = [body]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replay


def _asked(body: bytes) -> Mapping[str, Any] | None:
    """What the body says; None where only Airflow can say what is wrong with it."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("conf") or {}, dict):
        return None
    return data


def _check(dag_id: str, conf: Mapping[str, Any]) -> None:
    try:
        check(_ledger(), dag_id, conf)
    except (WishError, HoldError):
        raise
    except Exception:  # the run itself says what is wrong with the ledger
        log.warning("what was asked of %s could not be checked", dag_id, exc_info=True)


async def _first(airflow: App, dag_id: str, scope: Message, asked: Mapping[str, Any]) -> JSONResponse | None:
    """The first run of a repeated id; None where there is none, and Airflow's answer counts."""
    run_id = asked.get("dag_run_id")
    if not isinstance(run_id, str):
        return None
    status, run = await ask(airflow, scope, f"/dags/{dag_id}/dagRuns/{run_id}")
    if status != 200 or not isinstance(run, dict):
        return None
    if same(dag_id, asked.get("conf") or {}, run.get("conf") or {}):
        return JSONResponse(run, 200, REPEATED)
    sentence = (
        f"dag_run_id ({run_id}): it was used for another request before. Nothing was done; "
        "whoever calls gives each request an id of its own."
    )
    return JSONResponse({"detail": sentence}, 409)


class _Answer:
    """Passes Airflow's answer on, and keeps back one that says that there is such a run already."""

    def __init__(self, send: Send) -> None:
        self._send, self._kept = send, list[Message]()
        self.conflict = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 409:
            self.conflict = True
        if self.conflict:
            self._kept.append(message)
        else:
            await self._send(message)

    async def let_go(self) -> None:
        for message in self._kept:
            await self._send(message)
