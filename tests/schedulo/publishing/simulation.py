"""The whole publisher, unchanged, in a world that a test takes forward step by step.

Time, threads, the ledger's clock and the platform are the world's; sessions, sender, desk, driver and the
ledger's own code are the real ones. Every transaction, every answer and every request of a process is a gate
that the test opens: between any two a process may be frozen or killed. Each process has an event loop that
only runs when the world lets it, so a frozen one wakes up with all its timers overdue, as a real one does.

The platform is a model here and nowhere else: it keeps which post is live how often, shows it late, and may
finish a request late. Its bounds are those of the settings, used to the last second.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from yarl import URL

from schedulo.delivery import claims, commands, holds, planning
from schedulo.delivery.transitions import OUT, RESTING
from schedulo.errors import Diagnosis, Kind, PlatformError, Strategy
from schedulo.flow import (
    Finding,
    Flow,
    Job,
    Look,
    NotReady,
    Request,
    Response,
    Sent,
    commit,
    due,
    follow,
    step,
)
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries, incidents, metadata, writes
from schedulo.model import Account, Content, Format, Platform, Published, State, WriteState
from schedulo.publishing import driver, publisher, sender, session
from schedulo.publishing.ending import End
from schedulo.settings import Settings
from schedulo.transport import window
from schedulo.transport.commits import NoAnswer, NotSent, Prepared
from schedulo.transport.window import Window, WindowSpent
from schedulo.transport.wire import Wire

TIGHT = Settings(
    window_s=5.0,
    kernel_s=2.0,
    late_s=60.0,
    lag_s=60.0,
    quiet_s=128.0,
    holder_silent_s=30.0,
    beat_s=10.0,
    horizon_s=60.0,
    arm_patience_s=10.0,
    account_gap_s=1.0,
)
"""The law Q > W + K + S + L, kept by one second."""
START_MS = 1_800_000_000_000
MINUTE_MS = 60_000
SLICE_MS = 2000
"""The world goes on in steps of this length at the most, or timers are met too late to matter."""
REQUEST_S = 10.0
NOWHERE = Wire({}, lambda _account: "", lambda _slice: None)
"""No bytes are sent: this world answers in the wire's place."""
FIRST = "post"
"""The name of a post's first commit."""


class Violation(AssertionError):
    """The world is in a state that must never be."""


# The platform


class Fate(StrEnum):
    """What becomes of an irreversible request that was written to the wire."""

    TAKEN = "taken"
    CUT = "taken, its answer cut off"
    FAILED_AFTER = "taken, then answered with an error"
    LATE = "answered with an error, finished late"
    NEVER = "never arrived"
    BUSY = "answered: try again"
    SLOW_DOWN = "answered: slow down"
    REJECTED = "answered: not this text"
    DIES = "taken, given up later"
    """Only where the platform goes on working on what it took; elsewhere as TAKEN."""


_DONE = (Fate.TAKEN, Fate.CUT, Fate.FAILED_AFTER, Fate.LATE)
_STATUS = {
    Fate.TAKEN: 200,
    Fate.DIES: 200,
    Fate.FAILED_AFTER: 500,
    Fate.LATE: 504,
    Fate.BUSY: 503,
    Fate.SLOW_DOWN: 429,
    Fate.REJECTED: 400,
}
_MEANING = {
    400: Diagnosis(Kind.CONTENT_REJECTED, refusal=True),
    410: Diagnosis(Kind.HANDLE_EXPIRED, refusal=True),
    429: Diagnosis(Kind.RATE_LIMITED, refusal=True),
    500: Diagnosis(Kind.PLATFORM_DOWN, refusal=False),
    503: Diagnosis(Kind.PLATFORM_DOWN, refusal=True),
    504: Diagnosis(Kind.PLATFORM_DOWN, refusal=False),
}


@dataclass(slots=True)
class Packet:
    """A request that has left its process."""

    request: Request
    process: Process
    written_ms: int
    answer: Callable[[Response | Exception], None]


@dataclass(frozen=True, slots=True)
class Copy:
    """One post that people can see from `live_ms` on, and lists show from `shown_ms` on."""

    id: str
    token: str
    name: str
    handle: str
    live_ms: int
    shown_ms: int


@dataclass
class Site:
    """All four platforms: what is on the wire, what is live, what they say."""

    world: World
    late_ms: int
    lag_ms: int
    wire: list[Packet] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)
    """Handles whose posts will never be live."""
    fates: list[Fate] = field(default_factory=list)
    """What awaits the next requests; TAKEN where nothing does."""
    troubles: list[int] = field(default_factory=list)
    """Statuses that answer the next repeatable requests."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def live(self, token: str, name: str | None = None) -> list[Copy]:
        now_ms = self.world.now_ms
        return [c for c in self.copies if c.token == token and name in (None, c.name) and c.live_ms <= now_ms]

    def deliver(self, packet: Packet, fate: Fate) -> None:
        """A packet arrives, or does not."""
        self.wire.remove(packet)
        said = packet.request.json
        now_ms = self.world.now_ms
        if fate in _DONE or (fate is Fate.DIES and not said["works_on"]):
            live_ms = now_ms + (self.late_ms if fate is Fate.LATE else 0)
            copy = Copy(
                f"c{next(self._numbers)}",
                said["token"],
                said["name"],
                said["handle"],
                live_ms,
                live_ms + self.lag_ms,
            )
            self.copies.append(copy)
            body = {"id": copy.id}
        else:
            body = {"id": None}
        if fate is Fate.DIES and said["works_on"]:
            self.given_up.add(said["handle"])
        if fate in (Fate.CUT, Fate.NEVER):
            packet.answer(NoAnswer("silence"))
        else:
            packet.answer(_response(_STATUS[fate], body))

    def next_fate(self) -> Fate:
        return self.fates.pop(0) if self.fates else Fate.TAKEN

    def answer(self, request: Request) -> Response:
        """A request that may be repeated."""
        if self.troubles:
            return _response(self.troubles.pop(0), {})
        asked = dict(request.query)
        if request.path == "/mint":
            return _response(200, {"handle": f"h{next(self._numbers)}"})
        shown = [
            c for c in self.copies if c.shown_ms <= self.world.now_ms and c.name == asked.get("name", c.name)
        ]
        if not asked["handle"]:
            return _response(200, {"found": [c.id for c in shown if c.token == asked["token"]]})
        if asked["handle"] in self.given_up:
            return _response(410, {})
        return _response(200, {"found": [c.id for c in shown if c.handle == asked["handle"]]})


def _response(status: int, body: Any) -> Response:
    return Response(status, {}, json.dumps(body).encode())


def _taken(response: Response) -> Any:
    """What a commit's answer says."""
    if not response.ok:
        wait_s = 30.0 if response.status == 429 else None
        raise PlatformError("model", _MEANING[response.status], status=response.status, wait_s=wait_s)
    return response.json()


def _read(response: Response) -> Any:
    """What any other answer says: one that is an error proves nothing, unless the handle itself is dead."""
    if not response.ok:
        meaning = replace(_MEANING[response.status], refusal=response.status == 410)
        raise PlatformError("model", meaning, status=response.status)
    return response.json()


@dataclass(frozen=True)
class Talk:
    """One platform's conversation. What it can prove decides what may be sent again."""

    platform: Platform
    handled: bool
    """A handle is minted before the commit and says whether it was used; else a list is all there is."""
    resend: bool = True
    works_on: bool = False
    """What was taken is live only when a later step says so."""
    parts: int = 1
    """How many irreversible requests make the whole of it."""

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Any]:
        return ()

    def publish(self, job: Job) -> Flow:
        token = job.content.text.split()[0]
        handle = ""
        if self.handled:
            handle = (yield from step("mint", Request("x", "POST", "/mint"), _read))["handle"]
        yield from due()
        body = {
            "token": token,
            "name": FIRST,
            "text": job.content.text,
            "handle": handle,
            "works_on": self.works_on,
        }
        request = Request("x", "POST", "/post", json=body, timeout_s=REQUEST_S)
        taken = yield from commit(FIRST, request, _taken, live=not self.works_on, more=self.parts > 1)
        if self.works_on:
            name = f"status-{handle}"
            taken = yield from step(name, self._look_request(handle, token, FIRST), _ready, keep_s=0.0)
        published = Published(post_id=(taken or {}).get("id"), permalink="https://model.example/1")
        for name in self.names[1:]:
            more = Request("x", "POST", "/post", json={**body, "name": name}, timeout_s=REQUEST_S)
            yield from follow(name, more, _taken, out=published, title=name)
        return published

    @property
    def names(self) -> list[str]:
        """The names of its commits."""
        return [FIRST, *(f"part-{number}" for number in range(2, self.parts + 1))]

    def reconcile(self, job: Job, sent: Sent) -> Flow:
        said = sent.request.json
        question = self._look_request(said["handle"], said["token"], sent.name)
        try:
            found = (yield from step("look", question, _read, keep_s=0.0))["found"]
        except PlatformError as error:
            if error.status == 410:
                return Finding(Look.DEAD, note="the handle failed")
            raise
        if found:
            return Finding(Look.FOUND, {"id": found[0]}, "there it is")
        look = Look.UNUSED if self.handled else Look.ABSENT
        return Finding(look, note="not there", resend=self.resend)

    def _look_request(self, handle: str, token: str, name: str) -> Request:
        return Request("x", "GET", "/look", query=(("handle", handle), ("token", token), ("name", name)))


def _ready(response: Response) -> Any:
    found = _read(response)["found"]
    if not found:
        raise NotReady(5.0, "working")
    return {"id": found[0]}


TALKS = {
    talk.platform: talk
    for talk in (
        Talk(Platform.X, handled=False, parts=2),
        Talk(Platform.INSTAGRAM, handled=True),
        Talk(Platform.FACEBOOK, handled=False, resend=False),
        Talk(Platform.TIKTOK, handled=True, works_on=True),
    )
}


# Processes


class Point(Enum):
    """Where a process may be when something happens to it: which gate it stands at, and whether what is
    behind it has happened already without its knowing."""

    BEFORE_ARMED = ("arm", False)
    WAITING = ("", True)
    """Prepared, with nothing to do before its second."""
    BEFORE_FENCE = ("fence", False)
    FENCED = ("fence", True)
    CONNECTED = ("connection", False)
    UNWRITTEN = ("first byte", False)
    """Only in a leaky world."""
    WRITTEN = ("", False)
    ANSWERED = ("answer", True)
    BEFORE_OUTCOME = ("settle", False)
    SETTLED = ("settle", True)
    BEFORE_LOOK = ("look", False)
    LOOKED = ("look", True)
    BEFORE_CONCLUSION = ("conclude", False)
    CONCLUDED = ("conclude", True)
    BEFORE_END = ("finish", False)


class ModelLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is the world's and which never sleeps."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.stirred = False
        self.deadlines: list[float] = []
        super().__init__()
        self.set_exception_handler(lambda _loop, _context: None)  # a killed process leaves tasks behind

    def time(self) -> float:
        return self._world.boot_s

    def call_soon(self, *args: Any, **kwargs: Any) -> asyncio.Handle:
        self.stirred = True
        return super().call_soon(*args, **kwargs)

    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> asyncio.Handle:
        self.stirred = True
        return super().call_soon_threadsafe(*args, **kwargs)

    def call_at(self, when: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        heapq.heappush(self.deadlines, when)
        return super().call_at(when, *args, **kwargs)

    def spin(self) -> None:
        """Run until all that is left waits for a gate or for time."""
        while True:
            overdue = False
            while self.deadlines and self.deadlines[0] <= self.time():
                heapq.heappop(self.deadlines)
                overdue = True
            if not (self.stirred or overdue):
                return
            self.stirred = False
            super().call_soon(self.stop)
            self.run_forever()


@dataclass(eq=False, slots=True)
class Gate:
    """Something that a process waits for: opened once, it happens; opened again, the process learns of it."""

    what: str
    act: Callable[[], Any] | None
    tell: Future[Any]
    result: Any = None


class Process:
    """One operating-system process with its publisher."""

    running: Process | None = None
    """Whose code is being run: what the modules' `time` and `asyncio.run` belong to."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.frozen_ms: int | None = None
        self.dead = False
        self.gates: list[Gate] = []
        self.hiccups: list[str] = []
        """`before` or `after`: the next transactions break there."""
        self.loop = ModelLoop(world)
        with self._on_stage():
            self.publisher = publisher.Publisher(
                world.ledger,
                NOWHERE,
                world.settings,
                TALKS,
                lambda _media: None,
                broken=world.broken,
            )
        self.spin()

    @property
    def alive(self) -> bool:
        return not self.dead and self.frozen_ms is None

    def spin(self) -> None:
        with self._on_stage():
            self.loop.spin()

    @contextmanager
    def _on_stage(self) -> Iterator[None]:
        Process.running, before = self, Process.running
        try:
            yield
        finally:
            Process.running = before

    def begin(self, coroutine: Any) -> None:
        """What `asyncio.run` does here: the world runs the loop."""
        task = self.loop.create_task(coroutine)
        task._log_destroy_pending = False
        self.loop.spin()

    def wait(self, what: str, act: Callable[[], Any] | None) -> Future[Any]:
        future: Future[Any] = Future()
        self.gates.append(Gate(what, act, future))
        return future

    def open(self, pick: int = 0) -> str:
        """Open one gate; answers which."""
        gate = self.gates[pick % len(self.gates)]
        if gate.act is not None:
            if gate.tell.set_running_or_notify_cancel():
                try:
                    gate.result = gate.act()
                except Exception as error:
                    gate.result = error
                gate.act = None
                return f"{gate.what} happens"
            self.gates.remove(gate)
            return f"{gate.what} was cancelled"
        self.gates.remove(gate)
        with self._on_stage():
            if not gate.tell.cancelled():
                if isinstance(gate.result, Exception):
                    gate.tell.set_exception(gate.result)
                else:
                    gate.tell.set_result(gate.result)
        self.spin()
        return f"{gate.what} is known"

    def kill(self) -> None:
        self.dead = True
        self.gates.clear()
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.loop.close()


class ModelLedger(Ledger):
    """A ledger whose clock the world moves."""

    world_ms = START_MS

    def now_ms(self, connection: sa.Connection) -> int:
        return self.world_ms


class _Clerk:
    """Stands for the clerk: each wish is a gate."""

    def __init__(self, ledger: ModelLedger) -> None:
        assert Process.running is not None
        self._process = Process.running
        self._ledger = ledger

    def ask(self, operation: Any, wish: Any, *, urgent: bool = False) -> Future[Any]:
        named = getattr(operation, "args", (operation,))[0]

        def act() -> Any:
            hiccup = self._process.hiccups.pop(0) if self._process.hiccups else ""
            if hiccup == "before":
                raise sa.exc.OperationalError("the ledger is away", None, Exception())
            with self._ledger.begin() as connection:
                (answer,) = operation(connection, [wish])
            if named.__name__ == "_fence":
                self._process.world.note_fences(wish, answer)
            if hiccup == "after":
                raise sa.exc.OperationalError("the ledger went away while it committed", None, Exception())
            return answer

        return self._process.wait(named.__name__.strip("_"), act)

    def close(self) -> None:
        """Nothing waits but gates."""


class _Caller:
    def __init__(self, _wire: Any, _connections: int) -> None:
        assert Process.running is not None
        self._process = Process.running

    async def call(self, request: Request, account_key: str) -> Response:
        site = self._process.world.site
        told = self._process.wait(request.path.strip("/"), lambda: site.answer(request))
        response: Response = await asyncio.wrap_future(told)
        self._process.world.note_error(response)
        return response

    async def close(self) -> None:
        """Nothing is open."""


class _Committer:
    """Stands for the wire: a connection, the window, one write, an answer."""

    def __init__(self, _wire: Any, _connections: int, _kernel_s: float) -> None:
        assert Process.running is not None
        self._process = Process.running

    async def prepare(self, request: Request, account_key: str) -> Prepared:
        return Prepared(request, account_key, URL("http://model"), {}, None)

    async def commit(self, prepared: Prepared, window: Window) -> Response:
        world = self._process.world
        await asyncio.wrap_future(self._process.wait("connection", lambda: None))
        try:
            window.check()
        except WindowSpent as spent:
            world.errors += 1
            raise NotSent(str(spent)) from None
        if world.leaky:
            await asyncio.wrap_future(self._process.wait("first byte", lambda: None))
        told: Future[Any] = Future()
        told.set_running_or_notify_cancel()

        def answer(said: Response | Exception) -> None:
            if not self._process.dead:
                self._process.gates.append(Gate("answer", None, told, said))

        world.site.wire.append(Packet(prepared.request, self._process, world.now_ms, answer))
        world.note_written(prepared.request)
        response: Response = await asyncio.wrap_future(told)
        world.note_error(response)
        return response

    async def close(self) -> None:
        """Nothing is open."""


class _Thread:
    """A thread whose work the world does."""

    def __init__(self, target: Callable[[], None], **_options: Any) -> None:
        self._target = target

    def start(self) -> None:
        self._target()


def _shim(module: Any, **instead: Any) -> SimpleNamespace:
    """The module's public names, some of them replaced."""
    names = {name: getattr(module, name) for name in dir(module) if not name.startswith("__")}
    return SimpleNamespace(**(names | instead))


@contextmanager
def simulated() -> Iterator[None]:
    """While this lasts, publishers live in worlds: their clocks, threads and wires are the world's."""

    def world() -> World:
        assert Process.running is not None
        return Process.running.world

    def run(coroutine: Any) -> None:
        assert Process.running is not None
        Process.running.begin(coroutine)

    clock = _shim(
        time,
        time=lambda: world().now_ms / 1000,
        monotonic=lambda: world().boot_s,
        clock_gettime=lambda _id: world().boot_s,
    )
    numbers = itertools.count(1)
    ids = SimpleNamespace(token_hex=lambda _size: f"{next(numbers):08x}")
    exits = SimpleNamespace(register=lambda _call: None)
    garbage = SimpleNamespace(collect=lambda: 0, freeze=lambda: None, unfreeze=lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        for module in (publisher, sender, session, driver, window):
            patch.setattr(module, "time", clock)
        for module in (publisher, sender):
            patch.setattr(module, "asyncio", _shim(asyncio, run=run))
            patch.setattr(module, "threading", _shim(threading, Thread=_Thread))
            patch.setattr(module, "secrets", ids)
        patch.setattr(publisher, "atexit", exits)
        patch.setattr(publisher, "gc", garbage)
        patch.setattr(publisher, "Clerk", _Clerk)
        patch.setattr(publisher, "Caller", _Caller)
        patch.setattr(sender, "Committer", _Committer)
        yield


# The world


@dataclass
class Instance:
    """One mapped task instance in Airflow: what a run claimed at one place."""

    run_id: str
    map_index: int
    delivery_id: str
    ti_id: str = ""
    process: Process | None = None
    future: Future[Any] | None = None
    again_ms: int | None = None
    """Airflow tries it again then."""

    @property
    def running(self) -> bool:
        return self.future is not None


@dataclass
class Post:
    """What people want of one post, as the world knows it."""

    token: str
    platform: Platform
    account: Account
    due_ms: int
    text: str = ""
    sent: str = ""
    """The text of its first request."""
    edits: int = 0
    stopped: bool = False
    """A person cancelled it, in time, and did not ask for it again."""

    @property
    def delivery_id(self) -> str:
        return planning.identity(self.token, self.account.key)


class World:
    """Two processes, Airflow's scheduler, people, and a platform."""

    def __init__(
        self,
        ledger: ModelLedger,
        *,
        settings: Settings = TIGHT,
        broken: frozenset[str] = frozenset(),
        leaky: bool = False,
        late_s: float = TIGHT.late_s,
        lag_s: float = TIGHT.lag_s,
    ) -> None:
        self.ledger = ledger
        self.settings = settings
        self.broken = broken
        self.leaky = leaky
        """A process may be frozen between the look at its window and the first byte."""
        self.now_ms = START_MS
        self.boot_s = 1000.0
        self.errors = 0
        """Answers and failures that may count as attempts."""
        ledger.world_ms = START_MS
        with ledger.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(sa.delete(table))
        self.site = Site(self, int(late_s * 1000), int(lag_s * 1000))
        self.posts: dict[str, Post] = {}
        self.instances: list[Instance] = []
        self.runs = 0
        self.next_tick_ms = self.now_ms
        self.held = False
        self.processes = [Process(self, name) for name in "AB"]

    # --- what people do ---------------------------------------------------------------------------

    def plan(self, platform: Platform, due_in_s: float) -> Post:
        account = Account(platform, str(len(self.posts) + 1), "name")
        post = Post(f"p{len(self.posts) + 1}", platform, account, self.now_ms + int(due_in_s * 1000))
        self.posts[post.token] = post
        self.do(lambda connection, _now: planning.register(connection, self.now_ms, [(account, "", True)]))
        self._write_row(post)
        return post

    def edit(self, post: Post) -> None:
        post.edits += 1
        self._write_row(post)

    def _write_row(self, post: Post) -> None:
        text = f"{post.token} version {post.edits}"
        content = Content(Format.TEXT, text)
        not_after_ms = post.due_ms + int(self.settings.missed_after_s * 1000)
        plan = planning.Plan(post.account, content, text, text, post.due_ms, not_after_ms, "")
        row = planning.PostPlan(post.token, post.token, (plan,), "", unprepared=False, wanted=True)
        self.do(planning.plan_post, row, 0)
        if self.row(post).content["text"] == text:
            post.text = text

    def ask(self, post: Post, verb: str) -> None:
        """Cancel or Retry, as Airtable brings it."""
        self.now_ms += 1
        self.ledger.world_ms = self.now_ms
        self.do(commands.command, post.delivery_id, verb, self.now_ms, 3_600_000)
        post.stopped = self.row(post).state == State.CANCELLED

    def hold(self) -> None:
        self.held = True
        self.do(holds.set_hold, holds.Scope.EVERYTHING, "", "stop", "a person")

    def release(self) -> None:
        self.held = False
        self.do(holds.lift, holds.Scope.EVERYTHING, "", "a person")

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        with self.ledger.begin() as connection:
            return function(connection, self.now_ms, *args)

    # --- what Airflow does ------------------------------------------------------------------------

    def tick(self) -> list[Instance]:
        """A minute's run: sweep and claim; answers its instances, which nobody has started yet."""
        self.runs += 1
        run_id = f"run-{self.runs}"
        self.do(marks.mark, "tick", run_id)
        self.do(claims.sweep, self.settings)
        found = self.do(claims.claim_due, run_id, self.settings)
        fresh = [Instance(run_id, claim.map_index, claim.delivery_id) for claim in found]
        self.instances += fresh
        return fresh

    def start(self, instance: Instance, process: Process, *, again: bool) -> None:
        """Run an instance in a process; `again`: as a new try, by a retry or because a person cleared it."""
        if again or not instance.ti_id:
            instance.ti_id = f"{instance.run_id}/{instance.map_index}/{self.boot_s}"
        instance.process = process
        instance.again_ms = None
        instance.future = process.publisher.work_on(instance.run_id, instance.map_index, instance.ti_id)
        if process.alive:
            process.spin()

    def collect(self) -> None:
        """Take the answers of instances that ended."""
        for instance in self.instances:
            if instance.future is None or not instance.future.done() or instance.process is None:
                continue
            if not instance.process.alive:
                continue
            try:
                ending = instance.future.result()
            except CancelledError:
                continue
            except sa.exc.OperationalError:  # the ledger is away: the task fails, Airflow retries it
                instance.future, instance.again_ms = None, self.now_ms + MINUTE_MS
                continue
            instance.future = None
            if ending.end is End.RETRY:
                instance.again_ms = self.now_ms + int(ending.wait_s * 1000)

    def assign(self) -> None:
        """Start what waits, and give to a living process what a dead or silent one had."""
        alive = [process for process in self.processes if process.alive]
        if not alive:
            return
        silent_ms = self.now_ms - int(self.settings.holder_silent_s * 1000)
        for number, instance in enumerate(self.instances):
            process = instance.process
            if process is None:
                self.start(instance, alive[number % len(alive)], again=False)
            elif instance.again_ms is not None and instance.again_ms <= self.now_ms:
                self.start(instance, alive[number % len(alive)], again=True)
            elif instance.running and (
                process.dead or (process.frozen_ms is not None and process.frozen_ms < silent_ms)
            ):
                self.start(instance, alive[number % len(alive)], again=False)

    def run_to(self, process: Process, point: Point, patience_s: float = 90.0) -> bool:
        """Let this process alone go on until it has come to `point`; answers whether it did."""
        until_ms = self.now_ms + int(patience_s * 1000)
        self.assign()
        while process.alive and self.now_ms <= until_ms:
            mine = [packet for packet in self.site.wire if packet.process is process]
            if point is Point.WRITTEN and mine:
                return True
            if point is Point.WAITING and not process.gates and process.publisher._sender.expected():
                return True
            if any((gate.what, gate.act is None) == point.value for gate in process.gates):
                return True
            if process.gates:
                process.open()
            elif mine:
                self.site.deliver(mine[0], self.site.next_fate())
            else:
                self.pass_ms(500)
                self.collect()
                self.assign()
        return False

    def at_work(self, number: int) -> Process:
        """A process that has something to do, if one has; else the one of this number."""
        busy = [i.process for i in self.instances if i.running and i.process in self.processes]
        return busy[-1] if busy and busy[-1] is not None else self.processes[number]

    # --- what happens to processes ----------------------------------------------------------------

    def freeze(self, process: Process) -> None:
        process.frozen_ms = self.now_ms

    def wake(self, process: Process) -> None:
        process.frozen_ms = None
        process.spin()

    def kill(self, process: Process) -> None:
        """SIGKILL; another process starts in its place. What it wrote to the wire may still arrive."""
        process.kill()
        self.processes[self.processes.index(process)] = Process(self, process.name)

    # --- time -------------------------------------------------------------------------------------

    def pass_ms(self, ms: int) -> None:
        """Time goes by. What is on the wire arrives before the kernel's time is over."""
        until_ms = self.now_ms + ms
        kernel_ms = int(self.settings.kernel_s * 1000)
        while overdue := [p for p in self.site.wire if p.written_ms + kernel_ms <= until_ms]:
            packet = min(overdue, key=lambda p: p.written_ms)
            self._move_to(packet.written_ms + kernel_ms)
            self.site.deliver(packet, self.site.next_fate())
        self._move_to(until_ms)
        for process in self.processes:
            if process.alive:
                process.spin()

    def _move_to(self, at_ms: int) -> None:
        if at_ms > self.now_ms:
            self.boot_s += (at_ms - self.now_ms) / 1000
            self.now_ms = at_ms
            self.ledger.world_ms = at_ms

    def go_on(self, seconds: float) -> None:
        """The world as it should be: living processes work, the scheduler ticks, packets arrive."""
        until_ms = self.now_ms + int(seconds * 1000)
        while True:
            self._work()
            if self.now_ms >= until_ms:
                return
            moments = [
                int((process.loop.deadlines[0] - self.boot_s) * 1000) + self.now_ms + 1
                for process in self.processes
                if process.alive and process.loop.deadlines
            ]
            soon_ms = max(min(moments, default=until_ms), self.now_ms + SLICE_MS)
            self.pass_ms(min(soon_ms, until_ms, max(self.next_tick_ms, self.now_ms + 1)) - self.now_ms)

    def _work(self) -> None:
        if self.now_ms >= self.next_tick_ms:
            self.next_tick_ms = self.now_ms + MINUTE_MS
            self.tick()
        self.assign()
        busy = True
        while busy:
            busy = False
            for process in self.processes:
                while process.alive and process.gates:
                    process.open()
                    busy = True
            for packet in list(self.site.wire):
                self.site.deliver(packet, self.site.next_fate())
                busy = True
            self.collect()

    def calm(self) -> None:
        """Nothing breaks any more: all faults end, frozen processes wake up, holds are lifted."""
        self.site.fates.clear()
        self.site.troubles.clear()
        for process in self.processes:
            process.hiccups.clear()
            if process.frozen_ms is not None:
                self.wake(process)
        if self.held:
            self.release()

    def close(self) -> None:
        for process in self.processes:
            process.kill()

    # --- what must be true ------------------------------------------------------------------------

    def row(self, post: Post) -> Any:
        with self.ledger.read() as connection:
            query = sa.select(deliveries).where(deliveries.c.id == post.delivery_id)
            return connection.execute(query).one()

    def rows(self) -> dict[str, Any]:
        with self.ledger.read() as connection:
            return {row.post_id: row for row in connection.execute(sa.select(deliveries))}

    def note_fences(self, intents: Sequence[Any], answers: Sequence[Any]) -> None:
        """A fence was won: all that people had asked for by then must be in it."""
        for intent, fenced in zip(intents, answers, strict=True):
            if fenced is None or "fence" in self.broken:
                continue
            said = intent.request["json"]
            post = self.posts[said["token"]]
            if self.held:
                raise Violation(f"{post.token} goes out although everything is held")
            if said["name"] != FIRST:
                if said["text"] != post.sent:
                    raise Violation(f"{post.token} goes on with another text than it began with")
                continue
            if post.stopped:
                raise Violation(f"{post.token} was cancelled before its fence, and goes out")
            if said["text"] != post.text:
                raise Violation(f"{post.token} goes out with a text that was changed before its fence")
            post.sent = said["text"]

    def note_written(self, request: Request) -> None:
        post = self.posts[request.json["token"]]
        if self.now_ms < post.due_ms:
            raise Violation(f"{post.token} goes out {post.due_ms - self.now_ms} ms early")

    def note_error(self, response: Response) -> None:
        meaning = _MEANING.get(response.status)
        if meaning is not None and PlatformError("", meaning).info.strategy is not Strategy.WAIT:
            self.errors += 1

    def check_copies(self) -> None:
        """At most one live copy of each commit."""
        for post in self.posts.values():
            for name in TALKS[post.platform].names:
                if len(self.site.live(post.token, name)) > 1:
                    raise Violation(f"two copies of {post.token}, {name}")

    def check(self) -> None:
        """What must be true at every moment."""
        self.check_copies()
        rows = self.rows()
        for post in self.posts.values():
            row = rows[post.token]
            state = State(row.state)
            known = OUT | {State.SENDING, State.UNKNOWN, State.UNRESOLVED}
            if self.site.live(post.token) and state not in known:
                raise Violation(f"{post.token} is live, and its delivery is {state}")
            if state in RESTING - OUT | {State.HELD} and not row.reason:
                raise Violation(f"{post.token} is {state}, and nobody says why")
            if row.attempts > self.errors:
                raise Violation(f"{post.token} counts {row.attempts} attempts after {self.errors} errors")

    def check_rest(self) -> None:
        """What must be true when all is over."""
        self.check()
        with self.ledger.read() as connection:
            open_writes = connection.execute(
                sa.select(writes.c.delivery_id, sa.func.count())
                .where(writes.c.state.in_((WriteState.OPEN, WriteState.UNKNOWN)))
                .group_by(writes.c.delivery_id)
            ).all()
            kinds = set(connection.execute(sa.select(incidents.c.kind)).scalars())
        open_ids = {row.delivery_id for row in open_writes}
        if "on_air_twice" in kinds:
            raise Violation("an incident says that something is out twice")
        for post in self.posts.values():
            row = self.row(post)
            live = self.site.live(post.token)
            whole = {copy.name for copy in live} == set(TALKS[post.platform].names)
            if row.state == State.PUBLISHED and not whole:
                raise Violation(f"{post.token} is said to be out, and is not, or not whole")
            if row.state == State.PUBLISHED_INCOMPLETE and not self.site.live(post.token, FIRST):
                raise Violation(f"{post.token} is said to be out in part, and is not")
            if post.delivery_id in open_ids and row.state != State.UNRESOLVED:
                raise Violation(f"{post.token} is {row.state}, and a write of it is still open")
            if row.state in (State.FAILED, State.UNRESOLVED, State.MISSED) and not kinds:
                raise Violation(f"{post.token} is {row.state}, and no incident tells it")

    def resting(self) -> bool:
        return all(
            State(row.state) in RESTING and (row.state != State.PUBLISHED_INCOMPLETE or row.error_kind)
            for row in self.rows().values()
        )
