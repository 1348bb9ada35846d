"""What our requests are on the wire: addresses and bodies, byte for byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from schedulo.errors import Kind, PlatformError
from schedulo.flow import Auth, FilePart, Request, Slice
from schedulo.transport.calls import Caller
from schedulo.transport.commits import Committer
from schedulo.transport.window import Window
from schedulo.transport.wire import Wire, body_of
from tests.schedulo.transport.cutting_server import cutting_server

FILE = bytes(range(256)) * 300


class Reader:
    def __init__(self, part: Slice) -> None:
        self.content = FILE[part.offset : part.offset + part.length]

    def __iter__(self):
        yield self.content[:1000]
        yield self.content[1000:]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in iter(self):
            yield chunk


def wire(base: str = "https://api.example") -> Wire:
    return Wire({"x": base}, lambda _key: "secret", Reader)


BODIES = {
    "form": Request("x", "POST", "/p", form=(("message", "a b&c=ü 🐦"), ("tags", "1"), ("tags", "2"))),
    "json": Request("x", "POST", "/p", json={"text": "ü 🐦", "n": [1, None]}),
    "raw": Request("x", "PUT", "/p", raw=Slice("f", 10, 70_000), headers=(("Content-Type", "video/mp4"),)),
    "multipart": Request(
        "x",
        "POST",
        "/p",
        form=(("segment_index", "0"),),
        file=FilePart("media", Slice("f", 0, 3_000), 'a"b\r\nX: y.png', "image/png"),
    ),
    "none": Request("x", "POST", "/p"),
}


def assert_body(name: str, head: str, body: bytes) -> None:
    request = BODIES[name]
    assert f"Content-Length: {len(body)}\r\n" in head
    assert "Transfer-Encoding" not in head
    match name:
        case "form":
            assert "Content-Type: application/x-www-form-urlencoded\r\n" in head
            assert tuple(parse_qsl(body.decode())) == request.form
        case "json":
            assert "Content-Type: application/json; charset=UTF-8\r\n" in head
            assert json.loads(body) == request.json
        case "raw":
            assert "Content-Type: video/mp4\r\n" in head
            assert body == FILE[10:70_010]
        case "multipart":
            boundary = head.partition("multipart/form-data; boundary=")[2].partition("\r\n")[0].encode()
            blank, field, file, end = body.split(b"--" + boundary)
            assert (blank, end) == (b"", b"--\r\n")
            assert field == b'\r\nContent-Disposition: form-data; name="segment_index"\r\n\r\n0\r\n'
            described, _, content = file.partition(b"\r\n\r\n")
            assert b'filename="a_b__X: y.png"\r\nContent-Type: image/png' in described
            assert content == FILE[:3_000] + b"\r\n"
        case _:
            assert body == b""


@pytest.mark.parametrize("name", BODIES)
async def test_a_commit_and_a_call_send_the_same_bytes(name: str) -> None:
    async with cutting_server() as server:
        committer = Committer(wire(server.url), 2, 1)
        caller = Caller(wire(server.url), 2)
        await committer.commit(await committer.prepare(BODIES[name], "x:1"), Window.begin(5))
        await caller.call(BODIES[name], "x:1")
        await committer.close()
        await caller.close()
        assert len(server.requests) == 2
        for sent in server.requests:
            head, _, body = sent.partition(b"\r\n\r\n")
            assert_body(name, head.decode() + "\r\n", body)


def test_an_address_is_the_services_own_with_its_query_quoted() -> None:
    request = Request("x", "GET", "/v25.0/1", query=(("fields", "id,status code"), ("q", "ü&=+")))
    url = str(wire("https://api.example/base").url(request))
    assert url == "https://api.example/base/v25.0/1?fields=id%2Cstatus%20code&q=%C3%BC%26%3D%2B"


def test_a_whole_address_is_left_as_the_platform_gave_it() -> None:
    given = "https://upload.example/u?id=a%2Fb&sig=x%3D%3D"
    assert str(wire().url(Request("", "PUT", given, Auth.NONE))) == given


@pytest.mark.parametrize(
    "address",
    [
        "https://upload.example/part",
        "https://api.example.org/2/tweets",
        "http://api.example/2/tweets",
        "https://api.example:8443/2/tweets",
        "https://api.example@upload.example/part",
    ],
)
async def test_a_wire_that_knows_where_requests_may_go_sends_nothing_elsewhere(address: str) -> None:
    """Whoever named the address: an answer of the platform, or a Connection."""
    kept = replace(wire(), only=frozenset({"https://api.example"}))
    request = Request("", "PUT", address, Auth.NONE)
    caller, committer = Caller(kept, 1), Committer(kept, 1, 1.0)
    for send in (caller.call, committer.prepare):
        with pytest.raises(PlatformError, match="requests go to the sandbox alone") as refused:
            await send(request, "x:1")
        assert refused.value.kind is Kind.CONFIGURATION
    await caller.close()
    await committer.close()
    for spelling in ("https://api.example", "https://api.example:443"):
        kept = replace(wire(), only=frozenset({spelling}))
        assert str(kept.url(Request("x", "GET", "/2/users/me"))) == "https://api.example/2/users/me"


def test_the_parts_of_a_body_know_their_length_before_they_are_read() -> None:
    for request in BODIES.values():
        body = body_of(request)
        if body is not None:
            assert body.length == len(body.whole(Reader))


@pytest.mark.parametrize("mode", ["cut", "silent"])
async def test_a_call_without_an_answer_is_a_network_error_that_names_no_address(mode: str) -> None:
    async with cutting_server(mode) as server:
        caller = Caller(wire(server.url), 2)
        signed = f"{server.url}/u?sig=SECRET"
        with pytest.raises(PlatformError) as caught:
            await caller.call(Request("", "POST", signed, Auth.NONE, timeout_s=0.2), "x:1")
        await caller.close()
    assert caught.value.kind is Kind.NETWORK
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("mode", ["ok", "cut"])
async def test_requests_are_counted_by_account_also_those_without_an_answer(mode: str) -> None:
    async with cutting_server(mode) as server:
        caller = Caller(wire(server.url), 2)
        for account_key in ("x:1", "x:2", "x:1"):
            with suppress(PlatformError):
                await caller.call(Request("x", "GET", "/p"), account_key)
        await caller.close()
    assert caller.counts == {"x:1": 2, "x:2": 1}
