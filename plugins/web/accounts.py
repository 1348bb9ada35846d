"""Takes in tokens over HTTP: `POST /schedulo/accounts/tokens`, for who may change Connections in Airflow, or
has the permission for this alone.

A program's call, not a page's: JSON alone, and the token of Airflow's REST API in the Authorization header.
A cookie counts for nothing here, so that no other page can make a browser send tokens. What is answered, and
what is logged, holds no secret.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from schedulo.clock import now_ms
from schedulo.publishing.aftercare import Means
from schedulo.tokens.taking_in import Given, GivenError, Outcome, read, take_in
from schedulo.vault import VaultError
from web.answers import HEADERS, application
from web.login import User, check_may_connect, send_to_login, whoever_calls

PREFIX = "/schedulo/accounts"
MOST_BYTES = 1_000_000


@cache
def app() -> FastAPI:
    """The application of this process's settings."""
    from hooks.engine import means_for_people

    return build(means_for_people)


def build(means: Callable[[], AbstractContextManager[Means]]) -> FastAPI:
    """An application that keeps tokens with `means`, which are opened for each call."""
    app = application("Schedulo accounts")
    app.router.redirect_slashes = False
    send_to_login(app, PREFIX)

    @app.post("/tokens")
    async def tokens(
        request: Request, user: Annotated[User, Depends(whoever_calls)], dry_run: bool = False
    ) -> JSONResponse:
        await run_in_threadpool(check_may_connect, user)
        given = await _given(request)
        author = user.get_name()

        def work() -> list[Outcome]:
            with means() as opened:
                return asyncio.run(take_in(opened, given, author, keep=not dry_run))

        try:
            outcomes = await run_in_threadpool(work)
        except VaultError as error:
            raise HTTPException(503, str(error), HEADERS) from None
        kept = all(outcome.kept or outcome.would for outcome in outcomes)
        answer = {"accounts": [outcome.to_json() for outcome in outcomes]}
        return JSONResponse(answer, 200 if kept else 422, HEADERS)

    return app


async def _given(request: Request) -> dict[str, Given]:
    """What the body says. Its text is never told again: it holds tokens."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "Content-Type must be application/json.", HEADERS)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"The body must be at most {MOST_BYTES} bytes.", HEADERS)
    try:
        data: Any = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.", HEADERS) from None
    try:
        return read(data, now_ms())
    except GivenError as error:
        raise HTTPException(422, f"{error} Nothing was kept.", HEADERS) from None
