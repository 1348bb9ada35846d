"""Servers on this machine that take what people are told: a web service and a mail server."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from sandbox.stack import free_port


@dataclass
class Web:
    """Keeps what is posted; answers `status`, after the `answers` that are given first."""

    port: int
    got: list[dict[str, Any]] = field(default_factory=list)
    raw: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """The same as it came: headers in small letters, and the body."""
    status: int = 200
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """Of its answers."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def running_web() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            web.raw.append(({name.lower(): value for name, value in self.headers.items()}, body))
            web.got.append(json.loads(body))
            self.send_response(web.answers.pop(0) if web.answers else web.status)
            for name, value in web.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web = Web(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """Keeps mail with its recipients; nobody@... is refused."""

    port: int
    got: list[tuple[list[str], EmailMessage]] = field(default_factory=list)

    @property
    def connection(self) -> dict[str, Any]:
        """An Airflow Connection to it."""
        extra = {"from_email": "schedulo@example.com", "disable_ssl": True, "disable_tls": True}
        return {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra}

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.got.append((envelope.rcpt_tos, mail))
        return "250 OK"


@contextmanager
def running_mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox(free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
