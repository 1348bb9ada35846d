"""How applications of ours answer programs: JSON of one shape where something is wrong, nothing kept by who
passes it on."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
UNREACHABLE = "The ledger cannot be asked now. Try again; the operator sees why in the api-server's log."


def application(title: str) -> FastAPI:
    """An application whose refusals are `{"detail": "<a sentence>"}`, those of FastAPI too."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(RequestValidationError)
    def misunderstood(_request: Request, error: RequestValidationError) -> JSONResponse:
        said = [f"{item['loc'][-1]}: {item['msg']}" for item in error.errors()]
        return JSONResponse({"detail": f"{'; '.join(said)}. Whoever calls corrects it."}, 422, HEADERS)

    @app.exception_handler(SQLAlchemyError)
    def unreachable(request: Request, error: SQLAlchemyError) -> JSONResponse:
        log.error("%s could not be answered", request.url.path, exc_info=error)
        return JSONResponse({"detail": UNREACHABLE}, 503, HEADERS)

    return app
