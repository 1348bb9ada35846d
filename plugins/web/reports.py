"""Shows the reports that were kept, to who is logged in to Airflow and may see the Dag that makes them.

Reports hold what strangers wrote. They are escaped where they are made; here the browser is told besides to
run nothing, load nothing and stay out of frames.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response

from schedulo.analytics.shelf import Shelf, kind_of
from schedulo.settings import settings
from web.login import User, check_may_see, may_see, send_to_login, whoever_asks

PREFIX = "/schedulo/reports"
DAG_ID = "summarise_week"
MADE_BY = {"errors": "maintain", "rehearsal": "rehearse_posts"}
"""The Dag that makes a kind of report, where it is not `DAG_ID`. Who may see the Dag may see its reports."""
HEAD = (
    '<!doctype html><html lang=en><meta charset="utf-8"><title>Reports</title>'
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
)
HEADERS = {
    "Cache-Control": "private, no-cache",
    # Airflow's pages live on the same origin: nothing here may act as one of them.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action "
    "'none'; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@cache
def app() -> FastAPI:
    """The application of this process's settings."""
    return build(Shelf.of(settings()))


def build(shelf: Shelf) -> FastAPI:
    """An application that shows the reports of `shelf`."""
    app = FastAPI(title="Schedulo reports", docs_url=None, redoc_url=None, openapi_url=None)
    send_to_login(app, PREFIX)

    @app.api_route("/{name}", methods=["GET", "HEAD"])
    def report(name: str, user: Annotated[User, Depends(whoever_asks)]) -> Response:
        check_may_see(user, _dag_of(name))
        path = shelf.find(name)
        if path is None:
            raise HTTPException(404, "There is no such report; the last 60 of each kind are kept.")
        return FileResponse(path, media_type="text/html; charset=utf-8", headers=HEADERS)

    @app.get("/")
    def every(user: Annotated[User, Depends(whoever_asks)]) -> Response:
        seen = {dag_id for dag_id in (DAG_ID, *MADE_BY.values()) if may_see(user, dag_id)}
        if not seen:
            check_may_see(user, DAG_ID)
        rows = "".join(
            f'<li><a href="{name}">{name.removesuffix(".html")}</a></li>'
            for name in shelf.names()
            if _dag_of(name) in seen
        )
        nothing = "<p>None is kept yet; summarise_week makes one every Monday, maintain one every day.</p>"
        content = f"<ul>{rows}</ul>" if rows else nothing
        page = f"{HEAD}<h1>Reports</h1>{content}"
        return HTMLResponse(page, headers=HEADERS)

    return app


def _dag_of(name: str) -> str:
    """The Dag that made a report."""
    return MADE_BY.get(kind_of(name), DAG_ID)
