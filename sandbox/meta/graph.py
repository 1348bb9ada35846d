"""What all Graph API hosts have in common: versions, tokens, parameters, fields, lists, the error envelope.

A stand-in declares its edges with `GraphService.edge`; this module then lets through only requests with a
living version, a token of the right kind, the scopes and known parameters, and puts every answer and refusal
into Meta's shape. What an edge does is left to `instagram`, `containers`, `facebook` and `videos`.

Sources: Meta, "Graph API: versions", "handling errors", "rate limits", "secure requests", "paginated
results". Switches: `meta_190_status` 400|401; `meta_rate_limit_code` (else by token and edge) and
`meta_rate_limit_minutes`; `meta_calls_per_hour` (the budget behind X-App-Usage and code 4).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any
from urllib.parse import urlencode

from sandbox.core import Call, Refused, Reply, Route, Service, World, route
from sandbox.meta import errors
from sandbox.meta.errors import GraphError
from sandbox.meta.store import Store, Token, store_of

NEWEST_VERSION = (26, 0)
OLDEST_VERSION = (21, 0)
"""v20.0 ended on 2026-09-24; a call to an ended version is served by the oldest that lives."""
EVERYWHERE = frozenset({"access_token", "appsecret_proof", "fields", "locale", "pretty", "format"})
PHASED = ("videos", "video_reels", "video_stories")
MAX_LIMIT = 100
DEFAULT_LIMIT = 25


@dataclass(slots=True)
class Params:
    """Parameters from query, form, JSON or multipart alike, all as text; lists and objects as JSON."""

    values: dict[str, str]
    files: dict[str, bytes]


@dataclass(slots=True)
class Request:
    """A request that was let through."""

    call: Call
    params: dict[str, str]
    files: dict[str, bytes]
    token: Token
    version: str

    @property
    def node(self) -> str:
        return self.call.args.get("node", "")


Edge = Callable[[Request], Awaitable[Any]]
Fields = dict[str, "Fields | None"]


class GraphService(Service):
    """A Graph API host. Subclasses set `name`, `token_kinds`, and add edges."""

    token_kinds: tuple[str, ...] = ()
    checks_proof = False
    parameter_error_type = "OAuthException"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.store: Store = store_of(world)

    def reset(self) -> None:
        self.store.clear()

    # Edges.

    def edge(
        self,
        method: str,
        path: str,
        name: str,
        handler: Edge,
        *,
        scopes: Iterable[str] = (),
        params: Iterable[str] | None = None,
    ) -> None:
        """Declare an edge below `/{version}`. `params` are all that it takes (None: whatever comes)."""
        allowed = None if params is None else EVERYWHERE | frozenset(params)

        async def handle(call: Call) -> Reply:
            request = self.let_through(call, allowed)
            self.need(request, scopes)
            return Reply(200, await handler(request), self._headers(request.version))

        self.routes.append(route(method, "/{version}" + path, name, handle))

    def let_through(self, call: Call, allowed: frozenset[str] | None) -> Request:
        """The request with its token, or Refused."""
        version = _served(call.args.get("version", ""))
        if version is None:
            raise self.refuse(errors.BAD_PATH.saying(f"Unknown path components: {call.path}"))
        self.store.take_off(self.world.now())
        given = read_params(call, self)
        token = self.token(call, given.values)
        self._check_proof(given.values, token)
        self._count_call()
        unknown = [] if allowed is None else sorted((given.values.keys() | given.files.keys()) - allowed)
        unknown = [name for name in unknown if not re.fullmatch(r"attached_media\[\d+\]", name)]
        if unknown:
            raise self.refuse(errors.BAD_PARAMETER.saying(f"(#100) Unknown parameter: {', '.join(unknown)}"))
        return Request(call, given.values, given.files, token, version)

    def token(self, call: Call, params: Mapping[str, str]) -> Token:
        """The living token of a request, of a kind that this host takes; else Refused."""
        token = self.store.tokens.get(params.get("access_token") or call.bearer() or "")
        if token is None or token.kind not in self.token_kinds:
            raise self.refuse(errors.TOKEN_UNREADABLE)
        if token.subcode is not None:
            raise self.refuse(replace(errors.TOKEN_INVALID, subcode=token.subcode))
        if token.expires_at and token.expires_at <= self.world.now():
            raise self.refuse(errors.TOKEN_EXPIRED)
        return token

    def need(self, request: Request, scopes: Iterable[str]) -> None:
        """Refuse a token without one of these scopes: code 200 for Page permissions, else 10."""
        missing = sorted(set(scopes) - request.token.scopes)
        if missing:
            error = errors.PAGE_PERMISSION if missing[0].startswith("pages_") else errors.NO_PERMISSION
            raise self.refuse(error.saying(f"(#{error.code}) Missing permission: {', '.join(missing)}"))

    def check_readable(self, request: Request) -> None:
        """`unreadable:<token kind>`: reads answer 100/33 for that kind of token while writes work."""
        kind = self.world.faults.argument("unreadable", self.name)
        if kind in (request.token.kind, "") and self.world.faults.take(
            ("unreadable",), request.call, self.account_of(request.call)
        ):
            raise self.no_object(request.node)

    def no_object(self, node: str) -> Refused:
        return self.refuse(
            errors.NO_OBJECT.saying(
                f"Unsupported request. Object with ID '{node}' does not exist or this token cannot read it"
            )
        )

    def readable(self, handler: Edge) -> Edge:
        """An edge that `unreadable` can close."""

        async def read(request: Request) -> Any:
            self.check_readable(request)
            return await handler(request)

        return read

    def invalid(self, why: str) -> Refused:
        return self.refuse(errors.BAD_PARAMETER.saying(f"(#100) {why}"))

    # The envelope.

    def refuse(self, error: GraphError, extra: Mapping[str, str] | None = None) -> Refused:
        http, kind = error.http, error.type
        if error.code == 190 and error.http == 400:
            http = int(self.world.switch("meta_190_status", "400"))
        if error.code == 100 and error.type == "OAuthException":
            kind = self.parameter_error_type
        body: dict[str, Any] = {"message": error.message, "type": kind, "code": error.code}
        if error.subcode is not None:
            body["error_subcode"] = error.subcode
        if error.transient:
            body["is_transient"] = True
        if error.title is not None:
            body |= {"error_user_title": error.title, "error_user_msg": error.message}
        if error.data is not None:
            body["error_data"] = error.data
        body["fbtrace_id"] = "A" + secrets.token_urlsafe(16)
        # Header values are Latin-1; a message may quote a caption.
        said = error.message.encode("ascii", "replace").decode().replace('"', "'")
        headers = self._headers() | dict(extra or {})
        headers["WWW-Authenticate"] = f'OAuth "Facebook Platform" "invalid_request" "{said}"'
        return Refused(Reply(http, {"error": body}, headers))

    def _headers(self, version: str = "v26.0") -> dict[str, str]:
        _, calls = self.store.calls_in_hour
        percent = calls * 100 // self._calls_per_hour()
        usage = {"call_count": percent, "total_time": percent, "total_cputime": percent}
        return {
            "Facebook-API-Version": version,
            "X-App-Usage": json.dumps(usage),
            "Cache-Control": "no-store",
        }

    def _calls_per_hour(self) -> int:
        return int(self.world.switch("meta_calls_per_hour", "1000000"))

    def _count_call(self) -> None:
        hour = int(self.world.now() // 3600)
        counted, calls = self.store.calls_in_hour
        calls = calls + 1 if counted == hour else 1
        self.store.calls_in_hour = (hour, calls)
        if calls > self._calls_per_hour():
            raise self.refuse(errors.APP_LIMIT)

    # What the frame asks.

    def refusal(self, status: int, call: Call, code: str = "", subcode: str = "") -> Reply:
        return self.refuse(errors.find(status, code, subcode)).reply

    def not_found(self, call: Call) -> Reply:
        return self.refuse(errors.BAD_PATH.saying(f"Unknown path components: {call.path}")).reply

    def route_name(self, route: Route, call: Call) -> str:
        """A node is read under the name of its type, and an upload's phases have names of their own."""
        if route.name == "node":
            return self.store.kind_of(call.args["node"])
        if call.method == "POST" and route.name in PHASED:
            with contextlib.suppress(Refused):
                if phase := read_params(call, self).values.get("upload_phase"):
                    return f"{route.name}:{phase}"
        return route.name

    def account_of(self, call: Call) -> str | None:
        owner = self.store.owner_of(call.args.get("node", ""))
        if owner is None and (token := self._token_sent(call)):
            owner = token.owners[0]
        return owner

    def expire_token(self, call: Call) -> None:
        if token := self._token_sent(call):
            token.expires_at = self.world.now() - 1

    def rate_limited(self, call: Call, wait_s: float | None = None) -> Reply:
        """HTTP 400 with the code of who is limited: 80002 Instagram, 80001 a Page token, 32 a user token.
        Meta tells whole minutes."""
        token = self._token_sent(call)
        account = self.account_of(call)
        about_page = token is None or account not in self.store.nodes or self.is_page(account)
        if not about_page:
            code = errors.INSTAGRAM_BUC_LIMIT.code
        elif token is not None and token.kind == "page":
            code = errors.PAGES_BUC_LIMIT.code
        else:
            code = errors.PAGE_LIMIT_USER_TOKEN.code
        code = int(self.world.switch("meta_rate_limit_code", str(code)))
        minutes = self.world.switch("meta_rate_limit_minutes", "5") if wait_s is None else ceil(wait_s / 60)
        usage = {
            "type": "pages" if about_page else "instagram",
            "call_count": 100,
            "total_cputime": 100,
            "total_time": 100,
            "estimated_time_to_regain_access": int(minutes),
        }
        header = {"X-Business-Use-Case-Usage": json.dumps({account or "0": [usage]})}
        return self.refuse(errors.find(400, str(code)), header).reply

    def is_page(self, node_id: str | None) -> bool:
        return self.store.kind_of(node_id or "") == "page"

    def _token_sent(self, call: Call) -> Token | None:
        try:
            given = read_params(call, self).values
        except Refused:
            given = {}
        return self.store.tokens.get(given.get("access_token") or call.bearer() or "")

    def _check_proof(self, params: Mapping[str, str], token: Token) -> None:
        """appsecret_proof = hex HMAC-SHA256 of the token, keyed with the app secret."""
        app = self.store.app_of(token) if self.checks_proof else None
        if app is None:
            return
        proof = params.get("appsecret_proof")
        if proof is None:
            if app.require_proof:
                raise self.refuse(errors.PROOF_MISSING)
        elif not hmac.compare_digest(proof.encode(), app_proof(app.secret, token.value).encode()):
            raise self.refuse(errors.PROOF_WRONG)


def app_proof(secret: str, token: str) -> str:
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def _served(version: str) -> str | None:
    """The version that answers to this path segment, or None where it is not a version that ever was."""
    match = re.fullmatch(r"v(\d{1,2})\.(\d{1,2})", version)
    if match is None:
        return None
    asked = (int(match.group(1)), int(match.group(2)))
    if asked > NEWEST_VERSION:
        return None
    return "v{}.{}".format(*max(asked, OLDEST_VERSION))


# Parameters.


def read_params(call: Call, service: GraphService) -> Params:
    values, files = dict(call.query), {}
    if call.body:
        try:
            match call.content_type:
                case "application/json":
                    body = call.json()
                    if not isinstance(body, dict):
                        raise service.invalid("The JSON body must be an object")
                    values |= {k: v if isinstance(v, str) else json.dumps(v) for k, v in body.items()}
                case "multipart/form-data":
                    for name, (file_name, content) in call.multipart().items():
                        if file_name is None:
                            values[name] = content.decode()
                        else:
                            files[name] = content
                case "application/x-www-form-urlencoded":
                    values |= dict(call.form())
        except ValueError:
            raise service.invalid("The body cannot be read") from None
    return Params(values, files)


def read_bool(params: Mapping[str, str], name: str, service: GraphService, *, default: bool) -> bool:
    value = params.get(name)
    if value is None:
        return default
    if value.lower() not in ("true", "false", "1", "0"):
        raise service.invalid(f"Param {name} must be a boolean")
    return value.lower() in ("true", "1")


def read_int(params: Mapping[str, str], name: str, service: GraphService) -> int | None:
    value = params.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise service.invalid(f"Param {name} must be an integer")
    return int(value)


def read_list(params: Mapping[str, str], name: str, service: GraphService) -> list[Any]:
    """A JSON array; empty where the parameter is missing."""
    value = read_json(params.get(name) or "[]", name, service)
    if not isinstance(value, list):
        raise service.invalid(f"Param {name} must be an array")
    return value


def read_json(text: str, name: str, service: GraphService) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise service.invalid(f"Param {name} must be JSON") from None


def read_time(text: str, service: GraphService, name: str) -> float:
    """Unix seconds or ISO 8601, as epoch seconds."""
    if re.fullmatch(r"\d{1,12}", text):
        return float(text)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise service.invalid(f"Param {name} must be a time") from None
    return when.replace(tzinfo=when.tzinfo or UTC).timestamp()


# Answers.


def iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def names(text: str) -> frozenset[str]:
    """The fields of a node, from a table written as words."""
    return frozenset(text.split())


def parse_fields(text: str) -> Fields:
    """`a,b{c,d}.limit(3)` as {"a": None, "b": {"c": None, "d": None}}; modifiers are dropped."""
    fields: Fields = {}
    stack = [fields]
    last = opened = ""
    for name, sign in re.findall(r"(\w+)|(\([^)]*\)|[{},.])", text):
        if name:
            last = name if last != "." else ""
            if last:
                stack[-1].setdefault(last, None)
                opened = last
        elif sign == ".":
            last = "."
        elif sign == "{":
            inner: Fields = {}
            stack[-1][opened] = inner
            stack.append(inner)
        elif sign == "}" and len(stack) > 1:
            stack.pop()
    return fields


def select(
    values: Mapping[str, Any],
    asked: str | None,
    known: frozenset[str],
    default: Sequence[str],
    owner: GraphService,
) -> dict[str, Any]:
    """The asked fields that have a value, and always the id; Refused for a field outside `known`."""
    fields: Fields = parse_fields(asked) if asked else dict.fromkeys(default)
    unknown = [name for name in fields if name not in known and name != "id"]
    if unknown:
        raise owner.invalid(f"Tried accessing nonexisting field ({unknown[0]})")
    chosen = {
        name: _narrow(values[name], sub) for name, sub in fields.items() if values.get(name) is not None
    }
    return chosen | {"id": values["id"]}


def _narrow(value: Any, sub: Fields | None) -> Any:
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        return {"data": [_narrow_item(item, sub) for item in value["data"]]}
    return _narrow_item(value, sub) if isinstance(value, dict) and sub else value


def _narrow_item(item: dict[str, Any], sub: Fields | None) -> dict[str, Any]:
    names = {*sub, "id"} if sub else {"id"} if "id" in item else set(item)
    return {name: value for name, value in item.items() if name in names and value is not None}


def listing(
    request: Request,
    service: GraphService,
    items: Sequence[Any],
    describe: Callable[[Any], dict[str, Any]],
    *,
    max_limit: int = MAX_LIMIT,
    timed: bool = True,
) -> dict[str, Any]:
    """`items` (oldest first) newest first, within since/until, one page, without what `read_lag` still hides.

    A cursor is the place of an item in `items`, so that a page costs what it shows.
    """
    limit = read_int(request.params, "limit", service) or DEFAULT_LIMIT
    if not 0 < limit <= max_limit:
        raise service.invalid(f"Param limit must be between 1 and {max_limit}")
    since = (
        read_time(request.params["since"], service, "since") if timed and "since" in request.params else None
    )
    until = (
        read_time(request.params["until"], service, "until") if timed and "until" in request.params else None
    )
    visible_before = service.world.visible_before(service.name)
    last = service.world.now() if until is None else min(until, service.world.now())
    place = _place(request.params.get("after"), len(items), service)
    shown: list[int] = []
    while place > 0 and len(shown) <= limit:
        place -= 1
        item = items[place]
        if since is not None and item.created_at < since:
            break
        if item.received_at <= visible_before and item.created_at <= last:
            shown.append(place)
    more = len(shown) > limit
    shown = shown[:limit]
    answer: dict[str, Any] = {"data": [describe(items[place]) for place in shown]}
    if shown:
        cursors = {"before": _cursor(shown[0]), "after": _cursor(shown[-1])}
        answer["paging"] = {"cursors": cursors}
        if more:
            query = request.params | {"after": cursors["after"], "access_token": request.token.value}
            answer["paging"]["next"] = f"{request.call.base_url}{request.call.path}?{urlencode(query)}"
    return answer


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"place:{place}".encode()).decode().rstrip("=")


def _place(cursor: str | None, default: int, service: GraphService) -> int:
    if not cursor:
        return default
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return min(int(raw.removeprefix(b"place:")), default)
    except ValueError:
        raise service.invalid("Param after is not a cursor") from None
