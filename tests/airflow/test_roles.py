"""Every call of the table of calls, made as every role and as nobody: a real api-server, the FAB auth
manager, and roles made by the command."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.stack import Stack
from tests.schedulo.platforms.tiktok_events import APP, SECRET, body, signed
from web.calls import CALLS, NOBODY, SENSELESS, Call
from web.guard import ATTEMPTS
from web.roles import ADMIN, BUBBLE, EVERY, OPERATOR

pytestmark = pytest.mark.slow(minutes=3)

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
USERS = {role: role.lower().replace(" ", "-") for role in EVERY}


@dataclass
class House:
    """An api-server, and a token of each role."""

    stack: Stack
    tokens: dict[str, str]

    def make(self, call: Call, role: str) -> requests.Response:
        named = {"Authorization": f"Bearer {self.tokens[role]}"} if role != NOBODY else {}
        for attempt in range(6):
            answer = requests.request(
                call.method, self.stack.url + call.path, headers=named, json=call.body, timeout=120
            )
            if answer.status_code != 500 or "Database error" not in answer.text:
                break
            time.sleep(1.0 + attempt)  # SQLite was locked for longer than Airflow waits
        return answer

    def command(self, *arguments: str) -> str:
        """What a command of ours prints."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / "schedulo"), *arguments],
            env=self.stack.env(),
            cwd=self.stack.home,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("roles")
    tiktok = {"conn_type": "tiktok", "login": APP, "password": SECRET}
    told = {"AIRFLOW__CORE__AUTH_MANAGER": FAB, "AIRFLOW_CONN_TIKTOK_DEFAULT": json.dumps(tiktok)}
    stack = Stack(home, "http://127.0.0.1:9", environment=told)
    house = House(stack, {})
    stack.prepare()
    house.command("roles")
    for role, name in USERS.items():
        stack.run(
            *("airflow", "users", "create", "--role", role, "--username", name, "--password", stack.password),
            *("--email", f"{name}@example.com", "--firstname", "A", "--lastname", "Person"),
        )
    stack.run("airflow", "dags", "reserialize")
    try:
        stack.start("api-server", "airflow", "api-server")
        wait_until_it_answers(stack)
        for role, name in USERS.items():
            login = {"username": name, "password": stack.password}
            answer = requests.post(f"{stack.url}/auth/token", json=login, timeout=120)
            house.tokens[role] = answer.json()["access_token"]
        yield house
    finally:
        stack.close()


def wait_until_it_answers(stack: Stack, patience_s: float = 300.0) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        assert stack.processes["api-server"].poll() is None, stack.tail("api-server")
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{stack.url}/api/v2/monitor/health", timeout=30).ok:
                return
        time.sleep(0.5)
    raise AssertionError(stack.tail("api-server"))


def test_every_call_is_answered_to_the_roles_of_its_row_and_refused_to_all_others(house: House) -> None:
    wrong = []
    for call in CALLS:
        for role in (*EVERY, NOBODY):
            answer = house.make(call, role)
            told = call.shows in answer.json() if call.shows else True
            if role in call.may or call.shows:
                expected: Any = (call.status, role in call.may or not call.shows)
            else:
                expected = (401 if role == NOBODY else 403, True)
            if (answer.status_code, told) != expected:
                wrong.append(
                    f"{call.about}, as {role}: {answer.status_code}, not {expected[0]}: {answer.text[:200]}"
                )
    assert not wrong, "\n".join(wrong)


def test_nobody_is_sent_to_the_login_where_a_browser_asks(house: House) -> None:
    answer = requests.get(
        f"{house.stack.url}/schedulo/reports/",
        headers={"Accept": "text/html"},
        allow_redirects=False,
        timeout=120,
    )
    assert answer.status_code == 303
    assert "/auth/login" in answer.headers["Location"]


def test_the_command_says_what_it_would_change_and_takes_back_what_was_given_by_hand(house: House) -> None:
    assert house.command("roles").count("as it should be") == 3
    house.stack.run("airflow", "roles", "add-perms", BUBBLE, "-r", "Connections", "-a", "can_read")
    assert "  - can_read on Connections" in house.command("roles", "--dry-run")
    assert f"{BUBBLE}: 0 permissions given, 1 taken away" in house.command("roles")
    assert house.command("roles").count("as it should be") == 3


def test_airflows_start_leaves_the_roles_as_they_are(house: House) -> None:
    """It gives every role a permission, and `Admin` all there are: ours too."""
    assert house.command("roles", "--dry-run").count("as it should be") == 3
    row = next(call for call in CALLS if call.path.endswith("/tokens"))
    assert house.make(row, ADMIN).status_code == row.status


def test_tiktoks_webhook_is_taken_by_its_signature_alone_and_once(house: House) -> None:
    """The client secret is that of Airflow's Connection."""
    raw = body()

    def send(signature: str) -> int:
        headers = {"TikTok-Signature": signature, "Content-Type": "application/json"}
        url = f"{house.stack.url}/schedulo/hooks/tiktok"
        return requests.post(url, data=raw, headers=headers, timeout=120).status_code

    assert send(signed(raw, "wrong")) == 401
    assert send(signed(raw, at_s=1)) == 401
    assert [send(signed(raw)) for _ in range(2)] == [200, 200]
    said = house.stack.tail("api-server", 100_000)
    assert "TikTok told 'post.publish.complete'" in said
    assert SECRET not in said


# --- what stands before every page ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/auth/login/", "/api/v2/version", "/static/nothing"])
def test_airflows_pages_stand_in_no_frame_of_others(house: House, path: str) -> None:
    headers = requests.get(house.stack.url + path, timeout=120).headers
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_of_another_site_starts_nothing_with_an_operators_cookie(house: House) -> None:
    url = f"{house.stack.url}/api/v2/dags/publish_now/dagRuns"

    def status(site: str) -> int:
        named = {"Cookie": f"_token={house.tokens[OPERATOR]}", "Sec-Fetch-Site": site}
        return requests.post(url, json=SENSELESS, headers=named, timeout=120).status_code

    assert status("same-site") == 403
    assert status("same-origin") == 422  # as who is logged in


def test_passwords_are_not_guessed_quickly_by_the_form_nor_by_the_call_for_tokens(house: House) -> None:
    """The last of all: this address gets no token for a minute."""
    form = f"{house.stack.url}/auth/login/"
    session = requests.Session()
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', session.get(form, timeout=120).text)
    assert found is not None
    fields = {"username": USERS[ADMIN], "password": "wrong", "csrf_token": found[1]}
    said = [session.post(form, data=fields, allow_redirects=False, timeout=120) for _ in range(12)]
    assert 429 in [answer.status_code for answer in said]

    login = {"username": USERS[ADMIN], "password": "wrong"}
    tried = [
        requests.post(f"{house.stack.url}/auth/token", json=login, timeout=120).status_code
        for _ in range(ATTEMPTS + 1)
    ]
    assert tried == [401] * ATTEMPTS + [429]
