"""Looks after logins: says what is known without asking anybody, then renews and checks what is due.

Each account is for itself: what becomes of one costs the others nothing. Everything may be broken off and
begun again at any point: what is done is kept before it is used, and what is due is decided anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.errors import Actor, Diagnosis, Kind, PlatformError, Scope, Strategy
from schedulo.errors.partly import NotAllDone
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import credentials, incidents
from schedulo.model import Format
from schedulo.platforms.base import Credential, Examined
from schedulo.platforms.logins import EXAMINE
from schedulo.publishing.aftercare import Means, Tools, open_tools
from schedulo.publishing.driver import StillWorking, Work
from schedulo.publishing.session import platform_options
from schedulo.settings import Settings
from schedulo.tokens import telling
from schedulo.tokens.due import Action, Due, due, stirs
from schedulo.tokens.logins import DEAD, Login, logins
from schedulo.transport.endpoint import Endpoint
from schedulo.vault import VaultError, checked

AT_ONCE = 8
"""Accounts of one part that are asked about side by side."""

SECOND_LOOK_S = 10.0
"""Between two looks at a login that was refused."""


class NotWatched(NotAllDone):
    """Accounts could not be looked after; the message names each, and why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One account that somebody has to be asked about."""

    key: str
    label: str
    why: str


def survey(ledger: Ledger, settings: Settings, say: Callable[[str], None]) -> list[Wanted]:
    """Warn, hold and tell what is known already; answers the accounts whose platforms are to be asked.

    :param say: takes what was done, as sentences
    """
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
        formats = telling.planned(connection, now_ms)
        lacking = _lacking(connection)
        which = stirs(now_ms, settings.login_check_s)
        found = logins(connection, now_ms, formats.keys() | lacking, which)
    _end(ledger, LATE)
    wanted: list[Wanted] = []
    for login in found:
        step = due(login, now_ms, settings.login_check_s)
        if step is not None and step.action is not Action.HOLD:
            label = f"{login.account.platform} @{login.account.name}"
            wanted.append(Wanted(login.key, label, step.why))
        planned = formats.get(login.key, set())
        if _silent(login, now_ms, step, planned, login.key in lacking):
            continue
        with ledger.begin() as connection:
            if step is not None and step.action is Action.HOLD:
                if telling.hold(connection, now_ms, login, telling.ended(login, step.why)):
                    say(f"{login.key}: held, because {step.why}")
                continue
            said = (
                telling.warn(connection, now_ms, login),
                telling.tell_lacks(connection, now_ms, login, planned),
            )
        for line in filter(None, said):
            say(line)
    return wanted


LATE = "run"
"""What the incident of a run that is late is about."""


def run_is_late(ledger: Ledger, run_id: str, minutes: int) -> None:
    """Tell the operator that logins are not looked after; the next survey ends it."""
    sentence = (
        f"the run {run_id} is not done {minutes} minutes after it was due. Tokens of hours are renewed for "
        "posts of the next hour and a half. Is a worker free?"
    )
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        incident(connection, now_ms, Trouble.LOGINS_FAIL, sentence, actor=Actor.OPERATOR, about=LATE)


def _silent(
    login: Login, now_ms: int, step: Due | None, planned: set[tuple[Format, bool]], lacking: bool
) -> bool:
    """Nothing is to be said of it: most logins, most of the time; then nothing is written."""
    if step is not None and step.action is Action.HOLD:
        return False
    end_ms = login.end_ms
    near = end_ms is not None and telling.stage(end_ms, now_ms) is not None
    lacks = login.scopes is not None and telling.lacks(login.account, login.scopes, planned)
    return not (near or login.warned_days is not None or lacking or lacks)


def _lacking(connection: sa.Connection) -> set[str]:
    named = f"{Trouble.LOGIN_LACKS}:"
    i = incidents.c
    query = sa.select(i.key).where(i.kind == Trouble.LOGIN_LACKS, i.closed_ms.is_(None))
    return {key.removeprefix(named) for key in connection.execute(query).scalars()}


async def look_after(means: Means, keys: Sequence[str], say: Callable[[str], None]) -> None:
    """Renew or check these logins, where that is still due.

    :param say: takes what was done, as sentences
    :raises NotWatched: where that failed for one; the others were looked after
    """
    failed: dict[str, PlatformError] = {}
    slots = asyncio.Semaphore(AT_ONCE)

    async def guarded(tools: Tools, key: str) -> None:
        async with slots:
            try:
                await _one(tools, key, say)
            except PlatformError as error:
                failed[key] = error
                say(f"{key}: {error}")

    async with open_tools(means) as tools:
        await asyncio.gather(*(guarded(tools, key) for key in keys))
    if failed:
        raise _not_watched(failed)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was found about one login when it was asked about out of turn."""

    note: str
    settled: bool
    """Nothing more is to be asked: it is held, or there is none."""
    good: bool = False


async def ask_now(means: Means, key: str) -> Asked:
    """Ask about one login, however lately it was asked about; hold its account where it is dead."""
    login, _ = await asyncio.to_thread(_read, means.ledger, key)
    if login is None or not login.active:
        return Asked("no login of it is kept", settled=True)
    if login.dead:
        return Asked("it is held already", settled=True)
    async with open_tools(means) as tools:
        try:
            await _checked(tools, login)
        except PlatformError as error:
            if error.kind not in DEAD:
                return Asked(error.sentence(), settled=False)
            await asyncio.to_thread(_hold, means.ledger, login, error)
            return Asked(f"held: {error.sentence()}", settled=True)
    return Asked("its login is good", settled=False, good=True)


def _not_watched(failed: dict[str, PlatformError]) -> NotWatched:
    sentence = "; ".join(f"{key}: {error}" for key, error in failed.items())
    hopeful = [error for error in failed.values() if error.info.strategy is not Strategy.STOP]
    waits = [error.wait_s for error in hopeful if error.wait_s is not None]
    return NotWatched(sentence, again=bool(hopeful), wait_s=max(waits, default=None))


async def _one(tools: Tools, key: str, say: Callable[[str], None]) -> None:
    ledger, settings = tools.means.ledger, tools.means.settings
    login, now_ms = await asyncio.to_thread(_read, ledger, key)
    step = None if login is None else due(login, now_ms, settings.login_check_s)
    if login is None or step is None:
        say(f"{key}: nothing is due any more")
        return
    try:
        match step.action:
            case Action.HOLD:
                raise telling.ended(login, step.why)
            case Action.RENEW:
                await _renewed(tools, login, refused=False)
            case Action.CHECK:
                await _checked(tools, login)
    except PlatformError as error:
        if error.kind in DEAD:
            if await asyncio.to_thread(_hold, ledger, login, error):
                say(f"{key}: held: {error.sentence()}")
            return
        await asyncio.to_thread(_failed, ledger, login, error)
        raise
    await asyncio.to_thread(_end, ledger, login.account.platform)
    say(f"{key}: {'renewed' if step.action is Action.RENEW else 'good'}, because {step.why}")


def _read(ledger: Ledger, key: str) -> tuple[Login | None, int]:
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
        found = logins(connection, now_ms, [key])
    return (found[0] if found else None), now_ms


async def _renewed(tools: Tools, login: Login, *, refused: bool) -> None:
    if tools.renewal is None:
        raise _not_set_up(login, VaultError("SCHEDULO_VAULT_KEY is not set: nothing can be renewed"))
    await tools.renewal.renew(login.account, refused=refused)


async def _checked(tools: Tools, login: Login) -> None:
    """Ask whether it is good, and keep what its platform says of it.

    A login is given up after two refusals: one may be a platform's slip, and all posts would wait for it.
    """
    try:
        told = await examine(tools, login)
    except PlatformError as error:
        if error.kind not in DEAD:
            raise
        if error.kind is Kind.TOKEN_EXPIRED and login.renewable:
            await _renewed(tools, login, refused=True)
            return
        await asyncio.sleep(min(SECOND_LOOK_S, tools.means.patience_s))
        told = await examine(tools, login)
    await asyncio.to_thread(_keep, tools.means.ledger, login, told)


async def examine(tools: Tools, login: Login) -> Examined:
    """What the platform says of a login. Raises `PlatformError` where it is not good, or nothing is said."""
    means = tools.means
    try:
        secret = await asyncio.to_thread(_secret, means, login.key)
    except VaultError as error:
        raise _not_set_up(login, error) from None
    endpoint = means.logins.endpoints.get(login.account.platform) if means.logins else None
    endpoint = endpoint or Endpoint({})
    credential = Credential(
        login.account,
        endpoint.app_id,
        endpoint.app_secret,
        secret,
        refused=False,
        options=platform_options(means.settings),
    )
    flow = EXAMINE[login.account.platform](credential)
    try:
        told: Examined = await tools.driver.run(flow, Work("", login.key, {}, {}, means.patience_s))
    except StillWorking as working:
        diagnosis = Diagnosis(Kind.PLATFORM_DOWN, refusal=False)
        raise PlatformError(login.account.platform, diagnosis, message=working.note) from None
    return told


def _secret(means: Means, key: str) -> dict[str, Any]:
    vault = means.logins.tokens.vault if means.logins else None
    if vault is None:
        raise VaultError("SCHEDULO_VAULT_KEY is not set: nothing can be asked")
    found = vault.get([key])
    if key not in found:
        raise VaultError(f"no token is kept for {key} any more")
    return found[key]


def _not_set_up(login: Login, error: VaultError) -> PlatformError:
    """No fault of the account: the operator mends it."""
    diagnosis = Diagnosis(Kind.CONFIGURATION, refusal=False, scope=Scope.ACCOUNT)
    return PlatformError(login.account.platform, diagnosis, message=str(error))


def _keep(ledger: Ledger, login: Login, told: Examined) -> None:
    with ledger.begin() as connection:
        checked(
            connection,
            ledger.now_ms(connection),
            login.key,
            login.serial,
            ends_told=told.ends_told,
            expires_ms=_ms(told.expires_s),
            data_access_ms=_ms(told.data_access_s),
            scopes=told.scopes,
        )


def _ms(instant_s: float | None) -> int | None:
    return None if instant_s is None else int(instant_s * 1000)


def _hold(ledger: Ledger, login: Login, error: PlatformError) -> bool:
    with ledger.begin() as connection:
        return telling.hold(connection, ledger.now_ms(connection), login, error)


def _failed(ledger: Ledger, login: Login, error: PlatformError) -> None:
    """It may be good all the same: its posts go out. People are told of what passes by itself by others."""
    same = (credentials.c.account_key == login.key, credentials.c.serial == login.serial)
    platform = login.account.platform
    with ledger.begin() as connection:
        connection.execute(sa.update(credentials).where(*same).values(problem=error.sentence()))
        if error.kind is Kind.CONFIGURATION:
            now_ms = ledger.now_ms(connection)
            sentence = f"{platform}: {error.sentence()}"
            incident(connection, now_ms, Trouble.LOGINS_FAIL, sentence, actor=Actor.OPERATOR, about=platform)


def _end(ledger: Ledger, about: str) -> None:
    """What kept logins from being renewed is over."""
    key = f"{Trouble.LOGINS_FAIL}:{about}"
    query = sa.select(incidents.c.key).where(incidents.c.key == key, incidents.c.closed_ms.is_(None))
    with ledger.read() as connection:
        if connection.execute(query).first() is None:
            return
    with ledger.begin() as connection:
        over(connection, ledger.now_ms(connection), Trouble.LOGINS_FAIL, about)
