"""The kinds of error: what is done about each, how often, in which words, and who must act."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schedulo.words import storable


class Kind(StrEnum):
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    PLATFORM_DOWN = "platform_down"
    NETWORK = "network"
    NOT_UNDERSTOOD = "not_understood"
    OUTCOME_UNKNOWN = "outcome_unknown"
    STILL_PROCESSING = "still_processing"
    HANDLE_EXPIRED = "handle_expired"
    TOKEN_EXPIRED = "token_expired"
    RECONNECT = "reconnect"
    PERMISSION = "permission"
    ACCOUNT_RESTRICTED = "account_restricted"
    BILLING = "billing"
    CONTENT_REJECTED = "content_rejected"
    MEDIA_REJECTED = "media_rejected"
    MEDIA_UNREACHABLE = "media_unreachable"
    DUPLICATE = "duplicate"
    CANCELLED = "cancelled"
    CONFIGURATION = "configuration"
    BUG = "bug"


class Strategy(StrEnum):
    RETRY = "retry"
    """Again after an exponential pause with jitter."""
    WAIT = "wait"
    """Again when the platform's own limit is over; does not count as an attempt."""
    REARM = "rearm"
    """Drop the kept steps and prepare anew; only before a commit was sent."""
    RECONCILE = "reconcile"
    """Look what became of it before anything else."""
    STOP = "stop"
    """A person must act."""


class Actor(StrEnum):
    NOBODY = "nobody"
    AUTHOR = "the author"
    OWNER = "the account's owner"
    OPERATOR = "the operator"


class Scope(StrEnum):
    """What an error says something about, and so what is held where a person must act or a limit must end."""

    DELIVERY = "delivery"
    """This post alone: others of the account may go out."""
    ACCOUNT = "account"
    """Every post on the account."""
    PLATFORM = "platform"
    """Every post on the platform: it is about our app there."""


@dataclass(frozen=True, slots=True)
class KindInfo:
    strategy: Strategy
    max_attempts: int
    """How often a delivery may meet this kind before it fails (waits never count). 0: no limit."""
    max_elapsed_s: float
    """How long a delivery may keep meeting trouble, of which this kind is the latest, before it fails. 0: no
    limit of its own, because the platform says when its limit ends; the delivery's `not_after_ms` bounds it."""
    base_wait_s: float
    """The first pause, or the one taken where the platform names no end of its limit."""
    actor: Actor
    """Who must act, at once or when the limits are used up; nobody where it ends by itself."""
    sentence: str
    """What people read; `{platform}` is filled in."""
    scope: Scope = Scope.DELIVERY
    """What the kind is about, where no rule knows better."""


KINDS: dict[Kind, KindInfo] = {
    Kind.RATE_LIMITED: KindInfo(
        Strategy.WAIT,
        0,
        0,
        900,
        Actor.NOBODY,
        "{platform} asks us to slow down; the post goes out when its limit is over",
        scope=Scope.ACCOUNT,
    ),
    Kind.QUOTA_EXHAUSTED: KindInfo(
        Strategy.WAIT,
        0,
        0,
        3600,
        Actor.NOBODY,
        "the account has used up what {platform} allows; the post waits for the next window",
        scope=Scope.ACCOUNT,
    ),
    Kind.PLATFORM_DOWN: KindInfo(
        Strategy.RETRY,
        8,
        3600,
        5,
        Actor.OPERATOR,
        "{platform} is not answering properly; tried again with growing pauses",
    ),
    Kind.NETWORK: KindInfo(
        Strategy.RETRY,
        8,
        3600,
        1,
        Actor.OPERATOR,
        "{platform} could not be reached; nothing was sent; tried again",
    ),
    Kind.NOT_UNDERSTOOD: KindInfo(
        Strategy.RETRY,
        3,
        3600,
        5,
        Actor.OPERATOR,
        "{platform} gave an answer that nobody knows; tried again a few times",
    ),
    Kind.OUTCOME_UNKNOWN: KindInfo(
        Strategy.RECONCILE,
        1,
        0,
        0,
        Actor.NOBODY,
        "it is not known whether {platform} took the post; being looked up",
    ),
    Kind.STILL_PROCESSING: KindInfo(
        Strategy.WAIT, 0, 0, 15, Actor.NOBODY, "{platform} is still working on the media"
    ),
    Kind.HANDLE_EXPIRED: KindInfo(
        Strategy.REARM,
        3,
        3600,
        1,
        Actor.OPERATOR,
        "what was prepared at {platform} is no longer valid; prepared again",
    ),
    Kind.TOKEN_EXPIRED: KindInfo(
        Strategy.STOP,
        2,
        0,
        1,
        Actor.OWNER,
        "the login of this account at {platform} has expired; connect it again",
        scope=Scope.ACCOUNT,
    ),
    Kind.RECONNECT: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.OWNER,
        "{platform} no longer accepts this account's login; connect it again",
        scope=Scope.ACCOUNT,
    ),
    Kind.PERMISSION: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.OWNER,
        "the account lacks a permission at {platform}; connect it again and allow everything asked",
        scope=Scope.ACCOUNT,
    ),
    Kind.ACCOUNT_RESTRICTED: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.OWNER,
        "{platform} has restricted this account; open the app and follow what it asks",
        scope=Scope.ACCOUNT,
    ),
    Kind.BILLING: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.OPERATOR,
        "{platform} wants to be paid before it takes more posts",
        scope=Scope.PLATFORM,
    ),
    Kind.CONTENT_REJECTED: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.AUTHOR,
        "{platform} does not accept this text or these settings; change the post",
    ),
    Kind.MEDIA_REJECTED: KindInfo(
        Strategy.STOP, 1, 0, 0, Actor.AUTHOR, "{platform} does not accept this image or video; replace it"
    ),
    Kind.MEDIA_UNREACHABLE: KindInfo(
        Strategy.REARM, 3, 3600, 10, Actor.OPERATOR, "{platform} could not fetch the media from our address"
    ),
    Kind.DUPLICATE: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.AUTHOR,
        "{platform} says that the account posted the same before; look at the account first",
    ),
    Kind.CANCELLED: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.AUTHOR,
        "the post was cancelled at {platform}; publish it again if it is still wanted",
    ),
    Kind.CONFIGURATION: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.OPERATOR,
        "the connection to {platform} is not set up right",
        scope=Scope.PLATFORM,
    ),
    Kind.BUG: KindInfo(
        Strategy.STOP,
        1,
        0,
        0,
        Actor.OPERATOR,
        "{platform} did not understand our request; this is a fault of the program",
    ),
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an answer means."""

    kind: Kind
    refusal: bool
    """True: even at a commit this answer proves that nothing was published."""
    scope: Scope | None = None
    """What it is about, where that is known better than by its kind."""


LONGEST_WAIT_S = 31 * 86400.0
"""No limit of any service lasts longer; a header that says more is wrong."""


class PlatformError(Exception):
    """A service said no, or gave no answer that can be used.

    `message` is the service's own text, cut to 300 characters and free of secrets.
    """

    def __init__(
        self,
        platform: str,
        diagnosis: Diagnosis,
        *,
        status: int | None = None,
        code: str = "",
        message: str = "",
        wait_s: float | None = None,
    ) -> None:
        self.platform = platform
        self.diagnosis = diagnosis
        self.status = status
        self.code = storable(code[:100])
        self.message = storable(message[:300])
        self.wait_s = None if wait_s is None else min(max(0.0, wait_s), LONGEST_WAIT_S)
        """Seconds until the service says it will take requests again; None where it does not say."""
        super().__init__(self.sentence())

    @property
    def kind(self) -> Kind:
        return self.diagnosis.kind

    @property
    def info(self) -> KindInfo:
        return KINDS[self.kind]

    @property
    def scope(self) -> Scope:
        return self.diagnosis.scope or self.info.scope

    def sentence(self) -> str:
        """What people read of a post that met it."""
        return self.info.sentence.format(platform=self.platform) + self._said()

    def while_reading(self) -> str:
        """The same where something was only read: no post waits, and none goes out."""
        return f"{self.platform} could not be read: {self.kind.value.replace('_', ' ')}{self._said()}"

    def _said(self) -> str:
        said = ", ".join(part for part in (str(self.status or ""), self.code, self.message) if part)
        return f" ({said})" if said else ""
