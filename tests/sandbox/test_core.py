"""The frame: faults, counts, clock and switches, over real sockets with two HTTP clients."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
import requests

from sandbox.core import Call, Frame, LivePost, Reply, Route, Service, World, route, sha256
from sandbox.garbage import WAYS
from sandbox.running import RunningSandbox, serving


class Echo(Service):
    """A stand-in that posts what it is told, with a token per account."""

    name = "echo"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.expired: set[str | None] = set()
        self.routes = [
            route("POST", "/posts", "publish", self.publish),
            route("GET", "/posts/{post}", "read", self.read),
            route("GET", "/files/{path:rest}", "file", self.read),
        ]

    def reset(self) -> None:
        self.expired.clear()

    def seed(self, data: dict[str, Any]) -> None:
        self.expired.update(data["expired"])

    def account_of(self, call: Call) -> str | None:
        return call.bearer()

    def refusal(self, status: int, call: Call, *codes: str) -> Reply:
        return Reply(status, {"echo_error": [status, *codes]}, {"X-Echo": "refused"})

    def route_name(self, route: Route, call: Call) -> str:
        return call.query_value("verb") or route.name

    def rate_limited(self, call: Call, wait_s: float | None = None) -> Reply:
        return Reply(
            429, {"echo_error": "slow down"}, {"Retry-After": "7" if wait_s is None else f"{wait_s:g}"}
        )

    def expire_token(self, call: Call) -> None:
        self.expired.add(call.bearer())

    async def publish(self, call: Call) -> Reply:
        if call.bearer() in self.expired:
            return self.refusal(401, call)
        text, number = call.json()["text"], str(len(self.world.live) + 1)
        account = call.bearer() or "nobody"
        self.world.publish(LivePost("echo", account, number, "post", text, [], None, call.received_at))
        return Reply(201, {"id": number})

    async def read(self, call: Call) -> Reply:
        return Reply(200, {"args": dict(call.args), "query": call.query, "url": call.url})


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    world = World()
    world.add(Echo(world))
    with serving(world, Frame(world).app()) as running:
        yield running


@pytest.fixture
def echo(server: RunningSandbox) -> RunningSandbox:
    server.reset()
    return server


def publish(echo: RunningSandbox, text: str = "hello", token: str = "anna") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{echo.url}/echo/posts", json={"text": text}, headers=headers, timeout=5)


def texts(echo: RunningSandbox) -> list[str]:
    return [post["text"] for post in echo.posts()]


def test_a_post_is_shown_with_the_instant_its_request_had_arrived(echo: RunningSandbox) -> None:
    before = time.time()
    assert publish(echo).json() == {"id": "1"}
    [post] = echo.posts()
    assert before <= post.pop("received_at") <= time.time()
    assert post == {"platform": "echo", "account_id": "anna", "post_id": "1", "kind": "post",
                    "text": "hello", "media": [], "parent_id": None}  # fmt: skip


def test_a_request_counts_as_received_when_its_body_is_whole(echo: RunningSandbox) -> None:
    body = b'{"text": "slow"}'
    head = f"POST /echo/posts HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    host, port = echo.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head + body[:5])
        time.sleep(0.15)
        half = time.time()
        connection.sendall(body[5:])
        assert b"201" in connection.recv(4096)
    assert echo.posts()[0]["received_at"] >= half


def test_requests_are_counted_by_service_method_and_route(echo: RunningSandbox) -> None:
    for _ in range(2):
        publish(echo)
    requests.get(f"{echo.url}/echo/nowhere", timeout=5)
    assert echo.requests() == [
        {"service": "echo", "method": "GET", "route": "unknown", "count": 1},
        {"service": "echo", "method": "POST", "route": "publish", "count": 2},
    ]


def test_a_route_captures_segments_query_and_the_url_as_sent(echo: RunningSandbox) -> None:
    seen = requests.get(f"{echo.url}/echo/posts/a%20b?q=1&q=%C3%A9", timeout=5).json()
    assert seen["args"] == {"post": "a b"}
    assert seen["query"] == [["q", "1"], ["q", "é"]]
    assert seen["url"].endswith("/echo/posts/a%20b?q=1&q=%C3%A9")
    assert requests.get(f"{echo.url}/echo/files/a/b/c", timeout=5).json()["args"] == {"path": "a/b/c"}


@pytest.mark.parametrize("path", ["nobody", "nobody/at/all"])
def test_a_service_that_is_not_there_is_404(echo: RunningSandbox, path: str) -> None:
    assert requests.get(f"{echo.url}/{path}", timeout=5).status_code == 404


# ------------------------------------------------------------------ faults


def test_status_refuses_in_the_services_own_words_and_does_nothing(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="status:503")
    answer = publish(echo)
    assert (answer.status_code, answer.json(), answer.headers["X-Echo"]) == (
        503,
        {"echo_error": [503]},
        "refused",
    )
    assert texts(echo) == []
    assert publish(echo).status_code == 201


def test_status_may_carry_the_services_own_codes(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="status:403/4/2207051")
    answer = publish(echo)
    assert (answer.status_code, answer.json()) == (403, {"echo_error": [403, "4", "2207051"]})


def test_a_service_may_name_a_route_by_what_the_request_says(echo: RunningSandbox) -> None:
    echo.fault(service="echo", route="special", mode="status:500")
    assert requests.get(f"{echo.url}/echo/posts/1", timeout=5).status_code == 200
    assert requests.get(f"{echo.url}/echo/posts/1?verb=special", timeout=5).status_code == 500
    assert [r["route"] for r in echo.requests()] == ["read", "special"]


def test_error_after_does_it_and_says_it_failed(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="error_after:500")
    assert publish(echo).status_code == 500
    assert texts(echo) == ["hello"]


@pytest.mark.parametrize(("mode", "live"), [("drop_before", []), ("drop_after", ["hello"])])
def test_a_drop_cuts_the_connection_before_or_after_the_deed(
    echo: RunningSandbox, mode: str, live: list[str]
) -> None:
    echo.fault(service="echo", mode=mode)
    with pytest.raises(requests.ConnectionError):
        publish(echo)
    assert texts(echo) == live


@pytest.mark.parametrize(("mode", "live"), [("drop_before", []), ("drop_after", ["hello"])])
async def test_a_drop_on_a_warm_connection_is_seen_by_aiohttp(
    echo: RunningSandbox, mode: str, live: list[str]
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        async with session.get(f"{echo.url}/echo/posts/1") as warm:
            assert warm.status == 200
        echo.fault(service="echo", method="POST", mode=mode)
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"{echo.url}/echo/posts", json={"text": "hello"})
    assert texts(echo) == live


def test_late_fails_now_and_does_it_later(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="late:0.2")
    began = time.monotonic()
    assert publish(echo).status_code == 503
    assert texts(echo) == []
    while not texts(echo):
        assert time.monotonic() - began < 5
        time.sleep(0.01)
    assert time.monotonic() - began >= 0.2


def test_delay_keeps_the_caller_waiting(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="delay:0.2")
    began = time.monotonic()
    assert publish(echo).status_code == 201
    assert time.monotonic() - began >= 0.2


def test_garbage_is_a_success_that_cannot_be_read(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="garbage_2xx")
    answer = publish(echo)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()
    assert texts(echo) == ["hello"]


def test_rate_limit_answers_as_the_service_would(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="rate_limit")
    answer = publish(echo)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_a_rate_limit_may_be_told_how_long_it_lasts(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="rate_limit:15")
    assert publish(echo).headers["Retry-After"] == "15"
    with pytest.raises(ValueError, match="400"):
        echo.fault(service="echo", mode="rate_limit:soon")


def test_expire_token_holds_for_the_next_request_as_well(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="expire_token")
    assert [publish(echo).status_code for _ in range(2)] == [401, 401]
    assert publish(echo, token="ben").status_code == 201


def test_a_fault_hits_as_often_as_ordered_after_as_many_as_ordered(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="status:500", times=2, after=1)
    assert [publish(echo).status_code for _ in range(4)] == [201, 500, 500, 201]


def test_a_fault_for_ever_ends_with_the_orders(echo: RunningSandbox) -> None:
    echo.fault(service="*", mode="status:500", times=-1)
    assert {publish(echo).status_code for _ in range(5)} == {500}
    requests.delete(f"{echo.url}/_sandbox/faults", timeout=5)
    assert publish(echo).status_code == 201


def test_a_fault_hits_only_its_account_method_and_route(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="status:500", account_id="ben", times=-1)
    echo.fault(service="echo", mode="status:502", method="get", route="re*", times=-1)
    assert publish(echo).status_code == 201
    assert publish(echo, token="ben").status_code == 500
    assert requests.get(f"{echo.url}/echo/posts/1", timeout=5).status_code == 502
    assert requests.get(f"{echo.url}/echo/files/1", timeout=5).status_code == 200


def test_a_reset_calls_off_what_was_to_happen_late(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="late:0.1")
    publish(echo)
    echo.reset()
    time.sleep(0.2)
    assert texts(echo) == []


@pytest.mark.parametrize(
    "order",
    [
        {"mode": "explode"},
        {"mode": "status"},
        {"mode": "delay:long"},
        {},
        {"mode": "delay:1", "colour": "red"},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(echo: RunningSandbox, order: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="answered 400"):
        echo.fault(service="echo", **order)


# ------------------------------------------------------------------ the world


def test_the_clock_moves_but_arrivals_stay_real(echo: RunningSandbox) -> None:
    echo.advance(3600)
    assert echo.world.now() - time.time() == pytest.approx(3600, abs=1)
    publish(echo)
    assert echo.posts()[0]["received_at"] == pytest.approx(time.time(), abs=5)


def test_a_stopped_clock_stands_until_it_is_moved(echo: RunningSandbox) -> None:
    echo.stop_clock(1_800_000_000.5)
    assert echo.world.now() == 1_800_000_000.5
    echo.advance(60)
    assert echo.world.now() == 1_800_000_060.5
    echo.reset()
    assert echo.world.now() == pytest.approx(time.time(), abs=1)


def test_a_switch_holds_until_the_reset(echo: RunningSandbox) -> None:
    echo.switch(side="left")
    assert echo.world.switch("side", "right") == "left"
    echo.reset()
    assert echo.world.switch("side", "right") == "right"


def test_reset_forgets_everything(echo: RunningSandbox) -> None:
    publish(echo)
    echo.fault(service="echo", mode="status:500", times=-1)
    echo.seed({"echo": {"expired": ["anna"]}})
    echo.advance(60)
    echo.reset()
    assert (echo.posts(), echo.requests()) == ([], [])
    assert publish(echo).status_code == 201
    assert echo.world.now() == pytest.approx(time.time(), abs=1)


def test_a_seed_for_a_service_that_is_not_there_is_refused(echo: RunningSandbox) -> None:
    with pytest.raises(ValueError, match="no such stand-in"):
        echo.seed({"nobody": {}})


def test_an_unknown_control_call_is_404(echo: RunningSandbox) -> None:
    assert requests.get(f"{echo.url}/_sandbox/nonsense", timeout=5).status_code == 404


def test_multipart_bodies_come_apart_byte_by_byte() -> None:
    data = bytes(range(256)) * 4 + b"\r\n--not-the-boundary\r\n"
    files = {"media": ("a.bin", data, "application/octet-stream"), "empty": ("e", b"")}
    sent = requests.Request("POST", "http://x/", files=files, data={"n": "1"}).prepare()
    assert isinstance(sent.body, bytes)
    call = Call("s", "", "POST", "/", {}, [], dict(sent.headers), sent.body, 0.0, "")
    assert call.multipart() == {"n": (None, b"1"), "media": ("a.bin", data), "empty": ("e", b"")}


def test_media_are_named_by_their_sha256() -> None:
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_server_takes_urls_that_a_service_must_refuse_itself(echo: RunningSandbox) -> None:
    assert requests.get(f"{echo.url}/echo/posts/1?q={'x' * 20_000}", timeout=5).status_code == 200


def test_tests_cannot_reach_beyond_this_machine() -> None:
    with pytest.raises(Exception, match="to this machine only"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


# ------------------------------------------------------------------ answers that are none


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("cut", "misencoded")])
@pytest.mark.parametrize(("mode", "live"), [("garbage", []), ("garbage_after", ["hello"])])
def test_garbage_comes_in_place_of_an_answer_whether_it_was_done_or_not(
    echo: RunningSandbox, way: str, mode: str, live: list[str]
) -> None:
    echo.fault(service="echo", mode=f"{mode}:{way}/502")
    answer = publish(echo)
    assert answer.status_code == 502
    right = {"id": "1"} if live else {"echo_error": [503]}
    if way == "mislabelled":
        assert (answer.json(), answer.headers["Content-Type"]) == (right, "application/octet-stream")
    else:
        with contextlib.suppress(ValueError, RecursionError):
            assert answer.json() != right
    assert texts(echo) == live
    assert publish(echo).status_code == 201


def test_a_body_that_is_cut_promises_more_than_it_sends(echo: RunningSandbox) -> None:
    echo.fault(service="echo", mode="garbage_after:cut/201")
    with requests.post(f"{echo.url}/echo/posts", json={"text": "hello"}, timeout=5, stream=True) as answer:
        assert answer.status_code == 201
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            answer.content  # noqa: B018
    assert texts(echo) == ["hello"]


@pytest.mark.parametrize("mode", ["garbage:poem/200", "garbage:html", "garbage_after", "status:"])
def test_an_order_that_cannot_be_understood_is_refused(echo: RunningSandbox, mode: str) -> None:
    with pytest.raises(ValueError, match="400"):
        echo.fault(service="echo", mode=mode)


# ------------------------------------------------------------------ what no service knows, and the time


def test_a_service_that_is_down_is_down_for_what_it_does_not_know_too(echo: RunningSandbox) -> None:
    assert requests.get(f"{echo.url}/echo/", timeout=5).status_code == 404
    echo.fault(service="echo", mode="status:503")
    assert requests.get(f"{echo.url}/echo/", timeout=5).status_code == 503
    echo.fault(service="echo", mode="drop_before")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{echo.url}/echo/", timeout=5)


@pytest.mark.parametrize("skew_s", [0, 90, -90])
def test_answers_tell_the_time_that_the_switch_says(echo: RunningSandbox, skew_s: int) -> None:
    echo.switch(date_skew_s=str(skew_s))
    told = parsedate_to_datetime(publish(echo).headers["Date"]).timestamp()
    assert told == pytest.approx(time.time() + skew_s, abs=15)
