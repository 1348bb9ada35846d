"""What every platform module offers. A new platform is one module that fulfils `Conversation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schedulo.flow import Flow, Job, Lost, Sent
from schedulo.model import Account, Content, Platform, Problem


class Conversation(Protocol):
    """One platform's side of everything, without I/O."""

    platform: Platform

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Problem]:
        """All that would be refused, found without the network.

        `public_media` says whether stored media have a public address (`media_base_url`).
        """
        ...

    def publish(self, job: Job) -> Flow:
        """The whole conversation; ends with `Published`. Runs again from the top after any interruption."""
        ...

    def reconcile(self, job: Job, sent: Sent) -> Flow:
        """Looks, without any commit, what became of a write; ends with `Finding`."""
        ...

    def search(self, job: Job, lost: Lost) -> Flow:
        """Looks for a post by its content, because nothing else of it is known; ends with `Finding`.

        Where absence proves nothing (a list does not show all), it says `resend=False`.
        """
        ...
