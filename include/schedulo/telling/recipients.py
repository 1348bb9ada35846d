"""Who gets what: the channels of those who must act. A channel is an e-mail address or a Connection's id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from schedulo.delivery.incidents import RULES, Trouble
from schedulo.errors.kinds import Actor
from schedulo.settings import Settings


@dataclass(frozen=True, slots=True)
class Recipients:
    """The channels of each actor. Who has none, and what needs nobody, is the operator's."""

    by_actor: Mapping[Actor, tuple[str, ...]]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        operator = _split(settings.notify_operator)
        return cls(
            {
                Actor.OPERATOR: operator,
                Actor.OWNER: _split(settings.notify_owner) or operator,
                Actor.AUTHOR: _split(settings.notify_author) or operator,
                Actor.NOBODY: operator,
            }
        )

    def every(self) -> set[str]:
        """All channels."""
        return {channel for channels in self.by_actor.values() for channel in channels}

    def channels(self, actor: str, key: str) -> tuple[str, ...]:
        """Where the incident `key` is told. That a channel fails is told on the others."""
        found = self.by_actor[Actor(actor)]
        also = RULES[Trouble(key.partition(":")[0])].also
        if also is not None:
            found = tuple(dict.fromkeys((*found, *self.by_actor[also])))
        return tuple(channel for channel in found if key != f"{Trouble.CHANNEL}:{channel}")


def _split(listed: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for part in listed.split(",") if (item := part.strip())))
