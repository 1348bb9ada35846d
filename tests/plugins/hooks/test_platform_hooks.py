"""The platforms' hooks against the sandbox, and their forms in Airflow's own providers manager."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from hooks.airtable import AirtableHook
from hooks.facebook import FacebookHook
from hooks.instagram import InstagramHook
from hooks.platform import PlatformHook
from hooks.provider_info import get_provider_info
from hooks.tiktok import TikTokHook
from hooks.x import XHook
from sandbox.running import RunningSandbox

ROOT = Path(__file__).resolve().parents[3]

HOOKS = {"instagram": InstagramHook, "facebook": FacebookHook, "x": XHook, "tiktok": TikTokHook}
TOKENS = {platform: f"{platform}-token-geheim" for platform in HOOKS}
ACCOUNTS = {"instagram": "17840001", "facebook": "2001", "x": "3001", "tiktok": "open-4001"}
NAMES = {"instagram": "cafe", "facebook": "Cafe", "x": "cafe_x", "tiktok": "cafe_tt"}
SEED = {
    "instagram": {"accounts": [{"account_id": "17840001", "username": "cafe", "token": TOKENS["instagram"]}]},
    "facebook": {
        "pages": [
            {
                "page_id": "2001",
                "name": "Cafe",
                "page_token": TOKENS["facebook"],
                "instagram_account_id": "17840002",
            }
        ]
    },
    "x": {
        "apps": [{"client_id": "app"}],
        "accounts": [{"account_id": "3001", "username": "cafe_x", "token": TOKENS["x"]}],
    },
    "tiktok": {
        "clients": [{"client_key": "key", "client_secret": "client-secret"}],
        "accounts": [{"account_id": "open-4001", "username": "cafe_tt", "token": TOKENS["tiktok"]}],
    },
}


def connect(monkeypatch: pytest.MonkeyPatch, platform: str, **parts: Any) -> PlatformHook:
    """The hook of a Connection with these parts, found as Airflow finds it."""
    monkeypatch.setenv(
        f"AIRFLOW_CONN_{platform.upper()}_DEFAULT", json.dumps({"conn_type": platform, **parts})
    )
    return HOOKS[platform]()


def in_sandbox(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, platform: str, **extra: str
) -> PlatformHook:
    hosts = {f"{name}_host": sandbox.service(name) for name in ("facebook", "rupload")}
    return connect(
        monkeypatch,
        platform,
        host=sandbox.service(platform),
        login="the-app",
        password="the-app-secret",
        extra={**hosts, **extra},
    )


def test_an_empty_connection_means_the_platforms_own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    bases = {}
    for platform in HOOKS:
        bases |= connect(monkeypatch, platform).endpoint().bases
    assert bases == {
        "instagram": "https://graph.instagram.com",
        "facebook": "https://graph.facebook.com",
        "rupload": "https://rupload.facebook.com",
        "x": "https://api.x.com",
        "tiktok": "https://open.tiktokapis.com",
    }


@pytest.mark.parametrize(
    ("parts", "base"),
    [
        ({"host": "http://127.0.0.1:1234/x"}, "http://127.0.0.1:1234/x"),
        ({"host": "http://127.0.0.1:1234/x/"}, "http://127.0.0.1:1234/x"),
        ({"host": "proxy.example"}, "https://proxy.example"),
        ({"host": "proxy.example", "schema": "http", "port": 8080}, "http://proxy.example:8080"),
        ({"host": "https://proxy.example/x", "port": 8443}, "https://proxy.example:8443/x"),
    ],
)
def test_the_host_may_be_a_url_or_its_parts(
    parts: dict[str, Any], base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connect(monkeypatch, "x", **parts).endpoint().bases == {"x": base}


def test_a_connection_gives_app_and_account(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox) -> None:
    endpoint = in_sandbox(
        monkeypatch, sandbox, "instagram", token=TOKENS["instagram"], account_id="17840001"
    ).endpoint()
    assert (endpoint.app_id, endpoint.app_secret) == ("the-app", "the-app-secret")
    assert (endpoint.account_id, endpoint.token) == ("17840001", TOKENS["instagram"])
    assert endpoint.bases == {name: sandbox.service(name) for name in ("instagram", "facebook", "rupload")}


@pytest.mark.parametrize("platform", HOOKS)
async def test_a_trigger_gets_the_same_from_within_its_loop(
    platform: str, monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    hook = in_sandbox(monkeypatch, sandbox, platform, token=TOKENS[platform], account_id="1")
    assert await hook.aendpoint() == hook.endpoint()


@pytest.mark.parametrize("platform", HOOKS)
def test_nothing_that_is_printed_shows_a_secret(
    platform: str, monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    hook = in_sandbox(monkeypatch, sandbox, platform, token=TOKENS[platform])
    shown = f"{hook!r}{hook.endpoint()!r}{hook.get_conn()!r}{vars(hook)}"
    assert "geheim" not in shown
    assert "the-app-secret" not in shown


@pytest.mark.parametrize("platform", HOOKS)
def test_the_test_button_says_whose_token_it_is(
    platform: str, monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    sandbox.seed(SEED)
    hook = in_sandbox(monkeypatch, sandbox, platform, token=TOKENS[platform], account_id=ACCOUNTS[platform])
    assert hook.test_connection() == (True, f"Connected as {NAMES[platform]} (id {ACCOUNTS[platform]}).")


def test_a_token_of_facebook_login_is_good_for_instagram(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    sandbox.seed(SEED)
    hook = in_sandbox(monkeypatch, sandbox, "instagram", token=TOKENS["facebook"], account_id="17840002")
    assert hook.test_connection() == (True, "Connected as Cafe (id 2001).")


@pytest.mark.parametrize("platform", HOOKS)
def test_a_token_of_another_account_is_told(
    platform: str, monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    sandbox.seed(SEED)
    hook = in_sandbox(monkeypatch, sandbox, platform, token=TOKENS[platform], account_id="999")
    worked, message = hook.test_connection()
    assert not worked
    assert message.endswith(f"(id {ACCOUNTS[platform]}), not to account 999.")


@pytest.mark.parametrize("platform", HOOKS)
def test_a_token_that_is_not_known_is_refused_in_words_without_it(
    platform: str, monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    worked, message = in_sandbox(monkeypatch, sandbox, platform, token="unknown-geheim").test_connection()
    assert not worked
    assert message.startswith(f"{HOOKS[platform].hook_name} does not accept the token (HTTP 4")
    assert "geheim" not in message


def test_a_service_that_repeats_the_token_in_its_error_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Repeats(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers["Authorization"].removeprefix("Bearer ")
            body = json.dumps({"error": {"message": f"Malformed access token {token}"}}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Repeats) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        hook = connect(monkeypatch, "facebook", host=host, extra={"token": "one-geheim"})
        _, message = hook.test_connection()
        server.shutdown()
    assert message == "Facebook does not accept the token (HTTP 400: Malformed access token ***)."


@pytest.mark.parametrize("platform", HOOKS)
def test_without_a_token_it_is_tested_that_all_hosts_answer(
    platform: str, monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    hook = in_sandbox(monkeypatch, sandbox, platform)
    worked, message = hook.test_connection()
    assert worked
    assert all(base in message for base in hook.endpoint().bases.values())


@pytest.mark.parametrize("token", ["", "any-geheim"])
def test_a_host_that_does_not_answer_is_named(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    hook = connect(monkeypatch, "x", host=f"http://127.0.0.1:{port}", extra={"token": token})
    assert hook.test_connection() == (False, f"127.0.0.1:{port} cannot be reached (ConnectionError).")


def test_a_service_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox) -> None:
    sandbox.fault(service="tiktok", mode="status:503")
    sandbox.seed(SEED)
    worked, message = in_sandbox(monkeypatch, sandbox, "tiktok", token=TOKENS["tiktok"]).test_connection()
    assert not worked
    assert "HTTP 503" in message


def test_the_session_speaks_to_its_host_by_path(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    sandbox.seed(SEED)
    session = in_sandbox(monkeypatch, sandbox, "x", token=TOKENS["x"]).get_conn()
    assert session.get("/2/users/me").json()["data"]["username"] == "cafe_x"


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://api.x.com/2/users/me", True),
        ("https://API.X.com:443/2/users/me", True),
        ("http://api.x.com/2/users/me", False),
        ("https://api.x.com.example/2/users/me", False),
        ("https://api.x.com:8443/2/users/me", False),
        ("https://upload.example/file", False),
    ],
)
def test_the_token_goes_to_its_own_host_only(url: str, sent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    session = connect(monkeypatch, "x", extra={"token": TOKENS["x"]}).get_conn()
    prepared = session.prepare_request(requests.Request("GET", url))
    assert prepared.headers.get("Authorization") == (f"Bearer {TOKENS['x']}" if sent else None)


def test_every_connection_type_names_its_hook_and_its_hidden_token() -> None:
    types = {one["connection-type"]: one for one in get_provider_info()["connection-types"]}
    for platform, hook in HOOKS.items():
        assert types[platform]["hook-class-name"] == f"{hook.__module__}.{hook.__name__}"
        assert types[platform]["hook-name"] == hook.hook_name
        assert types[platform]["conn-fields"]["token"]["schema"]["format"] == "password"


ASK = """
import json, sys
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
types = manager.hooks
import_errors = [name for name, hook in types.items() if hook is None]
ours = {name: hook.hook_name for name, hook in types.items() if hook and hook.package_name == "schedulo"}
hook = {name: types[name].connection_id_attribute_name for name in ours}
print("ANSWER" + json.dumps({
    "names": ours,
    "attributes": hook,
    "fields": sorted(name for name in manager.connection_form_widgets if name.split("__")[1] in ours),
    "relabeled": {name: manager.field_behaviours[name]["relabeling"] for name in ours},
    "errors": import_errors,
}))
"""


@pytest.fixture(scope="module")
def in_airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow's providers manager makes of an installed Schedulo, in a process of its own.

    The distribution is made by hand: its entry point is all that counts, and the tests must not install.
    """
    site = tmp_path_factory.mktemp("site")
    folder = site / "schedulo-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: schedulo\nVersion: 0.1.0\n")
    (folder / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info = hooks.provider_info:get_provider_info\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(site),
        "AIRFLOW_HOME": str(site / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "plugins"), str(ROOT / "include")]),
    }
    run = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, cwd=site, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    answer: dict[str, Any] = json.loads(run.stdout.rpartition("ANSWER")[2])
    return answer


def test_airflow_offers_the_connection_types(in_airflow: dict[str, Any]) -> None:
    everyone = [*HOOKS.values(), AirtableHook]
    assert in_airflow["errors"] == []
    assert in_airflow["names"] == {hook.conn_type: hook.hook_name for hook in everyone}
    assert in_airflow["attributes"] == {hook.conn_type: hook.conn_name_attr for hook in everyone}


def test_airflow_shows_a_form_for_each(in_airflow: dict[str, Any]) -> None:
    fields = set(in_airflow["fields"])
    for platform in HOOKS:
        assert {f"extra__{platform}__account_id", f"extra__{platform}__token"} <= fields
        assert in_airflow["relabeled"][platform]["host"] == "Address"
    more = ("extra__instagram__facebook_host", "extra__facebook__rupload_host", "extra__airtable__base_id")
    assert set(more) <= fields


def test_the_description_for_airflow_imports_no_hook() -> None:
    code = (
        "import sys; from hooks.provider_info import get_provider_info; get_provider_info();"
        "sys.exit(any(name.split('.')[0] in ('airflow', 'requests', 'schedulo') for name in sys.modules))"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in ("include", "plugins"))
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False).returncode == 0
