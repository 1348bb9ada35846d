"""Takes in what services tell by themselves: `POST /schedulo/hooks/tiktok` and `/schedulo/hooks/airtable`.

Whoever sends has no login: the signature over the body is the permission. What is refused is told nothing but
why, and neither bodies nor signatures are logged. What is taken is kept in the ledger and answered at once, a
repeated one like the first; others look into it (`schedulo.delivery.heard`, `schedulo.delivery.listening`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from schedulo.airtable import pings
from schedulo.delivery import heard, listening
from schedulo.ledger.database import Ledger
from schedulo.model import Platform
from schedulo.platforms import tiktok_hooks
from schedulo.platforms.tiktok_hooks import HEADER, Misread, NotSigned, Told
from schedulo.settings import settings
from schedulo.vault import Vault, VaultError
from web.answers import HEADERS, application

log = logging.getLogger(__name__)
MOST_BYTES = 64_000
"""TikTok's are below a thousand."""
KEPT_S = 60.0
"""How long secrets are remembered, so that forged requests cost no look into Airflow's database."""
Secrets = Callable[[], Mapping[str, str]]
MacOf = Callable[[str], str | None]


@cache
def app() -> FastAPI:
    """The application of this process's settings."""
    from hooks.engine import tiktok_secrets

    chosen = settings()
    ledger = Ledger(chosen.ledger)

    def mac_of(webhook_id: str) -> str | None:
        return listening.secret_of(ledger, Vault(ledger, chosen.vault_key), webhook_id)

    return build(ledger, tiktok_secrets, chosen.tiktok_hook_tolerance_s, mac_of)


def build(ledger: Ledger, secrets: Secrets, tolerance_s: float, mac_of: MacOf) -> FastAPI:
    """An application that keeps what is told in `ledger`.

    :param secrets: reads the client secret of each app of TikTok's, by its client key
    :param tolerance_s: how old a signature of TikTok's may be
    :param mac_of: reads what the pings of a webhook of Airtable's are signed with; None: it is none of ours
    """
    app = application("Schedulo hooks")
    app.router.redirect_slashes = False
    known = _Kept(secrets)

    @app.post("/tiktok")
    async def tiktok(request: Request) -> Response:
        signature = request.headers.get(HEADER)
        if signature is None:
            raise HTTPException(401, f"{HEADER}: it is missing.", HEADERS)
        body = await _body(request)

        def work() -> None:
            told = _read(body, signature, known.get(), tolerance_s)
            with ledger.begin() as connection:
                new = heard.take_in(connection, ledger.now_ms(connection), Platform.TIKTOK, told)
            log.info("TikTok told %r%s", told.event, "" if new else " once more")

        await run_in_threadpool(work)
        return Response(status_code=200, headers=HEADERS)

    @app.post("/airtable")
    async def airtable(request: Request) -> Response:
        signature = request.headers.get(pings.HEADER)
        if signature is None:
            raise HTTPException(401, f"{pings.HEADER}: it is missing.", HEADERS)
        body = await _body(request)
        await run_in_threadpool(_pinged, ledger, mac_of, body, signature)
        return Response(status_code=204, headers=HEADERS)

    return app


def _pinged(ledger: Ledger, mac_of: MacOf, body: bytes, signature: str) -> None:
    ping = pings.read(body)
    try:
        secret = mac_of(ping.webhook_id) if ping else None
    except VaultError as error:
        raise HTTPException(503, str(error), HEADERS) from None
    if ping is None or secret is None or not pings.verified(body, signature, secret):
        sentence = f"{pings.HEADER}: no webhook of this installation signed this body."
        raise HTTPException(401, sentence, HEADERS)
    listening.pinged(ledger, ping.webhook_id, ping.at_ms)


def _read(body: bytes, signature: str, secrets: Mapping[str, str], tolerance_s: float) -> Told:
    if not secrets:
        raise HTTPException(
            503,
            "No client secret of a TikTok app is known. The operator enters it as the password of the "
            "Connection that SCHEDULO_TIKTOK_HOOK_CONNECTIONS names.",
            HEADERS,
        )
    try:
        app = tiktok_hooks.verified(body, signature, secrets, time.time(), tolerance_s)
        return tiktok_hooks.read(body, app)
    except NotSigned as error:
        raise HTTPException(401, str(error), HEADERS) from None
    except Misread as error:
        log.warning("TikTok told something that is not understood: %s", error)
        raise HTTPException(400, str(error), HEADERS) from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"The body must be at most {MOST_BYTES} bytes.", HEADERS)
    return bytes(body)


class _Kept:
    """Secrets, for a moment."""

    def __init__(self, read: Secrets) -> None:
        self._read, self._lock = read, threading.Lock()
        self._found: Mapping[str, str] = {}
        self._until_s = 0.0

    def get(self) -> Mapping[str, str]:
        with self._lock:
            if time.monotonic() >= self._until_s:
                self._found = self._read()
                self._until_s = time.monotonic() + KEPT_S
            return self._found
