"""One commit on the wire: it leaves at most once, only within its window, and only to where it was meant."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from schedulo.flow import Auth, Request, Slice
from schedulo.transport.commits import Committer, NoAnswer, NotSent
from schedulo.transport.window import Window
from schedulo.transport.wire import Wire, socket_that_gives_up
from tests.schedulo.transport.cutting_server import CuttingServer, cutting_server

PUT = Request("x", "PUT", "/chunk", raw=Slice("a", 0, 5))
POST = Request("x", "POST", "/post", json={"text": "hello"})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[CuttingServer]:
    async with cutting_server() as made:
        yield made


@pytest_asyncio.fixture
async def committer(server: CuttingServer) -> AsyncIterator[Committer]:
    wire = Wire({"x": server.url}, lambda _key: "secret", lambda part: [b"hello"[part.offset :]])
    made = Committer(wire, connections=4, kernel_s=7.5)
    yield made
    await made.close()


async def send(committer: Committer, request: Request, window: Window | None = None) -> Any:
    return await committer.commit(await committer.prepare(request, "x:1"), window or Window.begin(5))


async def warm_up(committer: Committer, server: CuttingServer, mode: str) -> None:
    """Leave an open connection behind, and order what happens on it next."""
    await send(committer, POST)
    server.requests.clear()
    server.mode = mode


@pytest.mark.parametrize("request_", [PUT, POST], ids=["PUT", "POST"])
@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "warm"])
async def test_a_request_whose_answer_was_cut_off_left_once(
    committer: Committer, server: CuttingServer, request_: Request, warm: bool
) -> None:
    if warm:
        await warm_up(committer, server, "cut")
    server.mode = "cut"
    with pytest.raises(NoAnswer):
        await send(committer, request_)
    assert len(server.requests) == 1
    assert server.connections == 1


async def test_without_our_switch_the_library_would_send_a_cut_put_twice(
    committer: Committer, server: CuttingServer
) -> None:
    server.mode = "cut"
    async with aiohttp.ClientSession() as plain:
        with pytest.raises(aiohttp.ClientError):
            await plain.put(f"{server.url}/chunk", data=b"hello")
    assert len(server.requests) == 2
    server.requests.clear()
    committer._session._retry_connection = True
    with pytest.raises(NoAnswer):
        await send(committer, PUT)
    assert len(server.requests) == 2


async def test_a_redirect_is_an_answer_and_is_not_followed(
    committer: Committer, server: CuttingServer
) -> None:
    server.mode = "redirect"
    response = await send(committer, POST)
    assert response.status == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "warm"])
async def test_nothing_reaches_the_server_when_the_window_is_spent(
    committer: Committer, server: CuttingServer, warm: bool
) -> None:
    if warm:
        await warm_up(committer, server, "ok")
    began = Window.begin(5)
    spent = replace(began, boot_s=began.boot_s - 6)
    with pytest.raises(NotSent, match="since the fence"):
        await send(committer, POST, spent)
    await asyncio.sleep(0.05)
    assert server.requests == []


@pytest.mark.parametrize("clock", ["boot_s", "wall_s"])
def test_the_clock_that_went_further_counts(clock: str) -> None:
    """The boot clock stands still for nobody; the wall clock shows what a virtual machine slept through."""
    began = Window.begin(5)
    began.check()
    with pytest.raises(Exception, match=r"6\.\d s have passed"):
        replace(began, **{clock: getattr(began, clock) - 6}).check()


async def test_no_connection_means_not_sent(committer: Committer, server: CuttingServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NotSent, match="no connection"):
        await send(committer, Request("", "PUT", f"{closed}/chunk", Auth.NONE, raw=PUT.raw))
    assert server.connections == 0


async def test_silence_is_no_answer(committer: Committer, server: CuttingServer) -> None:
    server.mode = "silent"
    with pytest.raises(NoAnswer):
        await send(committer, replace(POST, timeout_s=2.0))
    assert len(server.requests) == 1


async def test_a_status_counts_where_the_text_after_it_broke_off(
    committer: Committer, server: CuttingServer
) -> None:
    server.mode = "half"
    response = await send(committer, POST)
    assert (response.status, response.headers["x-seen"], response.body) == (201, "yes", b"")


async def test_a_header_that_cannot_be_sent_is_never_taken_for_an_answer(server: CuttingServer) -> None:
    broken = Committer(Wire({"x": server.url}, lambda _key: "two\nlines", list), 1, 1)
    with pytest.raises((NotSent, NoAnswer)):
        await send(broken, POST)
    assert server.requests == []
    await broken.close()


async def test_a_connection_that_was_idle_for_long_is_not_used(
    committer: Committer, server: CuttingServer
) -> None:
    await warm_up(committer, server, "ok")
    connector = committer._session.connector
    assert connector is not None
    ((key, kept),) = connector._conns.items()
    connector._conns[key] = type(kept)((item[0], item[1] - 4.1) for item in kept)
    await send(committer, POST)
    assert server.connections == 2


async def test_the_token_goes_into_a_header_and_never_to_a_whole_url(
    committer: Committer, server: CuttingServer
) -> None:
    await send(committer, POST)
    assert b"\r\nAuthorization: Bearer secret\r\n" in server.requests[0]
    await send(committer, replace(POST, auth=Auth.OAUTH))
    assert b"\r\nAuthorization: OAuth secret\r\n" in server.requests[1]
    await send(committer, Request("", "PUT", f"{server.url}/upload", Auth.NONE, raw=PUT.raw))
    assert b"secret" not in server.requests[2]
    with pytest.raises(ValueError, match="own address"):
        await committer.prepare(Request("", "PUT", f"{server.url}/upload", raw=PUT.raw), "x:1")
    prepared = await committer.prepare(POST, "x:1")
    assert "secret" not in repr(prepared)


async def test_a_commit_without_a_body_says_so(committer: Committer, server: CuttingServer) -> None:
    await send(committer, Request("x", "POST", "/publish"))
    head = server.requests[0]
    assert b"\r\nContent-Length: 0\r\n" in head
    assert head.endswith(b"\r\n\r\n")


async def test_the_kernel_gives_up_soon_too(committer: Committer, server: CuttingServer) -> None:
    made: list[socket.socket] = []
    factory = socket_that_gives_up(7.5)
    connector = committer._session.connector
    assert isinstance(connector, aiohttp.TCPConnector)

    def kept(address: Any) -> socket.socket:
        made.append(connector_factory(address))
        return made[-1]

    connector_factory = connector._socket_factory
    assert connector_factory is not None
    connector._socket_factory = kept
    await send(committer, POST)
    for opened in (made[0], factory((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("", 0)))):
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7500
        linger = opened.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        assert struct.unpack("ii", linger) == (1, 0)
    opened.close()
