"""A house of accounts whose logins are watched over: a real ledger and a real sandbox, on one moved clock."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet

from sandbox.running import RunningSandbox
from schedulo.delivery.holds import Hold, in_force
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, credentials, deliveries, incidents, vault_audit
from schedulo.media import MediaStore
from schedulo.model import Content, Format, Platform, State
from schedulo.platforms import AFTER, CONVERSATIONS
from schedulo.publishing.aftercare import Means
from schedulo.publishing.renewal import Logins
from schedulo.publishing.session import platform_options
from schedulo.settings import Settings
from schedulo.tokens.watch import Wanted, look_after, survey
from schedulo.transport.endpoint import Endpoint
from schedulo.transport.wire import Wire
from schedulo.vault import Tokens, Vault

START_S = 1_800_000_000
"""2027-01-15, in the middle of an hour."""
MINUTE, HOUR, DAY = 60, 3600, 86_400
KEY = Fernet.generate_key().decode()
APP = Endpoint({}, "app", "app-secret")
SERVICES = ("instagram", "facebook", "rupload", "x", "tiktok")
APPS = {
    "x": {"apps": [{"client_id": "app", "client_secret": "app-secret"}]},
    "tiktok": {"clients": [{"client_key": "app", "client_secret": "app-secret"}]},
    "facebook": {"apps": [{"app_id": "app", "app_secret": "app-secret"}]},
}


@dataclass
class House:
    ledger: Ledger
    sandbox: RunningSandbox
    settings: Settings = field(default_factory=Settings)
    endpoints: Mapping[str, Endpoint] = field(
        default_factory=lambda: {platform.value: APP for platform in Platform}
    )
    make_vault: Callable[[Ledger], Vault] = lambda ledger: Vault(ledger, KEY)
    now_s: float = START_S
    said: list[str] = field(default_factory=list)
    _numbers: int = 0
    _folder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    def __post_init__(self) -> None:
        self.ledger.now_ms = lambda _connection: int(self.now_s * 1000)  # type: ignore[method-assign]
        self.vault = self.make_vault(self.ledger)
        self.sandbox.seed(APPS)
        self.sandbox.stop_clock(self.now_s)

    # --- time ---

    def move(self, seconds: float) -> None:
        self.now_s += seconds
        self.sandbox.world.stop_at(self.now_s)

    # --- what there is ---

    def account(
        self,
        platform: str,
        account_id: str,
        secret: Mapping[str, Any] | None = None,
        login: str = "",
        **seed: Any,
    ) -> str:
        """An account that the platform and the ledger know, connected with `secret`; answers its key."""
        self.sandbox.seed({platform: _seeded(platform, account_id, login, self.now_s, seed)})
        return self.row(platform, account_id, secret, login)

    def row(
        self, platform: str, account_id: str, secret: Mapping[str, Any] | None = None, login: str = ""
    ) -> str:
        """An account that the ledger knows."""
        key = f"{platform}:{account_id}"
        with self.ledger.begin() as connection:
            connection.execute(
                sa.insert(accounts).values(
                    key=key,
                    platform=platform,
                    account_id=account_id,
                    name=f"user{account_id}",
                    options={"login": login} if login else {},
                    updated_ms=0,
                )
            )
        if secret is not None:
            self.vault.put({key: secret}, "ann")
        return key

    def plan(self, key: str, in_s: float, format_: Format = Format.TEXT, **content: Any) -> str:
        """A post that is due in so many seconds."""
        self._numbers += 1
        due_ms = int((self.now_s + in_s) * 1000)
        values = {
            "id": f"d{self._numbers}",
            "post_id": f"rec{self._numbers}",
            "account_key": key,
            "platform": key.partition(":")[0],
            "state": State.SCHEDULED,
            "content": Content(format_, "words", **content).to_json(),
            "content_hash": "",
            "due_ms": due_ms,
            "fire_ms": due_ms,
            "not_after_ms": due_ms + 3_600_000,
            "seen_ms": 0,
            "updated_ms": 0,
        }
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(deliveries).values(**values))
        return str(values["id"])

    def went_out(self, ids: Iterable[str]) -> None:
        with self.ledger.begin() as connection:
            connection.execute(
                sa.update(deliveries).where(deliveries.c.id.in_(list(ids))).values(state=State.PUBLISHED)
            )

    # --- an hour's run ---

    def means(self) -> Means:
        tokens = Tokens(self.vault, {})
        wire = Wire(
            {name: f"{self.sandbox.url}/{name}" for name in SERVICES},
            self.vault.token,
            MediaStore(Path(self._folder.name)).open_slice,
        )
        logins = Logins(tokens, self.endpoints, platform_options(self.settings))
        return Means(
            self.ledger, wire, self.settings, CONVERSATIONS, AFTER, lambda _media: None, logins, patience_s=0
        )

    def survey(self) -> list[Wanted]:
        return survey(self.ledger, self.settings, self.said.append)

    def watch(self) -> list[str]:
        """What the hour's run does; answers the accounts that were asked about."""
        keys = [wanted.key for wanted in self.survey()]
        if keys:
            asyncio.run(look_after(self.means(), keys, self.said.append))
        return keys

    # --- what came of it ---

    def login(self, key: str) -> Any:
        with self.ledger.read() as connection:
            return connection.execute(sa.select(credentials).where(credentials.c.account_key == key)).one()

    def audit(self, key: str) -> list[str]:
        a = vault_audit.c
        with self.ledger.read() as connection:
            query = sa.select(a.what).where(a.account_key == key).order_by(a.id)
            return list(connection.execute(query).scalars())

    def holds(self) -> list[Hold]:
        with self.ledger.read() as connection:
            return in_force(connection, self.ledger.now_ms(connection))

    def open_incidents(self) -> dict[str, str]:
        i = incidents.c
        with self.ledger.read() as connection:
            rows = connection.execute(sa.select(i.key, i.sentence).where(i.closed_ms.is_(None)))
            return {row.key: row.sentence for row in rows}

    def asked(self, service: str, route: str) -> int:
        return sum(
            row["count"]
            for row in self.sandbox.requests()
            if (row["service"], row["route"]) == (service, route)
        )

    def close(self) -> None:
        self._folder.cleanup()


def _seeded(platform: str, account_id: str, login: str, now_s: float, more: Mapping[str, Any]) -> Any:
    if platform == "facebook":
        page = {"page_id": account_id, "name": f"user{account_id}", "page_token": f"page-{account_id}"}
        return {"pages": [page | more]}
    row: dict[str, Any] = {
        "account_id": account_id,
        "username": f"user{account_id}",
        "token": f"token-{account_id}",
    }
    if platform == "instagram":
        row |= {"flavour": login or "instagram_login", "token_issued_at": now_s}
    else:
        row |= {"refresh_token": f"refresh-{account_id}", "token_expires_at": now_s + 7200}
    return {"accounts": [row | more]}
