"""What became of a request that somebody made by hand or by a program: its run, its answers, and how the
deliveries stand that it was about.

Airflow is asked in the name of who asks: what they may not see there, they do not see here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from schedulo.delivery.standing import some
from schedulo.ledger.database import Ledger
from schedulo.planning.requests import WORKFLOWS
from schedulo.settings import settings
from web.answers import HEADERS, application
from web.inside import ask
from web.login import User, send_to_login, whoever_asks

PREFIX = "/schedulo/requests"
ID = r"^[A-Za-z0-9_.~:+-]{1,250}$"
"""What Airflow takes as the id of a run."""


@cache
def app() -> FastAPI:
    """The application of this process's settings."""
    return build(Ledger(settings().ledger))


def build(ledger: Ledger) -> FastAPI:
    """An application that says what became of requests; the scope of each call holds Airflow's application
    as `schedulo.airflow`."""
    app = application("Schedulo requests")
    send_to_login(app, PREFIX)

    @app.get("/{workflow}/{request_id}")
    async def request(
        workflow: str,
        request_id: Annotated[str, Path(pattern=ID)],
        asked: Request,
        _user: Annotated[User, Depends(whoever_asks)],
    ) -> JSONResponse:
        if workflow not in WORKFLOWS:
            there = ", ".join(WORKFLOWS)
            raise HTTPException(404, f"There is no workflow {workflow[:64]}; there are {there}.", HEADERS)
        path = f"/dags/{workflow}/dagRuns/{request_id}"
        status, run = await ask(asked.scope["schedulo.airflow"], asked.scope, path)
        if status == 404:
            raise HTTPException(404, f"There is no request {request_id} of {workflow}.", HEADERS)
        if status != 200:
            detail = run.get("detail") if isinstance(run, dict) else None
            raise HTTPException(status, detail or "Airflow did not answer.", HEADERS)

        async def left(name: str) -> Any:
            entry = f"{path}/taskInstances/{WORKFLOWS[workflow].task}/xcomEntries/{name}"
            status, found = await ask(asked.scope["schedulo.airflow"], asked.scope, entry)
            return found.get("value") if status == 200 and isinstance(found, dict) else None

        answers = await left("answers") or []
        told = {
            "workflow": workflow,
            "id": request_id,
            "state": run["state"],
            "asked_at": run["queued_at"],
            "ended_at": run["end_date"],
            "by": run["triggering_user_name"],
            "conf": run["conf"] or {},
            "summary": await left("summary"),
            "problem": await left("problem") or (None if answers else _problem(run, workflow)),
            "answers": answers,
            "deliveries": await run_in_threadpool(_stand, ledger, answers),
        }
        return JSONResponse(told, 200, HEADERS)

    return app


def _problem(run: Mapping[str, Any], workflow: str) -> str | None:
    if run["state"] != "failed":
        return None
    return f"The run failed; the operator sees why in the logs of {workflow} in Airflow."


def _stand(ledger: Ledger, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with ledger.read() as connection:
        return some(connection, [answer["delivery_id"] for answer in answers if answer.get("delivery_id")])
