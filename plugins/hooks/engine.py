"""Builds the engine from Airflow's Connections: what the operators and the trigger work with.

Connections are read once a process: in a triggerer each costs milliseconds and the first one seconds, and the
sender, which has threads of its own, cannot ask Airflow at all. It gets plain data.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from hooks.airtable import AirtableHook
from hooks.facebook import FacebookHook
from hooks.instagram import InstagramHook
from hooks.ledger import LedgerHook
from hooks.planning import make_planner
from hooks.platform import PlatformHook
from hooks.tiktok import TikTokHook
from hooks.x import XHook
from schedulo.airtable.calls import BESIDE_PER_S
from schedulo.analytics.collect import Means as MeasureMeans
from schedulo.clock import now_ms
from schedulo.delivery.breakers import Answer
from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.delivery.mode import agree
from schedulo.errors.airtable import AirtableSetupError
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import Ledger
from schedulo.media import MediaLinks, MediaStore, look_apart
from schedulo.planning.prepare import Preparer
from schedulo.platforms import AFTER, CONVERSATIONS, MEASURES
from schedulo.publishing import probing
from schedulo.publishing.aftercare import Means
from schedulo.publishing.publisher import Publisher
from schedulo.publishing.rehearsal import Rehearsed, rehearse
from schedulo.publishing.renewal import Logins
from schedulo.publishing.session import platform_options
from schedulo.rehearsals.play import Means as RehearsalMeans
from schedulo.settings import settings
from schedulo.transport.endpoint import Endpoint
from schedulo.transport.wire import Wire
from schedulo.upkeep.rounds import Removed, make_round
from schedulo.vault import Tokens, Vault

HOOKS: tuple[type[PlatformHook], ...] = (InstagramHook, FacebookHook, TikTokHook, XHook)


SPARE_FILES = 200
"""What a triggerer opens besides: databases, sockets, libraries."""
OPEN_FILES = "open files"
"""What the incident of a triggerer that may open too few files is about."""


def wire_of(endpoints: Iterable[tuple[str, Endpoint]], tokens: Tokens) -> Wire:
    """Where the services are, and the tokens for them."""
    bases: dict[str, str] = {}
    own: dict[str, str] = {}
    for platform, endpoint in endpoints:
        bases |= endpoint.bases
        own[platform] = endpoint.bases[platform]
    bases |= own  # Instagram's Connection names Facebook's address too; Facebook's own knows better
    return Wire(bases, tokens, MediaStore(settings().media).open_slice, only=settings().origins)


def tokens_of(endpoints: Iterable[tuple[str, Endpoint]], ledger: Ledger) -> Tokens:
    """The tokens in the vault, and that of each Connection that names its one account.

    Whoever speaks to platforms needs them: here it is seen that the ledger is for the mode that is set.

    :raises ModeError: where it is for another
    """
    agree(ledger, settings())
    vault = Vault(ledger, settings().vault_key) if settings().vault_key else None
    alone = {
        f"{platform}:{endpoint.account_id}": endpoint.token
        for platform, endpoint in endpoints
        if endpoint.token and endpoint.account_id
    }
    return Tokens(vault, alone)


async def make_publisher() -> Publisher:
    """The publisher of a triggerer."""
    ledger = await LedgerHook().aget_conn()
    _check_open_files(ledger)
    return _publisher(ledger, [(hook.conn_type, await _aendpoint(hook)) for hook in HOOKS])


async def rehearse_here(ledger: Ledger, delivery_ids: list[str]) -> list[Rehearsed]:
    """A dry run on a worker."""
    endpoints = [(hook.conn_type, endpoint_of(hook)) for hook in HOOKS]
    wire = wire_of(endpoints, tokens_of(endpoints, ledger))
    return await rehearse(ledger, wire, settings(), CONVERSATIONS, _links().url, delivery_ids)


def after_means(ledger: Ledger) -> Means:
    """What a worker needs to look after posts that are out."""
    endpoints = [(hook.conn_type, endpoint_of(hook)) for hook in HOOKS]
    tokens = tokens_of(endpoints, ledger)
    return Means(
        ledger,
        wire_of(endpoints, tokens),
        settings(),
        CONVERSATIONS,
        AFTER,
        _links().url,
        Logins(tokens, dict(endpoints), platform_options(settings())),
    )


@contextmanager
def means_for_people() -> Iterator[Means]:
    """The same for a command or a request of a person, with a ledger of its own."""
    ledger = Ledger(settings().ledger)
    try:
        yield after_means(ledger)
    finally:
        ledger.close()


def ask_platforms(ledger: Ledger, platforms: Sequence[str]) -> dict[str, Answer]:
    """Whether platforms that are held answer again."""
    return asyncio.run(probing.ask(after_means(ledger), platforms))


def measure_means(ledger: Ledger) -> MeasureMeans:
    """What a worker needs to read numbers."""
    endpoints = [(hook.conn_type, endpoint_of(hook)) for hook in HOOKS]
    tokens = tokens_of(endpoints, ledger)
    logins = Logins(tokens, dict(endpoints), platform_options(settings()))
    wire = wire_of(endpoints, tokens)
    return MeasureMeans(ledger, wire, settings(), MEASURES, CONVERSATIONS, logins, clock=now_ms)


async def _aendpoint(hook: type[PlatformHook]) -> Endpoint:
    try:
        return await hook().aendpoint()
    except AirflowNotFoundException:
        return hook.own_addresses()


def endpoint_of(hook: type[PlatformHook]) -> Endpoint:
    """A platform's Connection as plain data; without one, the platform's own addresses."""
    try:
        return hook().endpoint()
    except AirflowNotFoundException:
        return hook.own_addresses()


def tiktok_secrets() -> dict[str, str]:
    """The client secret of each app of TikTok's whose webhooks are taken in, by its client key."""
    found = {}
    for conn_id in settings().tiktok_hook_connection_ids:
        try:
            endpoint = TikTokHook(conn_id).endpoint()
        except AirflowNotFoundException:
            continue
        if endpoint.app_id and endpoint.app_secret:
            found[endpoint.app_id] = endpoint.app_secret
    return found


def _check_open_files(ledger: Ledger) -> None:
    """A triggerer holds one open file for each waiting post and dies above its limit: say so in time."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    capacity = conf.getint("triggerer", "capacity")
    if limit != resource.RLIM_INFINITY and capacity > limit - SPARE_FILES:
        sentence = (
            f"this triggerer may open {limit} files and takes up to {capacity} waiting posts; "
            f"it would die of more than {limit - SPARE_FILES}. The operator raises its limit of open files "
            "(nofile) or lowers AIRFLOW__TRIGGERER__CAPACITY."
        )
        with ledger.begin() as connection:
            now_ms = ledger.now_ms(connection)
            incident(connection, now_ms, Trouble.SETUP, sentence, actor=Actor.OPERATOR, about=OPEN_FILES)
    else:
        with ledger.begin() as connection:
            over(connection, ledger.now_ms(connection), Trouble.SETUP, OPEN_FILES)


def _publisher(ledger: Ledger, endpoints: Sequence[tuple[str, Endpoint]]) -> Publisher:
    tokens = tokens_of(endpoints, ledger)
    return Publisher(
        ledger,
        wire_of(endpoints, tokens),
        settings(),
        CONVERSATIONS,
        _links().url,
        logins=Logins(tokens, dict(endpoints), platform_options(settings())),
    )


def _links() -> MediaLinks:
    return MediaLinks(settings().media_base_url or None, settings().media_key)


def make_preparer(say: Callable[[str], None]) -> Preparer:
    """What prepares posts on a worker; `say` takes what it does, as sentences."""
    hook = AirtableHook()
    return Preparer(make_planner(), lambda: hook.client(BESIDE_PER_S), _hosts(hook), say)


def rehearsal_means(say: Callable[[str], None]) -> RehearsalMeans:
    """What a worker needs to try posts; of platforms, tokens and Connections to them it has nothing."""
    hook = AirtableHook()
    store = MediaStore(settings().media, look_apart)
    return RehearsalMeans(
        LedgerHook().get_conn(),
        store,
        settings(),
        lambda: hook.client(BESIDE_PER_S),
        _hosts(hook),
        CONVERSATIONS,
        say,
    )


def upkeep(*, dry: bool) -> Removed:
    """Make one round of upkeep; `dry`: say what would go."""
    ledger = LedgerHook().get_conn()
    try:
        return make_round(ledger, MediaStore(settings().media, look_apart), AFTER, settings(), dry=dry)
    finally:
        ledger.close()


def _hosts(hook: AirtableHook) -> frozenset[str]:
    """Airtable's own host: attachments may be fetched from there, even where its address is private."""
    try:
        host = urlsplit(hook.host())
    except AirtableSetupError:
        return frozenset()
    port = host.port or {"http": 80, "https": 443}[host.scheme]
    return frozenset({f"{host.hostname}:{port}"})
