"""A server on a plain socket that keeps every byte it got, and answers, cuts, stays silent or redirects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

ANSWERS = {
    "ok": b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
    "redirect": b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "half": b"HTTP/1.1 201 Created\r\nX-Seen: yes\r\nContent-Length: 900\r\n\r\n{",
    "cut": b"",
    "silent": None,
}


@dataclass
class CuttingServer:
    port: int = 0
    mode: str = "ok"
    requests: list[bytes] = field(default_factory=list)
    """Head and body of each request."""
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head)
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                self.requests[-1] += await reader.readexactly(int(fields.get(b"content-length", b"0")))
                answer = ANSWERS[self.mode]
                if answer is None:
                    await asyncio.sleep(30)
                writer.write(answer or b"")
                await writer.drain()
                if self.mode in ("cut", "half"):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def cutting_server(mode: str = "ok") -> AsyncIterator[CuttingServer]:
    made = CuttingServer(mode=mode)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
