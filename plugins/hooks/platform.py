"""What the platforms' hooks share: reading a Connection, a session for safe reads, the test button.

Posts do not go through here: what cannot be taken back is sent by `schedulo.transport` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from airflow.sdk import BaseHook
from requests.auth import AuthBase

from schedulo.settings import Mode, settings
from schedulo.transport.endpoint import Endpoint

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Base:
    """Where a service answers: its own address, and the extra field that names another."""

    default: str
    extra: str = ""
    """Empty: the Connection's host."""


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """A harmless read that says whose token it is."""

    service: str
    path: Callable[[], str]
    """The path with its query; called late, since settings choose the API version."""
    within: tuple[str, ...]
    """The keys that lead to the account in the answer."""
    id_field: str
    name_field: str
    is_account: bool = True
    """Whether the id is the one that posts are published with."""


class PlatformHook(BaseHook):
    """
    A platform's Connection.

    Host: address of the service (empty: the platform's own). Login: app id. Password: app secret.
    Extra: `account_id` and `token` of a single account, for installations without more of them.

    :param conn_id: the Connection's id.
    """

    conn_name_attr: str
    default_conn_name: str
    conn_type: str
    hook_name: str

    bases: ClassVar[dict[str, Base]]
    """Each service, the Connection's host first."""
    who_am_i: ClassVar[tuple[WhoAmI, ...]]
    """Tried in this order until one knows the token."""

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        setattr(self, self.conn_name_attr, conn_id)
        self._conn_id = conn_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._conn_id!r})"

    def endpoint(self) -> Endpoint:
        """The Connection as plain data for the sender."""
        connection = self.get_connection(self._conn_id)
        return self._endpoint(connection, connection.extra_dejson)

    async def aendpoint(self) -> Endpoint:
        """The same, from a trigger."""
        connection = await self.aget_connection(self._conn_id)
        # `extra_dejson` would speak to the supervisor from within the loop that answers for it.
        return self._endpoint(connection, await connection.aextra_dejson())

    @classmethod
    def own_addresses(cls) -> Endpoint:
        """The platform's own addresses, for an installation that has no Connection to it."""
        return Endpoint(_in_mode({service: base.default for service, base in cls.bases.items()}))

    def _endpoint(self, connection: Any, extra: dict[str, Any]) -> Endpoint:
        bases = {}
        for service, base in self.bases.items():
            host = extra.get(base.extra) if base.extra else _host_url(connection)
            bases[service] = str(host or base.default).rstrip("/")
        return Endpoint(
            bases=_in_mode(bases),
            app_id=connection.login or "",
            app_secret=connection.password or "",
            account_id=str(extra.get("account_id") or ""),
            token=str(extra.get("token") or ""),
        )

    def get_conn(self) -> requests.Session:
        """A session for reads on the Connection's host: paths are relative to it, and only it sees the
        token. It never repeats a request by itself."""
        endpoint = self.endpoint()
        return ServiceSession(endpoint.bases[next(iter(self.bases))], endpoint.token)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the platform answers and knows the token, as Airflow's Test button wants it."""
        if settings().mode == Mode.NOTHING:
            return False, "SCHEDULO_MODE is nothing: no platform is asked."
        endpoint = self.endpoint()
        try:
            return self._ask(endpoint) if endpoint.token else self._knock(endpoint)
        except requests.RequestException as error:
            # Its own text holds the address as it was asked for; the kind of error says enough.
            asked = error.request.url if error.request is not None else None
            where = urlsplit(str(asked)).netloc if asked else self.hook_name
            return False, f"{where} cannot be reached ({type(error).__name__})."

    def _knock(self, endpoint: Endpoint) -> tuple[bool, str]:
        for base in endpoint.bases.values():
            with ServiceSession(base, "") as session:
                status = session.get("/", allow_redirects=False).status_code
            if status >= 500:
                return False, f"{base} answers with HTTP {status}."
        hosts = ", ".join(endpoint.bases.values())
        return True, f"Reached {hosts}. Without a token in this Connection nothing more can be tested."

    def _ask(self, endpoint: Endpoint) -> tuple[bool, str]:
        refusals = []
        for who in self.who_am_i:
            with ServiceSession(endpoint.bases[who.service], endpoint.token) as session:
                answer = session.get(who.path(), allow_redirects=False)
            found = _dig(answer, who.within) if answer.status_code == 200 else {}
            account_id = str(found.get(who.id_field) or "")
            if not account_id:
                said = _said(answer, endpoint)
                refusals.append(
                    f"{self.hook_name} does not accept the token (HTTP {answer.status_code}{said})."
                )
                continue
            name = f"{found.get(who.name_field) or 'an account without a name'} (id {account_id})"
            if who.is_account and endpoint.account_id not in ("", account_id):
                return False, f"The token belongs to {name}, not to account {endpoint.account_id}."
            return True, f"Connected as {name}."
        return False, refusals[0]


def _in_mode(bases: dict[str, str]) -> dict[str, str]:
    """The addresses that count in the mode that is set: a sandbox's, whatever a Connection says."""
    chosen = settings()
    if chosen.mode != Mode.SANDBOX:
        return bases
    return {service: f"{chosen.sandbox_url}/{service}" for service in bases}


class ServiceSession(requests.Session):
    """A session whose paths begin at `base`; the token goes to that host and to no other."""

    def __init__(self, base: str, token: str) -> None:
        super().__init__()
        self.base = base
        if token:
            self.auth = _HostBearer(base, token)

    def __repr__(self) -> str:
        return f"ServiceSession({self.base!r})"

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        kwargs.setdefault("timeout", TIMEOUT_SECONDS)
        return super().request(method, self.base + url if url.startswith("/") else url, *args, **kwargs)


class _HostBearer(AuthBase):
    def __init__(self, base: str, token: str) -> None:
        self._origin = _origin(base)
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if _origin(request.url or "") == self._origin:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def _host_url(connection: Any) -> str:
    """The Connection's host as a URL; people fill in a whole one, or a name with scheme and port beside."""
    host = (connection.host or "").rstrip("/")
    if not host:
        return ""
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    parts = urlsplit(host)
    if connection.port and not parts.port:
        return parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()
    return host


def _dig(answer: requests.Response, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _said(answer: requests.Response, endpoint: Endpoint) -> str:
    """The service's own words, if it has some; services repeat tokens in them."""
    body = _dig(answer, ())
    error = body.get("error")
    words = str(error.get("message") or "" if isinstance(error, dict) else body.get("detail") or "")
    for secret in filter(None, (endpoint.token, endpoint.app_secret)):
        words = words.replace(secret, "***")
    return f": {words[:200]}" if words else ""
