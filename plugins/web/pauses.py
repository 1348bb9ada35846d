"""Before Airflow pauses a Dag that programs start (`PATCH /api/v2/dags/<id>`), or many at once (`PATCH
/api/v2/dags`): it takes who may edit every Dag.

Airflow has one permission for starting a Dag and for pausing it. A program that has it for the Dags of its
contract could switch them off for everybody else, or on again where an operator switched one off. For many at
once, Airflow asks for it on the Dag that the address's query names, and then takes all that one may edit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from web.inside import App, Message
from web.login import NotLoggedIn, check_may_pause, whoever_asks
from web.roles import PROGRAMS_START

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def pause(airflow: App, dag_id: str | None, scope: Message, receive: Receive, send: Send) -> None:
    """Refuse a change of Dags, or let Airflow answer, as where nobody is logged in.

    :param airflow: what comes behind
    :param dag_id: None: many at once
    """
    if dag_id is None or dag_id in PROGRAMS_START:
        try:
            user = await whoever_asks(Request(scope, receive))
            await run_in_threadpool(check_may_pause, user)
        except NotLoggedIn:
            pass
        except HTTPException as refused:
            await JSONResponse({"detail": refused.detail}, refused.status_code)(scope, receive, send)
            return
    await airflow(scope, receive, send)
