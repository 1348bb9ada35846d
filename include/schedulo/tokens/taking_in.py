"""Takes in tokens that people bring: reads what they give, asks the platform, and keeps what is good.

Nothing here tells a secret again: answers and errors name accounts, fields and rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.holds import reconnected
from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.ledger.tables import accounts
from schedulo.model import Account, Platform
from schedulo.platforms.base import Credential, Examined, Renewed, scopes_of, seconds
from schedulo.platforms.instagram_accepts import Login
from schedulo.platforms.logins import EXAMINE
from schedulo.publishing.aftercare import Means, Tools, open_tools
from schedulo.publishing.driver import StillWorking, Work
from schedulo.publishing.session import platform_options
from schedulo.tokens import telling
from schedulo.tokens.logins import DEAD
from schedulo.transport.endpoint import Endpoint
from schedulo.vault import Vault, VaultError, checked
from schedulo.words import shown

MOST = 500
"""Accounts that are taken in at once."""
LONGEST = 4096
"""Characters of a token."""
TOKENS = ("access_token", "refresh_token", "user_token")
NAME = 40
"""Characters of the longest name that is told again."""
LIFETIMES = {"expires_in": "expires_ms", "refresh_expires_in": "refresh_expires_ms"}
SCOPES = ("scope", "scopes", "permissions")
PASSED_OVER = ("token_type", "open_id", "user_id")
"""What platforms answer beside it; it is no harm and of no use."""
FIELDS = (*TOKENS, *LIFETIMES, *SCOPES, *PASSED_OVER, "login")


class GivenError(ValueError):
    """What was given cannot be understood; the message names account, field, value and rule, and no token."""


@dataclass(frozen=True, slots=True)
class Given:
    """One account's tokens, as they are kept."""

    secret: Mapping[str, Any] = field(repr=False)
    login: str = ""
    """Instagram: by which login; empty: as its row says, else both are tried."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one account's tokens."""

    account_key: str
    kept: bool
    sentence: str
    name: str = ""
    """What its platform calls it; empty where it was not asked, or did not say."""
    released: tuple[str, ...] = ()
    """Holds that this ended: what waited for a login goes out."""
    would: bool = False
    """It was only looked at, and would be kept."""

    def to_json(self) -> dict[str, Any]:
        return {
            "account": self.account_key,
            "kept": self.kept,
            "said": self.sentence,
            "name": self.name,
            "released": list(self.released),
        }


# --- reading ----------------------------------------------------------------------------------------------


def read(data: Any, now_ms: int) -> dict[str, Given]:
    """What people give: `{"x:123": {"access_token": "...", "refresh_token": "...", "expires_in": 7200}}`.

    :raises GivenError: for the first thing that cannot be understood; nothing is kept then
    """
    if not isinstance(data, dict) or not data:
        raise GivenError('It must be an object by account, such as {"x:123": {"access_token": "..."}}.')
    if len(data) > MOST:
        raise GivenError(f"There are {len(data)} accounts; {MOST} are taken at once.")
    return {_key(key): _given(key, one, now_ms) for key, one in data.items()}


def _key(key: str) -> str:
    platform, _, account_id = key.partition(":")
    if platform not in set(Platform) or not account_id or account_id != account_id.strip():
        raise GivenError(
            f"{_short(key)} is not platform:account_id, such as x:123; platforms are {', '.join(Platform)}."
        )
    return key


def _short(name: str) -> str:
    """A name that is wrong, unless it is so long that it may be a token in the wrong place."""
    return repr(shown(name)) if len(name) <= NAME else f"a name of {len(name)} characters"


def _given(key: str, one: Any, now_ms: int) -> Given:
    if not isinstance(one, dict):
        raise GivenError(f"{key}: it must be an object with an access_token.")
    unknown = sorted(name for name in one if name not in FIELDS)
    if unknown:
        names = ", ".join(_short(name) for name in unknown)
        raise GivenError(f"{key}: {names}: there is no such field; there are {', '.join(FIELDS)}.")
    meta = key.partition(":")[0] in (Platform.FACEBOOK, Platform.INSTAGRAM)
    secret: dict[str, Any] = {name: _token(key, name, one[name]) for name in TOKENS if one.get(name)}
    if "access_token" not in secret and not (meta and "user_token" in secret):
        raise GivenError(f"{key} has no access_token.")
    if "user_token" in secret and not meta:
        raise GivenError(f"{key}: user_token: only accounts that are reached through a Page have one.")
    if "refresh_token" in secret and meta:
        raise GivenError(f"{key}: refresh_token: Meta gives none. Leave it out.")
    for name, column in LIFETIMES.items():
        if one.get(name) is not None:
            lifetime_s = seconds(one[name])
            if lifetime_s is None or isinstance(one[name], bool) or lifetime_s > 10 * 365 * 86_400:
                raise GivenError(f"{key}: {name} ({shown(str(one[name]))}): it must be a number of seconds.")
            secret[column] = now_ms + int(lifetime_s * 1000)
    for name in SCOPES:
        if one.get(name) is not None:
            scopes = scopes_of(one[name])
            if scopes is None:
                raise GivenError(f"{key}: {name}: it must be a text or a list of texts.")
            secret["scopes"] = scopes
    login = one.get("login") or ""
    if login and login not in (Login.INSTAGRAM, Login.FACEBOOK):
        raise GivenError(f"{key}: login: it must be {Login.INSTAGRAM} or {Login.FACEBOOK}.")
    return Given(secret, login)


def _token(key: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise GivenError(f"{key}: {name}: it must be a text.")
    token = value.strip()
    if not token or len(token) > LONGEST or not token.isascii() or any(c.isspace() for c in token):
        raise GivenError(f"{key}: {name}: it must be one word of at most {LONGEST} plain characters.")
    return token


# --- asking and keeping -----------------------------------------------------------------------------------


async def take_in(
    means: Means, given: Mapping[str, Given], author: str, *, check: bool = True, keep: bool = True
) -> list[Outcome]:
    """Keep these tokens; what a platform does not accept, or what is another account's, is not kept.

    :param author: who brings them, for the audit
    :param check: ask the platforms first. One that does not answer keeps nothing out: it is asked again later
    :param keep: False: only look at them
    :raises VaultError: where nothing can be kept
    """
    vault = means.logins.tokens.vault if means.logins else None
    if vault is None:
        raise VaultError("SCHEDULO_VAULT_KEY is not set: tokens cannot be kept. The operator sets it.")
    with means.ledger.read() as connection:
        query = sa.select(accounts).where(accounts.c.key.in_(list(given)))
        known = {row.key: row.options for row in connection.execute(query)}
    # The tokens that are looked at are not those that are kept: each answers for its own account.
    shown_ones = {key: str(one.secret.get("access_token", "")) for key, one in given.items()}
    asking = replace(means, wire=replace(means.wire, token_for=lambda key: shown_ones[key]), logins=None)
    async with open_tools(asking) as tools:
        one_by_one = (
            _one(means, vault, tools, shown_ones, key, one, known.get(key), author, check, keep)
            for key, one in given.items()
        )
        return list(await asyncio.gather(*one_by_one))


async def _one(
    means: Means,
    vault: Vault,
    tools: Tools,
    tokens: dict[str, str],
    key: str,
    given: Given,
    options: Mapping[str, Any] | None,
    author: str,
    check: bool,
    keep: bool,
) -> Outcome:
    platform, _, account_id = key.partition(":")
    login = given.login or str((options or {}).get("login") or "")
    account = Account(Platform(platform), account_id, "", options={"login": login} if login else {})
    secret, told, note = dict(given.secret), None, "it was not checked"
    try:
        if "access_token" not in secret:
            secret |= await _exchanged(means, tools, account, secret)
            tokens[key] = secret["access_token"]
        if check:
            told = await _examined(means, tools, account, secret)
            note = ""
    except PlatformError as error:
        refused = error.kind in DEAD and "refresh_token" not in secret
        if refused or "access_token" not in secret:
            return Outcome(key, False, f"not kept: {_refusal(error)}")
        # X and TikTok: the first token lives for hours, the second one may be good all the same.
        note = f"it could not be checked and is looked at within the hour: {error.while_reading()}"
    if told is not None and told.account_id and told.account_id != account_id:
        whose = f"@{told.name} ({told.account_id})" if told.name else told.account_id
        sentence = f"not kept: the token belongs to {whose}, not to account {account_id}"
        if platform == Platform.FACEBOOK:
            sentence += ". A person's token is given as user_token"
        return Outcome(key, False, sentence, told.name)
    if not keep:
        said = (
            f"would be kept{f', as @{told.name}' if told and told.name else ''}{f'; {note}' if note else ''}"
        )
        return Outcome(key, False, said, told.name if told else "", would=True)
    return await asyncio.to_thread(_keep, means, vault, key, secret, told, note, author)


def _refusal(error: PlatformError) -> str:
    if error.kind not in DEAD:
        return error.sentence()
    said = ", ".join(part for part in (error.code, error.message) if part)
    return f"{error.platform} does not accept it{f' ({said})' if said else ''}"


async def _examined(means: Means, tools: Tools, account: Account, secret: Mapping[str, Any]) -> Examined:
    """What its platform says. An Instagram account whose login nobody named is asked for by both."""
    told: Examined
    try:
        told = await _run(means, tools, account, secret, renew=False)
    except PlatformError as error:
        unnamed = account.platform is Platform.INSTAGRAM and not account.options.get("login")
        if error.kind not in (*DEAD, Kind.HANDLE_EXPIRED) or not unnamed:
            raise
        by_instagram = replace(account, options={"login": Login.INSTAGRAM})
        told = await _run(means, tools, by_instagram, secret, renew=False)
    return told


async def _exchanged(
    means: Means, tools: Tools, account: Account, secret: Mapping[str, Any]
) -> dict[str, Any]:
    """A Page's token from a person's."""
    renewed: Renewed = await _run(means, tools, account, secret, renew=True)
    found: dict[str, Any] = {"access_token": renewed.access_token, "user_token": renewed.user_token}
    if renewed.refresh_expires_in_s is not None:
        with means.ledger.read() as connection:
            now_ms = means.ledger.now_ms(connection)
        found["refresh_expires_ms"] = now_ms + int(renewed.refresh_expires_in_s * 1000)
    return found


async def _run(
    means: Means, tools: Tools, account: Account, secret: Mapping[str, Any], *, renew: bool
) -> Any:
    endpoint = means.logins.endpoints.get(account.platform) if means.logins else None
    endpoint = endpoint or Endpoint({})
    options = platform_options(means.settings)
    credential = Credential(account, endpoint.app_id, endpoint.app_secret, secret, False, options)
    if renew:
        flow = means.conversations[account.platform].refresh(credential)
    else:
        flow = EXAMINE[account.platform](credential)
    try:
        return await tools.driver.run(flow, Work("", account.key, {}, {}, means.patience_s))
    except StillWorking as working:
        diagnosis = Diagnosis(Kind.PLATFORM_DOWN, refusal=False)
        raise PlatformError(account.platform, diagnosis, message=working.note) from None


def _keep(
    means: Means,
    vault: Vault,
    key: str,
    secret: Mapping[str, Any],
    told: Examined | None,
    note: str,
    author: str,
) -> Outcome:
    with means.ledger.begin() as connection:
        now_ms = means.ledger.now_ms(connection)
        serial = vault.put_in(connection, now_ms, {key: secret}, author)[key]
        if told is not None:
            ends = {"expires_ms": told.expires_s, "data_access_ms": told.data_access_s}
            checked(
                connection,
                now_ms,
                key,
                serial,
                ends_told=told.ends_told,
                scopes=told.scopes,
                **{name: None if end is None else int(end * 1000) for name, end in ends.items()},
            )
        lifted = reconnected(connection, now_ms, [key], author)
        telling.connected(connection, now_ms, [key])
    parts = [f"kept{f', as @{told.name}' if told and told.name else ''}"]
    if told is not None and told.data_access_s is not None:
        parts.append(f"its owner must log in again by {iso(int(told.data_access_s * 1000))}")
    elif secret.get("expires_ms") and not any(secret.get(name) for name in ("refresh_token", "user_token")):
        parts.append(f"it ends at {iso(secret['expires_ms'])}")
    if note:
        parts.append(note)
    names = tuple(sorted({hold.name for hold in lifted}))
    return Outcome(key, True, "; ".join(parts), told.name if told else "", names)
