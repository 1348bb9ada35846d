"""A sandbox of the process that asks for it: stand-ins of the platforms on a free port of this machine."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sandbox.running import RunningSandbox, running_sandbox
from schedulo.media.links import MediaLinks
from schedulo.model import Account, Media, Platform
from schedulo.rehearsals.play import Asked, Received

SERVICES = ("instagram", "facebook", "rupload", "x", "tiktok")


class OwnSandbox:
    """Knows the accounts that are admitted, under tokens that open nothing else."""

    def __init__(self, running: RunningSandbox) -> None:
        self._running = running
        self.bases = {service: running.service(service) for service in SERVICES}

    def admit(self, account: Account) -> str:
        token = f"rehearsal-{secrets.token_hex(12)}"
        self._running.seed(_seed(account, token))
        return token

    def show(self, media: Media, content: bytes) -> str:
        name = MediaLinks.name(media)
        file = {
            "path": name,
            "content_type": media.content_type,
            "base64": base64.b64encode(content).decode(),
        }
        # By hand, not by a request: a request has a limit of size, and this may be a long video.
        self._running.world.services["media"].seed({"files": [file]})
        return f"{self._running.service('media')}/{name}"

    def received(self, account: Account) -> Sequence[Received]:
        world = self._running.world
        found = [
            (post.received_at, Received(post.kind, post.text, tuple(post.media)))
            for post in list(world.live)
            if (post.platform, post.account_id) == (account.platform, account.account_id)
        ] + [
            (draft["received_at"], Received("draft", "", tuple(draft["media"])))
            for draft in list(world.services[account.platform].inbox())
            if draft["account_id"] == account.account_id
        ]
        return [one for _, one in sorted(found, key=lambda item: item[0])]

    def asked(self, account: Account) -> Sequence[Asked]:
        found = [
            Asked(call["received_at"], f"{service}: {call['method']} {call['route']}", call["status"])
            for service in SERVICES
            for call in list(self._running.world.recent[service])
            if call["account_id"] == account.account_id
        ]
        return sorted(found, key=lambda one: one.at_s)


@contextmanager
def own_sandbox() -> Iterator[OwnSandbox]:
    """A fresh one that ends with the block."""
    with running_sandbox() as running:
        yield OwnSandbox(running)


def _seed(account: Account, token: str) -> dict[str, Any]:
    """As the sandbox is told of an account."""
    user = {"account_id": account.account_id, "username": account.name, "token": token}
    match account.platform:
        case Platform.INSTAGRAM:
            flavour = account.options.get("login", "instagram_login")
            return {"instagram": {"accounts": [{**user, "flavour": flavour, "timezone": account.timezone}]}}
        case Platform.FACEBOOK:
            page = {"page_id": account.account_id, "name": account.name, "page_token": token}
            return {"facebook": {"pages": [page]}}
        case Platform.X:
            premium = bool(account.options.get("premium"))
            return {"x": {"accounts": [{**user, "premium": premium, "limits": "off"}]}}
        case Platform.TIKTOK:
            client = {"client_key": "rehearsal", "client_secret": token, "verified_prefixes": ["127.0.0.1"]}
            allowed = _allowed(account.options.get("allowed"))
            return {"tiktok": {"clients": [client], "accounts": [{**user, **allowed, "limits": "off"}]}}


def _allowed(creator: Mapping[str, Any] | None) -> dict[str, Any]:
    """What TikTok said that it allows an account, where it was asked."""
    if creator is None:
        return {}
    off = {f"{name}_disabled": True for name in creator["off"]}
    longest = {"max_video_post_duration_sec": creator["max_s"]} if creator["max_s"] else {}
    return {"privacy_options": creator["levels"], **longest, **off}
