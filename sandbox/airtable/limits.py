"""Who may call and how often: tokens with scopes and bases, 5 requests a second per base, 50 per token,
30 seconds of refusals after that, and a monthly budget. Source: Airtable Web API, "Rate limits", "Scopes"."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

from sandbox.airtable.errors import body, forbidden, refused
from sandbox.airtable.model import new_id
from sandbox.core import Refused, Reply, World

SCOPES = (
    "data.records:read",
    "data.records:write",
    "schema.bases:read",
    "schema.bases:write",
    "webhook:manage",
)
SOURCES = (
    "client",
    "publicApi",
    "formSubmission",
    "formPageSubmission",
    "automation",
    "system",
    "sync",
    "anonymousUser",
    "unknown",
)
"""Where a change came from, as webhooks tell it. Source: Airtable Web API, "Webhooks specification"."""
PROGRAM = "publicApi"
REQUESTS_PER_S = 5
TOKEN_REQUESTS_PER_S = 50
LOCK_OUT_S = 30.0
RATE_LIMITED = ("RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later")
OUT_OF_CALLS = (
    "PUBLIC_API_BILLING_LIMIT_EXCEEDED",
    "The API calls of this workspace's plan are used up for this month",
)


@dataclass(slots=True)
class Token:
    token: str
    scopes: list[str] = field(default_factory=lambda: list(SCOPES))
    bases: list[str] | str = "*"
    """Base ids, or `*` for all."""
    user_id: str = field(default_factory=lambda: new_id("usr"))
    source: str = PROGRAM
    """Anything else stands for Airtable's own pages (`client`: a person there), which no limit slows down."""

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"source {self.source!r} is not one of {', '.join(SOURCES)}")
        if unknown := set(self.scopes) - set(SCOPES):
            raise ValueError(f"scopes that this stand-in does not have: {', '.join(sorted(unknown))}")

    def sees(self, base_id: str) -> bool:
        return self.bases == "*" or base_id in self.bases


class Gate:
    """Every request passes here before anything else happens.

    Switches: `airtable_requests_per_s` (5; 0 lifts both limits), `monthly_calls_left` (a number; none
    means no cap), `airtable_429_shape` (object or array: both were seen on the wire).
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.tokens: dict[str, Token] = {}
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._locked_until: dict[str, float] = {}

    def clear(self) -> None:
        self.tokens.clear()
        self._recent.clear()
        self._locked_until.clear()

    def token(self, bearer: str | None) -> Token:
        if bearer is None or bearer not in self.tokens:
            raise refused(401, "AUTHENTICATION_REQUIRED", "Authentication required")
        return self.tokens[bearer]

    def enter(self, bearer: str | None, scope: str | None, base_id: str | None, *, metered: bool) -> Token:
        """The caller's token, after all that may refuse it. `metered` calls use up the monthly budget."""
        token = self.token(bearer)
        program = token.source == PROGRAM
        per_s = int(self._world.switch("airtable_requests_per_s", str(REQUESTS_PER_S)))
        if program and per_s:
            self._count(token.token, TOKEN_REQUESTS_PER_S)
            if base_id is not None:
                self._count(base_id, per_s)
        if metered and program:
            self._spend()
        if (scope and scope not in token.scopes) or (base_id is not None and not token.sees(base_id)):
            raise forbidden()
        return token

    def lock(self, whom: str | None, lock_s: float = LOCK_OUT_S) -> Reply:
        """Refuse this base, or token, from now on for so long."""
        if whom is not None:
            self._locked_until[whom] = self._world.now() + lock_s
        return self.too_many(*RATE_LIMITED)

    def _count(self, whom: str, per_s: int) -> None:
        now, recent = self._world.now(), self._recent[whom]
        if now < self._locked_until.get(whom, 0.0):
            raise Refused(self.too_many(*RATE_LIMITED))
        while recent and now - recent[0] >= 1.0:
            recent.popleft()
        if len(recent) >= per_s:
            raise Refused(self.lock(whom))
        recent.append(now)

    def _spend(self) -> None:
        left = self._world.switches.get("monthly_calls_left")
        if left is None:
            return
        if int(left) <= 0:
            raise Refused(self.too_many(*OUT_OF_CALLS))
        self._world.switches["monthly_calls_left"] = str(int(left) - 1)

    def too_many(self, kind: str, message: str) -> Reply:
        """A 429 in the shape that the switch chooses."""
        if self._world.switch("airtable_429_shape", "object") == "array":
            return Reply(429, {"errors": [{"error": kind, "message": message}]})
        return Reply(429, body(kind, message))
