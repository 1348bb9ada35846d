"""What a platform lets be done with a post that is out: take it down, change it, see whether it is there.

A second protocol beside `Conversation`, for the same driver. A request that takes down or changes may be
repeated: what counts is that the post is gone, or says what it should. None of it ever publishes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.flow import Commit, Flow, Job, Read, Request
from schedulo.model import Account, Content, Position

TAKE_DOWN = "take_down"
"""The name of the commit that takes the post itself down; those of its parts begin with it."""
READS_STEPS = ("find-",)
"""How the names of steps begin that were kept while publishing and are read in `Out.steps`."""


class Presence(StrEnum):
    """What a look says of a post that is out."""

    THERE = "there"
    ABSENT = "absent"
    """The platform answered for the account, and does not show the post."""
    UNSEEN = "unseen"
    """It does not say: nothing follows from that."""


@dataclass(frozen=True, slots=True)
class Out:
    """A post that is out, as the ledger knows it."""

    key: str
    """The delivery's id."""
    post_id: str
    content: Content
    """What is out."""
    since_ms: int
    """It went out no earlier."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What its accepted commits came to, by their names."""
    steps: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False
    """All of it is out, also what a restored ledger knows no commit of."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a change of what is out ended."""

    done: bool = True
    note: str = ""
    """What a person should know; where it was not done, why it cannot be."""


class After(Protocol):
    """One platform's side, without I/O."""

    batch: int
    """So many posts of one account are looked for together at the most."""

    def cannot_take_down(self, account: Account, content: Content) -> str:
        """Why such a post cannot be taken down, as a sentence; empty where it can."""
        ...

    def cannot_edit(self, account: Account, content: Content) -> str:
        """Why such a post cannot be changed; empty where its text can."""
        ...

    def take_down(self, job: Job, out: Out) -> Flow:
        """Takes it down, later parts first; ends with `Ended`."""
        ...

    def edit(self, job: Job, out: Out, name: str) -> Flow:
        """Gives the post the text of the job's content; ends with `Ended`. `name` is the commit's."""
        ...

    def look(self, job: Job, posts: Sequence[Out]) -> Flow:
        """Whether these posts of one account are there; ends with a `Presence` for each, by its key.

        The job's content says nothing. An account that cannot be read raises `PlatformError`.
        """
        ...


def amend(name: str, request: Request, read: Read, title: str = "the post") -> Flow:
    """A request that takes down or changes what is out."""
    return (yield Commit(name, request, read, True, Position.AFTER, title))


def hidden(error: PlatformError) -> PlatformError:
    """The platform lists a post of which it says that it is not there: asked again, it may know better."""
    return PlatformError(
        error.platform,
        Diagnosis(Kind.PLATFORM_DOWN, refusal=True),
        status=error.status,
        code=error.code,
        message="the account shows the post, and this login is told that there is none",
    )


def nowhere(sentence: str) -> Flow:
    """The flow of what a platform does not offer; `cannot_...` says so before."""
    raise ValueError(sentence)
    yield
