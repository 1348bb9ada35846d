"""The frame that every stand-in service shares: clock, faults, counts, the list of what went live.

A service is a table of routes. For each request the frame reads the whole body, stamps when it arrived,
counts it, lets the faults that were ordered act, and only then calls the route. Each service speaks its
own language in errors, so the frame asks the service for the body of a refusal (`Service.refusal`).

The frame is an aiohttp server, because two of the faults must cut the TCP connection itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import functools
import hashlib
import json
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from sandbox import garbage

MAX_BODY_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LivePost:
    """Something the public can see: a post, a thread part, a comment."""

    platform: str
    account_id: str
    post_id: str
    kind: str
    text: str
    media: list[str]
    """sha256 of each medium, in order."""
    parent_id: str | None
    received_at: float
    """Epoch seconds when the irreversible request had arrived whole."""


@dataclass(slots=True)
class Reply:
    """An answer. `body` is JSON unless it is bytes, str or None."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """The connection ends in the middle of the body."""

    def render(self) -> web.Response:
        headers = dict(self.headers)
        if self.body is None:
            return web.Response(status=self.status, headers=headers)
        if isinstance(self.body, bytes | str):
            raw = self.body.encode() if isinstance(self.body, str) else self.body
            headers.setdefault("Content-Type", "text/html; charset=utf-8")
        else:
            raw = json.dumps(self.body, ensure_ascii=False).encode()
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
        return web.Response(status=self.status, body=raw, headers=headers)


class Refused(Exception):
    """Raised by a route to answer with `reply` at once."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(slots=True)
class Call:
    """One request, read whole."""

    service: str
    route: str
    method: str
    path: str
    args: Mapping[str, str]
    """What the route's path pattern captured."""
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    received_at: float
    base_url: str
    """Where this service answers, for links in answers; no trailing slash."""
    url: str = ""
    """The whole URL as it was asked for, still encoded."""

    def query_value(self, name: str) -> str | None:
        return next((v for k, v in self.query if k == name), None)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").split(";")[0].strip().lower()

    def json(self) -> Any:
        """The JSON body; raises ValueError when it is not JSON."""
        return json.loads(self.body or b"null")

    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body.decode("utf-8"), keep_blank_values=True)

    def multipart(self) -> dict[str, tuple[str | None, bytes]]:
        """Parts of a multipart/form-data body: name -> (file name or None, bytes)."""
        match = re.search(r'boundary="?([^";]+)"?', self.headers.get("Content-Type", ""))
        if match is None:
            raise ValueError("multipart body without a boundary")
        parts: dict[str, tuple[str | None, bytes]] = {}
        for chunk in self.body.split(b"--" + match.group(1).encode())[1:-1]:
            head, _, content = chunk.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb'[; ]name="([^"]*)"', head)
            file = re.search(rb'filename="([^"]*)"', head)
            if name is None:
                raise ValueError("multipart part without a name")
            parts[name.group(1).decode()] = (
                file.group(1).decode() if file else None,
                content.removesuffix(b"\r\n"),
            )
        return parts

    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() in ("bearer", "oauth") and token else None


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    name: str
    handler: Handler


def route(method: str, path: str, name: str, handler: Handler) -> Route:
    """A route; `{word}` in `path` captures one segment, `{word:rest}` captures slashes too."""
    regex = re.sub(r"\{(\w+):rest\}", r"(?P<\1>.+)", path)
    regex = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", regex)
    return Route(method, re.compile(f"^{regex}$"), name, handler)


class Service:
    """One stand-in. Subclasses set `name`, `routes`, and speak their own errors."""

    name: str

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes: list[Route] = []

    def reset(self) -> None:
        """Forget everything."""

    def seed(self, data: dict[str, Any]) -> None:
        """Take this service's part of `POST /_sandbox/seed` (see each service)."""

    def account_of(self, call: Call) -> str | None:
        """The account a request speaks for, if its token says so (for faults on one account)."""
        return None

    def inbox(self) -> list[dict[str, Any]]:
        """Drafts that wait in people's apps: `[{platform, account_id, post_id, media, received_at}]`."""
        return []

    def numbers(self, at: float) -> list[dict[str, Any]]:
        """What is true at an instant of the world's clock, told or not: `[{platform, account_id, post_id,
        metric, value}]`, metrics by the service's own names, `post_id` None for those of an account. What an
        account came to on a day is that of the day that holds the instant, and has its `date`."""
        return []

    def costs(self) -> list[dict[str, Any]]:
        """What reads would have cost: `[{service, what, count, usd}]`."""
        return []

    def remove(self, post_id: str) -> bool:
        """Take a live post off the air, as the platform or a person in the app would; False: none."""
        return False

    def in_app(self, verb: str, data: dict[str, Any]) -> None:
        """What a person does in the service's own app (see each service)."""
        raise ValueError(f"nobody does {verb!r} in the app of {self.name}")

    def refusal(self, status: int, call: Call, code: str = "", subcode: str = "") -> Reply:
        """This service's own body for `status` and, where its errors have them, its codes or words: an order
        may say `error_after:403/4/2207051` or `status:422/UNKNOWN_FIELD_NAME`."""
        return Reply(status, {"error": status})

    def route_name(self, route: Route, call: Call) -> str:
        """The name that counts and faults see; a service refines it where a parameter chooses the verb."""
        return route.name

    def rate_limited(self, call: Call, wait_s: float | None = None) -> Reply:
        """This service's own answer to too many requests. It ends in `wait_s`; None: as usual there."""
        return self.refusal(429, call)

    def expire_token(self, call: Call) -> None:
        """Make the token of this request expired from now on."""

    def not_found(self, call: Call) -> Reply:
        return self.refusal(404, call)


NUMBERED_MODES = ("status", "error_after", "late", "delay", "read_lag")
"""Modes that mean nothing without a number, as in `status:503` (or more, as in `status:403/4/2207051`);
`rate_limit` takes one, the seconds until the limit ends, but needs none."""
GARBAGE_MODES = ("garbage", "garbage_after")
"""Modes with a word of `garbage.WAYS` and a status, as in `garbage:html/502`."""

# What the frame does by itself; every other mode is asked for by the service (`Faults.take`).
FRAME_MODES = (
    "status",
    "error_after",
    "drop_before",
    "drop_after",
    "late",
    "delay",
    "garbage_2xx",
    *GARBAGE_MODES,
    "rate_limit",
    "expire_token",
)
SERVICE_MODES = (
    "read_lag",
    "unreadable",
    "republish",
    "mangle_text",
    "drop_child",
    "processing_fails",
    "auto_publish",
)


@dataclass(slots=True)
class Fault:
    """One order to break. `route` and `service` may be shell patterns; `times` -1 means for ever."""

    service: str
    mode: str
    method: str = "*"
    route: str = "*"
    times: int = 1
    after: int = 0
    """How many matching requests pass first."""
    account_id: str | None = None

    @property
    def kind(self) -> str:
        return self.mode.partition(":")[0]

    @property
    def argument(self) -> str:
        return self.mode.partition(":")[2]

    def matches(self, call: Call, account: str | None) -> bool:
        return (
            fnmatch.fnmatchcase(call.service, self.service)
            and fnmatch.fnmatchcase(call.method, self.method.upper())
            and fnmatch.fnmatchcase(call.route, self.route)
            and (self.account_id is None or self.account_id == account)
        )


class Faults:
    """The orders in force, in the order they came."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []

    def clear(self) -> None:
        self._orders.clear()

    def add(self, order: Mapping[str, Any]) -> None:
        fault = Fault(**order)
        if fault.kind not in FRAME_MODES + SERVICE_MODES:
            raise ValueError(f"mode {fault.mode!r} is not one of {', '.join(FRAME_MODES + SERVICE_MODES)}")
        first, _, rest = fault.argument.partition("/")
        if fault.kind in NUMBERED_MODES or (fault.kind == "rate_limit" and fault.argument):
            float(first)
        if fault.kind in GARBAGE_MODES:
            if first not in garbage.WAYS:
                raise ValueError(f"garbage {first!r} is not one of {', '.join(garbage.WAYS)}")
            int(rest)
        self._orders.append(fault)

    def listing(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._orders]

    def take(self, kinds: tuple[str, ...], call: Call, account: str | None) -> Fault | None:
        """The first order of these kinds that hits this request; it is used up once."""
        for fault in self._orders:
            if fault.kind in kinds and fault.matches(call, account):
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times > 0:
                    fault.times -= 1
                    if fault.times == 0:
                        self._orders.remove(fault)
                return fault
        return None

    def argument(self, kind: str, service: str) -> str | None:
        """The argument of a standing order such as `read_lag:20`, without using it up."""
        for fault in self._orders:
            if fault.kind == kind and fnmatch.fnmatchcase(service, fault.service):
                return fault.argument
        return None


class World:
    """All the services and what they share."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.faults = Faults()
        self.live: list[LivePost] = []
        self.switches: dict[str, str] = {}
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.recent: dict[str, deque[dict[str, Any]]] = defaultdict(lambda: deque(maxlen=500))
        self.leave: Callable[[float], None] | None = None
        """Makes the server go away for so many seconds; None where it cannot."""
        self._shift_s = 0.0
        self._stopped_at: float | None = None
        self._background: set[asyncio.Task[None]] = set()

    def add(self, service: Service) -> None:
        self.services[service.name] = service

    # The world's clock ages tokens, links and windows, and can be moved; `received_at` is always real time.
    def now(self) -> float:
        """Epoch seconds on the world's clock."""
        return time.time() + self._shift_s if self._stopped_at is None else self._stopped_at

    def advance(self, seconds: float) -> None:
        if self._stopped_at is None:
            self._shift_s += seconds
        else:
            self._stopped_at += seconds

    def stop_at(self, instant: float) -> None:
        """Set the clock to an instant (epoch seconds), where it stands until it is moved."""
        self._stopped_at = instant

    def switch(self, name: str, default: str) -> str:
        """Which side of a fact on which sources disagree is in force."""
        return self.switches.get(name, default)

    def publish(self, post: LivePost) -> None:
        self.live.append(post)

    def visible_before(self, service: str) -> float:
        """Lists show only what went live before this real time (`read_lag`)."""
        return time.time() - float(self.faults.argument("read_lag", service) or 0.0)

    def reset(self) -> None:
        for task in self._background:
            task.cancel()
        self.faults.clear()
        self.live.clear()
        self.switches.clear()
        self.requests.clear()
        self.recent.clear()
        self._shift_s = 0.0
        self._stopped_at = None
        for service in self.services.values():
            service.reset()

    def later(self, wait_s: float, work: Callable[[], Awaitable[Any]]) -> None:
        async def run() -> None:
            await asyncio.sleep(wait_s)
            with contextlib.suppress(Refused):
                await work()

        task = asyncio.create_task(run())
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _not_found(service: Service, call: Call) -> Reply:
    return service.not_found(call)


def _refusal(service: Service, fault: Fault, call: Call) -> Reply:
    """The refusal that an order's argument `HTTP[/code[/subcode]]` asks for."""
    status, *codes = fault.argument.split("/")
    return service.refusal(int(status), call, *codes)


def _spoiled(fault: Fault, call: Call, reply: Reply) -> Reply:
    """`reply` as an order's argument `<way>/<status>` wants it; a 3xx leads back to where it was asked."""
    way, _, status = fault.argument.partition("/")
    body, content_type = garbage.WAYS[way](reply.body)
    headers = {"Content-Type": content_type}
    if way == "misencoded":
        headers["Content-Encoding"] = "gzip"
    if status.startswith("3"):
        headers["Location"] = call.url
    return Reply(int(status), body, headers, cut=way == "cut")


async def _cut_short(reply: Reply, request: web.Request) -> web.StreamResponse:
    """A head that promises the whole body, half of that, and the end of the connection."""
    whole = reply.render()
    assert isinstance(whole.body, bytes)
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(whole.body)
    await response.prepare(request)
    await response.write(whole.body[: len(whole.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def seed(world: World, data: Mapping[str, Any]) -> None:
    """Give each service its part; raises ValueError for a service that is not there."""
    for name, part in data.items():
        if name not in world.services:
            raise ValueError(f"no such stand-in: {name!r}")
        world.services[name].seed(part)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Frame:
    """Dispatches requests to services, and answers `/_sandbox/*`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/_sandbox/{verb:.+}", self.control)
        app.router.add_route("*", "/{service}{path:(/.*)?}", self.dispatch)
        return app

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["service"]
        service = self.world.services.get(name)
        if service is None:
            return web.json_response({"error": f"no such stand-in: {name}"}, status=404)
        body = await request.read()
        received_at = time.time()
        path = request.match_info["path"] or "/"
        call = Call(
            service=name,
            route="",
            method=request.method,
            path=path,
            args={},
            query=list(request.query.items()),
            headers=request.headers,
            body=body,
            received_at=received_at,
            base_url=f"{request.scheme}://{request.host}/{name}",
            url=f"{request.scheme}://{request.host}{request.raw_path}",
        )
        found = next(
            ((r, m) for r in service.routes if r.method == call.method and (m := r.pattern.match(path))), None
        )
        if found is None:
            call.route = "unknown"
            handler: Handler = functools.partial(_not_found, service)
        else:
            call.args = found[1].groupdict()
            call.route, handler = service.route_name(found[0], call), found[0].handler
        self.world.requests[name, call.method, call.route] += 1
        reply = await self._answer(service, handler, call, request)
        if reply is not None and (skew_s := float(self.world.switch("date_skew_s", "0"))):
            reply.headers["Date"] = formatdate(time.time() + skew_s, usegmt=True)
        self.world.recent[name].append(
            {
                "method": call.method,
                "route": call.route,
                "status": reply.status if reply else None,
                "received_at": received_at,
                "account_id": service.account_of(call),
            }
        )
        if reply is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return await _cut_short(reply, request) if reply.cut else reply.render()

    async def _answer(
        self, service: Service, handler: Handler, call: Call, request: web.Request
    ) -> Reply | None:
        """The service's answer, or None where the connection is to be cut."""

        async def run() -> Reply:
            try:
                return await handler(call)
            except Refused as refused:
                return refused.reply

        fault = self.world.faults.take(FRAME_MODES, call, service.account_of(call))
        if fault is None:
            return await run()
        match fault.kind:
            case "status":
                return _refusal(service, fault, call)
            case "error_after":
                await run()
                return _refusal(service, fault, call)
            case "drop_before":
                return None
            case "drop_after":
                await run()
                return None
            case "late":
                self.world.later(float(fault.argument), run)
                return service.refusal(503, call)
            case "delay":
                await asyncio.sleep(float(fault.argument))
                return await run()
            case "garbage_2xx":
                await run()
                return Reply(200, garbage.PAGE)
            case "garbage":
                return _spoiled(fault, call, service.refusal(503, call))
            case "garbage_after":
                return _spoiled(fault, call, await run())
            case "rate_limit":
                return service.rate_limited(call, float(fault.argument) if fault.argument else None)
            case _:  # expire_token
                service.expire_token(call)
                return await run()

    async def control(self, request: web.Request) -> web.Response:
        verb = (request.method, request.match_info["verb"])
        world = self.world
        try:
            data = json.loads(await request.read() or b"{}")
            match verb:
                case ("GET", "posts"):
                    return web.json_response([asdict(post) for post in world.live])
                case ("DELETE", path) if path.startswith("posts/"):
                    platform, _, post_id = path.removeprefix("posts/").partition("/")
                    if platform not in world.services or not world.services[platform].remove(post_id):
                        raise ValueError(f"nothing live is {platform}/{post_id}")
                case ("POST", path) if path.startswith("in_app/"):
                    name, _, done = path.removeprefix("in_app/").partition("/")
                    if name not in world.services:
                        raise ValueError(f"no such stand-in: {name!r}")
                    world.services[name].in_app(done, data)
                case ("GET", "requests"):
                    return web.json_response(
                        [
                            {"service": s, "method": m, "route": r, "count": n}
                            for (s, m, r), n in sorted(world.requests.items())
                        ]
                    )
                case ("GET", "numbers"):
                    at = float(request.query.get("at", world.now()))
                    return web.json_response(
                        [row for one in world.services.values() for row in one.numbers(at)]
                    )
                case ("GET", "costs"):
                    return web.json_response([row for one in world.services.values() for row in one.costs()])
                case ("GET", "recent"):
                    return web.json_response({name: list(calls) for name, calls in world.recent.items()})
                case ("GET", "faults"):
                    return web.json_response(world.faults.listing())
                case ("POST", "reset"):
                    world.reset()
                case ("POST", "seed"):
                    seed(world, data)
                case ("POST", "faults"):
                    for order in data if isinstance(data, list) else [data]:
                        world.faults.add(order)
                case ("DELETE", "faults"):
                    world.faults.clear()
                case ("POST", "switches"):
                    world.switches.update({str(k): str(v) for k, v in data.items()})
                case ("GET", "inbox"):
                    return web.json_response(
                        [draft for one in world.services.values() for draft in one.inbox()]
                    )
                case ("POST", "outage"):
                    if world.leave is None:
                        raise ValueError("only `python -m sandbox` can go away")
                    world.leave(float(data["seconds"]))
                case ("POST", "clock") if "stop_at" in data:
                    world.stop_at(float(data["stop_at"]))
                case ("POST", "clock"):
                    world.advance(float(data["advance_s"]))
                case _:
                    return web.json_response({"error": f"no control call {verb[0]} {verb[1]}"}, status=404)
        except (ValueError, TypeError, KeyError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response({"ok": True})
