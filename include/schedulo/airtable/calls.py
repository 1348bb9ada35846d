"""One call to Airtable under its rules: pace, lock-out, time budget, repeats, and what a refusal means.

pyairtable builds the requests; its own retries (429 only, within 3 seconds) are too quick for the lock-out of
30 seconds and are not used. What is asked is left to `client` and `base`.
Source: Airtable Web API, "Rate limits" and "Errors".
"""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from pyairtable import Api
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import HTTPError as TransportError

from schedulo.airtable.pace import SharedPace
from schedulo.errors import Kind
from schedulo.errors.airtable import AirtableBusy, AirtableDown, AirtableError, error_for
from schedulo.flow import retry_after_s

CONNECT_S = 5
META = "/v0/meta/"
"""Calls to these addresses do not count for the plan's month."""
ATTEMPTS = 5
CALLS_PER_S = 3
"""Of one client, so that nobody takes every slot. What all ask of a base together is kept by `pace`; where
the ledger is away, this alone counts."""
BESIDE_PER_S = 1
"""Of what runs beside the tick, which needs its slots while posts are due."""
LATE_SLOTS = 5
"""So many slots that we were too late for are given up; then a call leaves as it can."""


class Calls:
    """Sends requests of one `Api`, which it takes over: build the Api without a retry strategy of its own.

    :param call_s: hard limit of one request with all of its answer, seconds, 1 or more
    :param budget_s: how long a caller waits at the most, where it does not say so itself (`within`), seconds
    :param calls_per_s: requests in one second at the most
    :param pace: shared with all that call the base; None: nobody else does
    :param clock: monotonic seconds; `sleep` must let it pass
    """

    def __init__(
        self,
        api: Api,
        *,
        call_s: float = 15.0,
        budget_s: float = 60.0,
        calls_per_s: int = CALLS_PER_S,
        pace: SharedPace | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.api = api
        self.count = 0
        """Requests sent, repeats included; the monthly budget counts those to the meta API not."""
        self.server_ms: int | None = None
        """Airtable's own clock, from the `Date` of its last answer; whole seconds."""
        self._call_s, self._budget_s, self._limit_s = call_s, budget_s, call_s
        self._clock, self._sleep = clock, sleep
        self._until: float | None = None
        self._locked_until = clock()
        self._recent: deque[float] = deque(maxlen=calls_per_s)
        self._pace = pace
        self._backoff = wait_random_exponential(multiplier=0.5, max=20.0)
        # A redirect would make a GET of a PATCH, and its answer pass for the other's.
        api.session.max_redirects = 0
        api.session.hooks["response"].append(self._take_whole)

    @contextmanager
    def within(self, budget_s: float | None = None) -> Iterator[None]:
        """All calls of the block together get this much time; of nested blocks the shorter counts."""
        outer = self._until
        until = self._clock() + (self._budget_s if budget_s is None else budget_s)
        self._until = until if outer is None else min(outer, until)
        try:
            yield
        finally:
            self._until = outer

    def send(
        self,
        method: str,
        url: str,
        *,
        options: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
        fallback: tuple[str, str] | None = None,
        repeatable: bool = True,
        fits: Callable[[dict[str, Any]], bool] = lambda answer: True,
        silent: bool = False,
    ) -> dict[str, Any]:
        """The answer of one request.

        :param fallback: method and URL of the same request with its options in the body, for long URLs
        :param repeatable: False where doing it twice would do harm; then only refusals are repeated
        :param fits: whether an answer has the shape that it should; one that has not is no answer
        :param silent: the answer may have no body, and then is empty
        :raises AirtableBusy: locked out for longer than the time left
        :raises AirtableQuota: the month's calls are used up
        :raises AirtableDown: no usable answer in the time left
        :raises AirtableRefused: anything that repeating does not mend
        """

        def worth_it(error: BaseException) -> bool:
            if isinstance(error, AirtableDown):
                return repeatable or error.status == 503
            return isinstance(error, AirtableBusy)

        with self.within():
            retrying = Retrying(
                retry=retry_if_exception(worth_it),
                wait=self._pause,
                stop=lambda state: (
                    stop_after_attempt(ATTEMPTS)(state) or state.upcoming_sleep > self.left_s()
                ),
                sleep=self._sleep,
                reraise=True,
            )
            return retrying(self._once, method, url, options, json, fallback, fits, silent)

    def _once(
        self,
        method: str,
        url: str,
        options: dict[str, Any] | None,
        json: dict[str, Any] | None,
        fallback: tuple[str, str] | None,
        fits: Callable[[dict[str, Any]], bool],
        silent: bool,
    ) -> dict[str, Any]:
        self._admit()
        if self._pace is not None:
            self._take_slot(self._pace, metered=META not in url)
        self.count += 1
        self._recent.append(self._clock())
        self._limit_s = max(1.0, min(self._call_s, self.left_s()))
        self.api.timeout = (min(CONNECT_S, int(self._limit_s)), int(self._limit_s))
        # The exceptions' texts hold the URL and with it what people wrote: only their kind is told.
        try:
            answer = self.api.request(method, url, options=options, json=json, fallback=fallback)
        except (requests.JSONDecodeError, RecursionError):
            raise AirtableDown(Kind.NOT_UNDERSTOOD, message="the answer is not JSON") from None
        except (requests.RequestException, TransportError) as error:
            raise AirtableDown(Kind.NETWORK, message=type(error).__name__) from None
        if answer is None and silent:
            return {}
        if not isinstance(answer, dict) or not fits(answer):
            raise AirtableDown(Kind.NOT_UNDERSTOOD, message="the answer has another shape than it should")
        return answer

    def _admit(self) -> None:
        """Wait for the end of a lock-out and for our own pace, or say how long that would take."""
        now = self._clock()
        locked_s = self._locked_until - now
        if locked_s > self.left_s():
            raise AirtableBusy(Kind.RATE_LIMITED, message="still locked out", wait_s=locked_s)
        full = len(self._recent) == self._recent.maxlen
        pace_s = self._recent[0] + 1.0 - now if full else 0.0
        wait_s = max(locked_s, pace_s)
        if wait_s > self.left_s() or self.left_s() <= 0:
            raise AirtableBusy(Kind.RATE_LIMITED, message="out of time", wait_s=max(wait_s, 1.0))
        if wait_s > 0:
            self._sleep(wait_s)

    def _take_slot(self, pace: SharedPace, *, metered: bool) -> None:
        """Wait for a slot among all callers of the base, or say how long that would take. One that was slept
        through is given up: those after it are others'."""
        for _ in range(LATE_SLOTS):
            slot = pace.take(max(0.0, self.left_s()), metered=metered)
            if not slot.taken:
                raise AirtableBusy(Kind.RATE_LIMITED, message="out of time", wait_s=max(slot.wait_s, 1.0))
            until = self._clock() + slot.wait_s
            if slot.wait_s > 0:
                self._sleep(slot.wait_s)
            metered = False  # counted once
            if self._clock() - until < pace.gap_s:
                return

    def left_s(self) -> float:
        """Seconds that are left of the innermost `within`."""
        assert self._until is not None, "inside `within`"
        return self._until - self._clock()

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        said = error.wait_s if isinstance(error, AirtableError) else None
        return said if said is not None else self._backoff(state)

    def _refusal(self, response: requests.Response) -> AirtableError:
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
        error = error_for(response.status_code, body, _wait_s(response))
        if isinstance(error, AirtableBusy) and error.wait_s is not None:
            self._locked_until = self._clock() + error.wait_s
            if self._pace is not None:
                self._pace.lock(error.wait_s)
        return error

    def _take_whole(self, response: requests.Response, **_: Any) -> requests.Response:
        """Read the body with a limit on the whole of it (a timeout of requests only limits single reads), and
        raise refusals before pyairtable makes errors of its own of them, with the URL in their text."""
        if (date := response.headers.get("Date")) is not None:
            self.server_ms = _date_ms(date)
        if isinstance(response.raw, io.BytesIO):
            return response
        until = time.monotonic() + self._limit_s
        body = bytearray()
        for chunk in response.raw.stream(65536, decode_content=True):
            body += chunk
            if time.monotonic() > until:
                response.close()
                raise requests.ReadTimeout("the answer took too long")
        response.raw = io.BytesIO(bytes(body))
        if response.status_code >= 400:
            raise self._refusal(response)
        return response


def _wait_s(response: requests.Response) -> float | None:
    """What the answer's Retry-After asks for, in seconds."""
    date_ms = _date_ms(response.headers.get("Date", ""))
    return retry_after_s(response.headers.get("Retry-After"), date_ms / 1000 if date_ms else None)


def _date_ms(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1000
