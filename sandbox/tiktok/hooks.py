"""TikTok's webhooks: what the stand-in tells the apps that named an address for it (`hook_url` of a client).

Each is sent at least once and signed anew each time, until it is answered with 200: again after a minute,
then after twice as long, and so on for 72 hours of the world's clock. Switches: `tiktok_hook_repeats`, how
often one comes again although it was taken (default 0); `tiktok_hook_spelling`, `complete` (default) or
`completed`; `tiktok_hook_public_s`, how long moderation takes (default 0). Source: TikTok for Developers,
"Webhooks overview", "Webhook verification", "Webhook events".
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sandbox.core import World
from sandbox.tiktok.accounts import Client
from sandbox.tiktok.tasks import Task

FIRST_GAP_S, LAST_S = 60.0, 72 * 3600.0
LOOK_S = 0.02
TIMEOUT_S = 30.0
PUBLIC_NOW = "post.publish.publicly_available"
REASONS = range(6)
"""Why an authorization ended: 1 is a person in the app, 5 the developer."""


@dataclass(slots=True)
class Sending:
    """One event on its way to one app."""

    client: Client
    task: Task | None
    event: str
    body: bytes
    began_at: float
    next_at: float
    gap_s: float = FIRST_GAP_S
    more: int = 0
    """So often again although it was taken."""
    statuses: list[int] = field(default_factory=list)
    """What was answered, 0 where nothing was."""


class Hooks:
    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: list[Sending] = []
        self._at_work = False
        self.sendings: list[Sending] = []
        """All there were."""

    def reset(self) -> None:
        self._waiting.clear()
        self.sendings.clear()
        self._at_work = False  # what worked was ended with the world

    # --- what happened ---

    def ended(self, task: Task) -> None:
        """The platform is done with a task, well or not."""
        if task.state == "failed":
            self._about(task, "post.publish.failed", reason=task.fail_reason)
        elif not task.direct and not task.shared:
            self._about(task, "post.publish.inbox_delivered")
        else:
            self._about(task, f"post.publish.{self._world.switch('tiktok_hook_spelling', 'complete')}")
            if task.public:
                wait_s = float(self._world.switch("tiktok_hook_public_s", "0"))
                self._about(task, PUBLIC_NOW, wait_s=wait_s, post_id=task.post_id)

    def hidden(self, task: Task) -> None:
        self._about(task, "post.publish.no_longer_publicaly_available", post_id=task.post_id)

    def authorization_removed(self, client: Client, account_id: str, reason: int) -> None:
        self._tell(client, account_id, "authorization.removed", {"reason": reason}, None)

    # --- sending ---

    def _about(self, task: Task, event: str, wait_s: float = 0.0, **more: Any) -> None:
        kind = "DIRECT_PUBLISH" if task.direct else "INBOX_SHARE"
        content = {"publish_id": task.publish_id, **more, "publish_type": kind}
        self._tell(task.client, task.account.account_id, event, content, task, wait_s)

    def _tell(
        self,
        client: Client,
        account_id: str,
        event: str,
        content: dict[str, Any],
        task: Task | None,
        wait_s: float = 0.0,
    ) -> None:
        if not client.hook_url:
            return
        now = self._world.now()
        envelope = {
            "client_key": client.client_key,
            "event": event,
            "create_time": int(now + wait_s),
            "user_openid": account_id,
            "content": json.dumps(content, separators=(",", ":")),
        }
        body = json.dumps(envelope, separators=(",", ":")).encode()
        more = int(self._world.switch("tiktok_hook_repeats", "0"))
        sending = Sending(client, task, event, body, now + wait_s, now + wait_s, more=more)
        self.sendings.append(sending)
        self._waiting.append(sending)
        if not self._at_work:
            self._at_work = True
            self._world.later(0, self._work)

    async def _work(self) -> None:
        """Send what is due until nothing waits; then look again in a moment."""
        for sending in [one for one in self._waiting if one.next_at <= self._world.now()]:
            self._waiting.remove(sending)
            if sending.task is not None and sending.event == PUBLIC_NOW:
                sending.task.id_lag_polls = 0  # who is asked now says the id too
            status = await self._send(sending)
            sending.statuses.append(status)
            taken = status == 200
            if taken and sending.more:
                sending.more -= 1
                self._waiting.append(sending)
            elif not taken and self._world.now() + sending.gap_s - sending.began_at <= LAST_S:
                sending.next_at = self._world.now() + sending.gap_s
                sending.gap_s *= 2
                self._waiting.append(sending)
        self._at_work = bool(self._waiting)
        if self._at_work:
            self._world.later(LOOK_S, self._work)

    async def _send(self, sending: Sending) -> int:
        at = str(int(time.time()))
        secret = sending.client.client_secret.encode()
        signature = hmac.new(secret, at.encode() + b"." + sending.body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "TikTok-Signature": f"t={at},s={signature}"}
        url = sending.client.hook_url
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session,
                session.post(url, data=sending.body, headers=headers, allow_redirects=False) as answer,
            ):
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0
