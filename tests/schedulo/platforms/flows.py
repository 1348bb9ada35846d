"""Runs a platform's flow on canned answers, by the driver's rules and without a network.

Kept values live in a dict that the caller may pass again: a second run with it is a run after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from schedulo.errors import PlatformError
from schedulo.flow import All, Commit, Due, Effect, Flow, NotReady, Response, Step
from schedulo.model import Position

Answers = Sequence[Response] | Callable[[Step | Commit], Response]

MAX_POLLS = 2000


class OutcomeUnknown(Exception):
    """A commit was answered in a way that proves nothing; the driver would reconcile now."""

    def __init__(self, name: str, error: PlatformError) -> None:
        super().__init__(f"{name}: {error}")
        self.error = error


def answer(body: Any = None, status: int = 200, **headers: str) -> Response:
    """A response; dicts and lists become JSON. Header names: `_` stands for `-`."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-").lower(): value for name, value in headers.items()}, raw)


def run_flow(flow: Flow, answers: Answers, kept: dict[str, Any] | None = None) -> tuple[Any, list[Effect]]:
    """The flow's result, and what was sent in order (polls each time, and `Due` where it was passed).

    `answers` is a list that must be used up exactly, or a function of the effect. `kept` holds values by
    name: those in it are not sent again, new ones are added. Raises what the flow raises, `OutcomeUnknown`
    for a commit without a clear answer, and AssertionError for a flow that breaks the driver's rules.
    """
    run = _Run(answers, {} if kept is None else kept)
    result = run.drive(flow)
    assert not run.left, f"{len(run.left)} answers were not asked for, the first: {run.left[0]}"
    return result, run.sent


class _Run:
    def __init__(self, answers: Answers, kept: dict[str, Any]) -> None:
        self.ask = answers if callable(answers) else self._next
        self.left: list[Response] = [] if callable(answers) else list(answers)
        self.kept = kept
        self.sent: list[Effect] = []
        self.fired = False

    def _next(self, effect: Step | Commit) -> Response:
        assert self.left, f"no answer left for {effect.name!r}: {effect.request.method} {effect.request.path}"
        return self.left.pop(0)

    def drive(self, flow: Flow, within: All | None = None) -> Any:
        value: Any = None
        error: PlatformError | None = None
        try:
            while True:
                effect = flow.throw(error) if error else flow.send(value)
                assert within is None or isinstance(effect, Step), "children may hold steps only"
                value, error = None, None
                try:
                    value = self.perform(effect)
                except PlatformError as refused:
                    error = refused
        except StopIteration as end:
            return end.value
        finally:
            flow.close()

    def perform(self, effect: Effect) -> Any:
        match effect:
            case Due():
                self.fired = True
                self.sent.append(effect)
                return None
            case All(flows):
                return [self.drive(flow, within=effect) for flow in flows]
            case Step(name) | Commit(name) if name in self.kept:
                return self.kept[name]
            case Step():
                value = self._poll(effect)
            case Commit():
                after = effect.position is Position.AFTER
                assert self.fired or after, f"commit {effect.name!r} before Due"
                value = self._commit(effect)
        json.dumps(value)
        self.kept[effect.name] = value
        return value

    def _poll(self, effect: Step) -> Any:
        for _ in range(MAX_POLLS):
            self.sent.append(effect)
            try:
                return effect.read(self.ask(effect))
            except NotReady:
                continue
        raise AssertionError(f"step {effect.name!r} was never ready")

    def _commit(self, effect: Commit) -> Any:
        self.sent.append(effect)
        response = self.ask(effect)
        try:
            return effect.read(response)
        except PlatformError as error:
            if error.diagnosis.refusal or effect.position is Position.AFTER:
                raise
            raise OutcomeUnknown(effect.name, error) from error
        except Exception:
            if response.ok:
                return None
            raise


def names(effects: Sequence[Effect]) -> list[str]:
    """What was sent, as names; `Due` reads `due`."""
    return ["due" if isinstance(effect, Due) else effect.name for effect in effects]
