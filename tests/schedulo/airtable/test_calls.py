from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pyairtable import Api

from schedulo.airtable.calls import Calls
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.rows import Report
from schedulo.errors import Kind
from schedulo.errors.airtable import AirtableBusy, AirtableDown, AirtableQuota, AirtableRefused
from schedulo.model import Platform


@pytest.mark.parametrize("shape", ["object", "array"])
def test_a_lock_out_longer_than_the_time_left_is_told_without_waiting(base: Any, shape: str) -> None:
    base.sandbox.switch(airtable_429_shape=shape)
    base.sandbox.fault(service="airtable", mode="rate_limit")
    client = base.client()
    with client.within(10), pytest.raises(AirtableBusy) as caught:
        client.accounts()
    assert caught.value.wait_s == 30
    assert client.calls.count == 1
    assert base.clock.slept == [] or max(base.clock.slept) < 2


def test_while_locked_out_nothing_is_asked(base: Any) -> None:
    base.sandbox.fault(service="airtable", mode="rate_limit")
    client = base.client()
    for _ in range(3):
        with client.within(10), pytest.raises(AirtableBusy):
            client.accounts()
    assert client.calls.count == 1


def test_a_lock_out_shorter_than_the_time_left_is_waited_for(base: Any) -> None:
    base.sandbox.fault(service="airtable", mode="rate_limit")
    client = base.client()
    with client.within(60):
        assert client.accounts() == []
    assert client.calls.count == 2
    assert max(base.clock.slept) == 30


def test_we_keep_below_five_calls_a_second_by_ourselves(base: Any) -> None:
    client = base.client()
    for _ in range(40):
        client.accounts()
    assert client.calls.count == 40
    assert sum(base.clock.slept) >= 8


def test_an_empty_monthly_budget_is_not_asked_again(base: Any) -> None:
    base.sandbox.switch(monthly_calls_left="0")
    client = base.client()
    with pytest.raises(AirtableQuota, match="this month's Airtable calls"):
        client.accounts()
    assert client.calls.count == 1


@pytest.mark.parametrize(
    "mode", ["status:503", "status:500", "status:502", "drop_before", "drop_after", "garbage_2xx"]
)
def test_a_read_that_fails_is_repeated(base: Any, mode: str) -> None:
    base.sandbox.fault(service="airtable", mode=mode)
    client = base.client()
    assert client.accounts() == []
    assert client.calls.count == 2


def test_a_server_that_stays_down_is_given_up_within_the_budget(base: Any) -> None:
    base.sandbox.fault(service="airtable", mode="status:502", times=-1)
    client = base.client()
    with client.within(10), pytest.raises(AirtableDown, match="already planned go out"):
        client.accounts()
    assert client.calls.count <= 5
    assert sum(base.clock.slept) <= 10


def test_what_must_not_be_done_twice_is_repeated_only_after_a_refusal(base: Any) -> None:
    calls = base.client().calls
    base.sandbox.fault(service="airtable", mode="drop_after")
    with pytest.raises(AirtableDown):
        calls.send("GET", calls.api.urls.whoami, repeatable=False)
    base.sandbox.fault(service="airtable", mode="status:503")
    assert "id" in calls.send("GET", calls.api.urls.whoami, repeatable=False)
    assert calls.count == 3


def test_a_wrong_token_is_told_in_words_and_without_the_token(base: Any) -> None:
    calls = Calls(base.api("patWRONG.verysecret"))
    with pytest.raises(AirtableRefused, match="does not accept the token") as caught:
        calls.send("GET", calls.api.urls.whoami)
    assert caught.value.kind is Kind.RECONNECT
    assert "verysecret" not in repr(caught.value) + str(caught.value)


def test_a_refused_connection_is_told_without_the_address(clock: Any) -> None:
    calls = Calls(
        Api("pat", retry_strategy=None, endpoint_url="http://127.0.0.1:1"), clock=clock, sleep=clock.sleep
    )
    with pytest.raises(AirtableDown, match="ConnectionError") as caught:
        calls.send("GET", calls.api.build_url("appX", "Secret plans"))
    assert "Secret" not in str(caught.value)


def test_an_answer_that_trickles_is_cut_at_the_limit() -> None:
    """Single reads are quick, so only a limit on the whole answer ends this."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n")
            while not done.wait(0.05):
                try:
                    connection.sendall(b" " * 65536)
                except OSError:
                    return

    threading.Thread(target=trickle, daemon=True).start()
    port = listener.getsockname()[1]
    calls = Calls(
        Api("pat", retry_strategy=None, endpoint_url=f"http://127.0.0.1:{port}"), call_s=1.0, budget_s=1.0
    )
    began = time.monotonic()
    try:
        with pytest.raises(AirtableDown, match="ReadTimeout"):
            calls.send("GET", calls.api.urls.whoami, repeatable=False)
    finally:
        done.set()
        listener.close()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("body", [b"{}", b'{"records": 5}', b'{"records": [{}]}', b"[]", b"7"])
def test_json_that_is_no_answer_is_a_fault_of_the_server(body: bytes, status: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PATCH = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        api = Api("pat", retry_strategy=None, endpoint_url=f"http://127.0.0.1:{server.server_port}")
        client = AirtableClient(api, "appTEST0000000000", sleep=lambda _: None)
        with pytest.raises(AirtableDown):
            client.accounts()
        with pytest.raises(AirtableDown):
            client.write_reports([Report("d1", None, "t", None, None, Platform.X, "Failed")])
        server.shutdown()


def test_of_two_nested_budgets_the_shorter_counts(base: Any) -> None:
    base.sandbox.fault(service="airtable", mode="rate_limit")
    client = base.client()
    with client.within(5), client.within(600), pytest.raises(AirtableBusy):
        client.accounts()
