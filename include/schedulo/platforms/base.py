"""What every platform module offers. A new platform is one module that fulfils `Conversation`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from schedulo.accepts import Rules
from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.flow import Flow, Job, Lost, Sent
from schedulo.model import Account, Content, Format, MediaKind, Platform, Problem


@dataclass(frozen=True, slots=True)
class Credential:
    """What renewing an account's login works with. Secrets are not shown by `repr`."""

    account: Account
    app_id: str
    app_secret: str = field(repr=False)
    secret: Mapping[str, Any] = field(repr=False)
    """What the vault keeps: `access_token`, and `refresh_token` where the platform gives one."""
    refused: bool
    """The platform no longer accepts the access token. False: it is renewed ahead of its end."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """This platform's settings, by name (`meta_version`)."""

    @property
    def refresh_token(self) -> str:
        """Raises `PlatformError` of kind RECONNECT where none is kept."""
        token = self.secret.get("refresh_token")
        if not token:
            raise cannot_renew(self.account, "no refresh token is kept for this account")
        return str(token)


@dataclass(frozen=True, slots=True)
class Renewed:
    """A new login. Tokens are not shown by `repr`."""

    access_token: str = field(repr=False)
    expires_in_s: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    """None: the one that was used stays good."""
    refresh_expires_in_s: float | None = None
    scopes: Sequence[str] | None = None
    """What it may do, where the platform says so."""
    user_token: str | None = field(default=None, repr=False)
    """Facebook Login: the person's own token, with which the Page's is fetched."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a platform says of a login that it accepts."""

    account_id: str = ""
    """Whose it is; empty where that was not said."""
    name: str = ""
    ends_told: bool = False
    """It tells when logins end; a None below then means: never."""
    expires_s: float | None = None
    """Epoch seconds."""
    data_access_s: float | None = None
    """Epoch seconds. Meta: the person must log in again by then."""
    scopes: Sequence[str] | None = None
    """None: it was not said."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a platform is asked about an account before a post is due, because no table holds the answer."""

    formats: frozenset[Format]
    """Posts of these it says something about."""
    ask: Callable[[], Flow]
    """Steps that are not kept; ends with JSON, which `check` finds as the account's option `allowed`."""


def cannot_renew(account: Account, why: str) -> PlatformError:
    """A person must connect the account again. It says nothing of a post that is being worked on."""
    return PlatformError(account.platform, Diagnosis(Kind.RECONNECT, refusal=False), message=why)


def scopes_of(value: Any) -> list[str] | None:
    """What services list as text, with blanks or commas between, or as a list; None for anything else."""
    if isinstance(value, str):
        return sorted(set(value.replace(",", " ").split()))
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(set(value))
    return None


def seconds(value: Any) -> float | None:
    """A lifetime as services tell it, in seconds; None for what is none."""
    return float(value) if isinstance(value, int | float) and value > 0 else None


class Conversation(Protocol):
    """One platform's side of everything, without I/O."""

    platform: Platform

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Problem]:
        """All that would be refused, found without the network, and what the author should know besides.

        It sees the files as they are sent: converted, where that was needed (`accepts`).
        `public_media` says whether stored media have a public address (`media_base_url`).
        """
        ...

    def accepts(self, account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
        """What files of a format must be like on this account. A kind that is not named is not taken.

        Pictures of a format that is a video alone are its cover (`Content.cover`).
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

    def refresh(self, credential: Credential) -> Flow:
        """Renews a login; ends with `Renewed`, or None where it has no end and nothing is to be renewed.

        Raises `PlatformError` of kind RECONNECT where only a person can. Its steps are never kept: who runs
        it stores what it ends with before the first use.
        """
        ...
