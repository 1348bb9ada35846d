"""Checks that ask others: Airtable, the platforms, Airflow, the address at which platforms fetch media."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
import sqlalchemy as sa

from schedulo.airtable.base import check_base
from schedulo.airtable.schema import PLATFORM_WORDS
from schedulo.delivery.breakers import companies
from schedulo.errors.airtable import AirtableBusy, AirtableError
from schedulo.health.findings import Finding, Means, Status
from schedulo.health.inside import skewed
from schedulo.ledger.tables import accounts
from schedulo.media import MediaLinks, MediaStore
from schedulo.settings import Mode
from schedulo.transport.wire import USER_AGENT

Found = TypeVar("Found")
TIMEOUT_S = 10.0
AIRTABLE_S = 20.0
"""How long Airtable may take for the base's schema, repeats included."""
PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
NOWHERE = "Where the API server is, is not known. The operator sets AIRFLOW__API__BASE_URL."
DOES = {
    "metadatabase": "Airflow's database does not answer",
    "scheduler": "the scheduler gives no sign of life: no run begins",
    "dag_processor": "the Dag processor gives no sign of life: changes of Dags are not seen",
    "triggerer": "no triggerer gives a sign of life: no post goes out",
}


def airtable(means: Means) -> Iterator[Finding]:
    """Whether it answers, and whether the base has every table and field. One call, to the meta API, which
    counts towards no monthly limit."""
    unasked = Finding("airtable_schema", Status.UNKNOWN, "It could not be asked for.")
    began = time.monotonic()
    try:
        client = means.airtable()
        with client.within(AIRTABLE_S):
            lacks = check_base(client.calls.api, client.base_id, mapping=client.mapping, calls=client.calls)
    except AirtableBusy as error:
        yield Finding("airtable", Status.YELLOW, _sentence(error), actor=error.info.actor)
        yield unasked
        return
    except AirtableError as error:
        yield Finding("airtable", Status.RED, _sentence(error), actor=error.info.actor)
        yield unasked
        return
    took_s = round(time.monotonic() - began, 3)
    yield Finding("airtable", Status.GREEN, "It answers.", took_s, "s")
    if lacks:
        more = f" And {len(lacks) - 3} more: `schedulo airtable check`." if len(lacks) > 3 else ""
        yield Finding("airtable_schema", Status.RED, " ".join(lacks[:3]) + more, float(len(lacks)), "to mend")
    else:
        yield Finding("airtable_schema", Status.GREEN, "Every table and field is there.", 0.0, "to mend")


def _sentence(error: AirtableError) -> str:
    return f"{str(error).rstrip('.')}."


# --- platforms, and what their answers say of our clock ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Knock:
    """What came of one harmless request without a login."""

    problem: str = ""
    took_s: float = 0.0
    skew_s: float | None = None
    """Their clock less ours; None where the answer bears no time that counts."""
    silent: bool = False
    """Nobody answered at all."""


def platforms(means: Means) -> Iterator[Finding]:
    """Whether each platform that an account is on answers, with anything but a fault of its own; whether any
    of them can be reached; whether this machine's clock is right, by what they say."""
    if means.settings.mode == Mode.NOTHING:
        return
    used = _used(means)
    asked = {name: url for name, url in means.platforms.items() if used is None or name in used}
    with ThreadPoolExecutor(max(1, len(asked))) as pool:
        knocks = dict(
            zip(asked, pool.map(lambda url: knock(url, means.retry_s), asked.values()), strict=True)
        )
    network = _network(knocks)
    yield network
    away = network.status is Status.RED
    for name, found in knocks.items():
        if found.problem:
            todo = "Posts for it wait; the operator looks at its status page."
            said = f"{PLATFORM_WORDS[name]} {found.problem}. {todo}"
            yield Finding(f"platform:{name}", Status.RED, said, told=away)
        else:
            yield Finding(f"platform:{name}", Status.GREEN, "It answers.", round(found.took_s, 3), "s")
    skews = [found.skew_s for found in knocks.values() if found.skew_s is not None]
    if skews:
        yield skewed("clock", statistics.median(skews), "the platforms")
    else:
        yield Finding("clock", Status.UNKNOWN, "No platform told the time.")


def _network(knocks: Mapping[str, Knock]) -> Finding:
    """Whether it is we who reach nobody."""
    if not all(found.silent for found in knocks.values()):
        return Finding("network", Status.GREEN, "Platforms can be reached.")
    if companies(knocks) < 2:
        return Finding("network", Status.UNKNOWN, "Platforms of no two companies are in use: nothing tells.")
    sentence = (
        "No platform can be reached from here: nothing goes out. The operator looks at the network, its name "
        "servers and the proxy."
    )
    return Finding("network", Status.RED, sentence)


def _used(means: Means) -> set[str] | None:
    """The platforms that accounts in use are on; None where the ledger does not say."""
    try:
        with means.ledger.read() as connection:
            query = sa.select(accounts.c.platform).distinct().where(accounts.c.active)
            return set(connection.execute(query).scalars())
    except (sa.exc.SQLAlchemyError, OSError):
        return None


def knock(url: str, retry_s: float) -> Knock:
    """Ask an address for nothing in particular; once more after `retry_s` where that fails."""
    return _twice(lambda: _knock(url), lambda found: not found.problem, retry_s)


def _knock(url: str) -> Knock:
    before_s, began = time.time(), time.monotonic()
    try:
        answer = _get(f"{url}/")
    except requests.RequestException as error:
        return Knock(f"cannot be reached ({type(error).__name__})", silent=True)
    took_s = time.monotonic() - began
    if answer.status_code >= 500:
        return Knock(f"answers with HTTP {answer.status_code}", took_s)
    return Knock("", took_s, _skew(answer, before_s + took_s / 2, took_s))


def _skew(answer: requests.Response, middle_s: float, took_s: float) -> float | None:
    """`Date` has whole seconds, so half of one is added; a cached answer tells an old time."""
    if took_s > 2.0 or answer.headers.get("Age", "0") != "0":
        return None
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp() + 0.5 - middle_s
    except (KeyError, TypeError, ValueError):
        return None


def _get(url: str, **options: Any) -> requests.Response:
    headers = {"User-Agent": USER_AGENT, **options.pop("headers", {})}
    return requests.get(url, headers=headers, allow_redirects=False, timeout=TIMEOUT_S, **options)


# --- Airflow ----------------------------------------------------------------------------------------------


def airflow(means: Means) -> Iterator[Finding]:
    """Whether Airflow's parts live, by its own health page, which needs no login."""
    if not means.airflow_url:
        yield Finding("airflow", Status.YELLOW, NOWHERE)
        return
    try:
        told = _get(f"{means.airflow_url}/api/v2/monitor/health").json()
        states = {part: (told.get(part) or {}).get("status") for part in PARTS}
    except (requests.RequestException, ValueError, AttributeError) as error:
        sentence = (
            f"The API server does not tell how Airflow is ({type(error).__name__}): the operator looks "
            "whether it runs."
        )
        yield Finding("airflow", Status.RED, sentence)
        for part in PARTS:
            yield Finding(f"airflow:{part}", Status.UNKNOWN, "Airflow does not tell.")
        return
    yield Finding("airflow", Status.GREEN, "The API server answers.")
    for part, state in states.items():
        if state == "healthy":
            yield Finding(f"airflow:{part}", Status.GREEN, "It gives signs of life.")
        else:
            sentence = f"{DOES[part][0].upper()}{DOES[part][1:]}. The operator starts it."
            yield Finding(f"airflow:{part}", Status.RED, sentence)


# --- media ------------------------------------------------------------------------------------------------

PROBE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000400000004008000000008f022e020000002b4944415478daedcc3111000008"
    "04a0d7e44637849b0701a8c94d47201008040281402010080402c1f3600140740100aca9a5640000000049454e44ae426082"
)
"""A grey picture."""


def media(means: Means) -> Iterator[Finding]:
    """Whether the store takes a file, and whether it can be fetched at its public address as a platform
    would: a part of it, without redirects."""
    try:
        stored = MediaStore(means.settings.media).put(PROBE, "probe.png", "image/png")
    except OSError as error:
        sentence = (
            f"No file can be kept ({error.strerror}): media are not made ready. The operator makes "
            "SCHEDULO_MEDIA_DIR a folder that can be written to, with room."
        )
        yield Finding("media_store", Status.RED, sentence)
        yield Finding("media_url", Status.UNKNOWN, "There is nothing to fetch.")
        return
    yield Finding("media_store", Status.GREEN, "It takes files.")
    try:
        url = MediaLinks(means.settings.media_base_url, means.settings.media_key).url(stored)
    except ValueError as error:
        yield Finding("media_url", Status.RED, f"{error}")
        return
    if url is None:
        sentence = "No public address is set: what needs one is refused when it is planned."
        yield Finding("media_url", Status.GREEN, sentence)
        return
    problem = _twice(lambda: _fetched(url), lambda problem: not problem, means.retry_s)
    if problem:
        sentence = (
            f"Platforms cannot fetch media: the address {problem}. The operator looks at "
            "SCHEDULO_MEDIA_BASE_URL and at the proxy before Airflow."
        )
        yield Finding("media_url", Status.RED, sentence)
    else:
        yield Finding("media_url", Status.GREEN, "A file can be fetched in parts, as seen from here.")


def _twice(look: Callable[[], Found], is_well: Callable[[Found], bool], retry_s: float) -> Found:
    """What a look finds; the second one's where the first was not well."""
    found = look()
    if is_well(found):
        return found
    time.sleep(retry_s)
    return look()


def _fetched(url: str) -> str:
    """What is wrong with the answer to a request for a part; empty: nothing. It names no address: that is
    signed."""
    first, last = 8, len(PROBE) - 1
    headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
    try:
        answer = _get(url, headers=headers)
    except requests.RequestException as error:
        return f"cannot be reached ({type(error).__name__})"
    if answer.is_redirect:
        return f"redirects (HTTP {answer.status_code}), which platforms do not follow"
    if answer.status_code == 200 and answer.content == PROBE:
        return "gives whole files where a part is asked for"
    if answer.status_code != 206:
        return f"answers with HTTP {answer.status_code}"
    if answer.content != PROBE[first:]:
        return "gives other bytes than were kept"
    return ""
