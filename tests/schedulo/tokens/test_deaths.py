"""Processes that die at every point of a renewal leave an account that works, or a clear reconnect."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.delivery.holds import in_force
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, credentials, vault_audit
from schedulo.vault import Vault
from tests.schedulo.tokens import dying_process as dying
from tests.schedulo.tokens.house import APPS, KEY

pytestmark = pytest.mark.slow
POINTS = (dying.BEFORE_REQUEST, dying.BEFORE_KEPT, dying.BEFORE_USE)
HOST = {"x": "/2/users/me", "tiktok": "/v2/user/info/?fields=open_id", "instagram": "/v25.0/me"}


def lay_out(ledger: Ledger, sandbox: RunningSandbox, platform: str) -> str:
    """A login that is to be renewed now: it was never looked at, or its end is near."""
    key = f"{platform}:7"
    sandbox.seed(APPS)
    row: dict[str, Any] = {"account_id": "7", "username": "anna", "token": "old"}
    secret: dict[str, Any] = {"access_token": "old"}
    if platform == "instagram":
        row |= {"flavour": "instagram_login", "token_issued_at": time.time() - 40 * 86_400}
        secret["expires_ms"] = int((time.time() + 5 * 86_400) * 1000)
    else:
        row |= {"refresh_token": "r1", "token_expires_at": time.time() - 1}
        secret["refresh_token"] = "r1"
    sandbox.seed({platform: {"accounts": [row]}})
    with ledger.begin() as connection:
        options = {"login": "instagram_login"} if platform == "instagram" else {}
        known = {"key": key, "platform": platform, "account_id": "7", "name": "anna"}
        connection.execute(sa.insert(accounts).values(**known, options=options, updated_ms=0))
    Vault(ledger, KEY).put({key: secret}, "ann")
    with ledger.begin() as connection:  # it was connected days ago
        days_ago = int((time.time() - 40 * 86_400) * 1000)
        connection.execute(sa.update(credentials).values(obtained_ms=days_ago))
    return key


def look(ledger: Ledger, sandbox: RunningSandbox, key: str, point: str) -> int:
    """An hour's look, in a process of its own; answers how it ended."""
    url = ledger.url.render_as_string(hide_password=False)
    return subprocess.run(
        [sys.executable, dying.__file__, url, sandbox.url, KEY, key, point],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
    ).returncode


@pytest.mark.parametrize("platform", list(HOST))
@pytest.mark.parametrize("point", POINTS)
def test_whatever_point_a_process_dies_at_the_next_one_knows_what_is_so(
    ledger: Ledger, sandbox: RunningSandbox, platform: str, point: str
) -> None:
    key = lay_out(ledger, sandbox, platform)
    assert look(ledger, sandbox, key, point) == dying.GONE
    with ledger.begin() as connection:  # as time does
        connection.execute(sa.update(credentials).values(refresher_until_ms=1))
    assert look(ledger, sandbox, key, dying.NOWHERE) == 0
    with ledger.read() as connection:
        held = in_force(connection, ledger.now_ms(connection))
        story = list(connection.execute(sa.select(vault_audit.c.what).order_by(vault_audit.c.id)).scalars())
    if point == dying.BEFORE_KEPT and platform != "instagram":
        [hold] = held
        assert (hold.name, hold.error_kind) == (f"account:{key}", "reconnect")
        assert "a renewal before was cut off" in hold.reason
        assert story == ["connected", "not renewed", "held"]
        return
    assert held == []
    assert story == ["connected", "renewed"]
    token = Vault(ledger, KEY).token(key)
    assert token != "old"
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(sandbox.service(platform) + HOST[platform], headers=headers, timeout=10)
    assert answer.status_code == 200, "its platform takes what is kept"
