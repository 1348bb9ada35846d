"""Sends a flow's effects to the running sandbox: the `answers` of `run_flow`, over a real socket.

Nothing is tried again; a step that is not ready is asked again after a moment instead of its own time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests

from sandbox.core import sha256
from sandbox.running import RunningSandbox
from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.flow import Commit, Response, Slice, Step
from schedulo.transport.wire import Wire, body_of
from tests.schedulo.platforms.flows import OutcomeUnknown

POLL_S = 0.01
SERVICES = ("instagram", "facebook", "rupload", "x", "tiktok")


@dataclass
class OverHttp:
    """One account's connection to the sandbox."""

    sandbox: RunningSandbox
    token: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Stored media by hash."""
    http: requests.Session = field(default_factory=requests.Session)
    last: str = ""

    def __post_init__(self) -> None:
        bases = {name: self.sandbox.service(name) for name in SERVICES}
        self.wire = Wire(bases, lambda account_key: self.token, self._open)

    def _open(self, piece: Slice) -> list[bytes]:
        content = self.files[piece.sha256][piece.offset : piece.offset + piece.length]
        assert len(content) == piece.length, "a slice reaches beyond its file"
        return [content]

    def __call__(self, effect: Step | Commit) -> Response:
        """The answer. A connection that broke is what the driver makes of it: unknown at a commit."""
        request = effect.request
        if effect.name == self.last:
            time.sleep(POLL_S)
        self.last = effect.name
        headers = self.wire.headers(request, "account")
        body = body_of(request)
        if body is not None:
            headers.setdefault("Content-Type", body.content_type)
        try:
            answer = self.http.request(
                request.method,
                str(self.wire.url(request)),
                headers=headers,
                data=None if body is None else body.whole(self.wire.open_slice),
                allow_redirects=False,
                timeout=20,
            )
        except requests.ConnectionError as error:
            lost = PlatformError(
                request.service, Diagnosis(Kind.NETWORK, refusal=False), message=type(error).__name__
            )
            raise (OutcomeUnknown(effect.name, lost) if isinstance(effect, Commit) else lost) from error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, answer.content)


def by_hash(*contents: bytes) -> dict[str, bytes]:
    return {sha256(content): content for content in contents}
