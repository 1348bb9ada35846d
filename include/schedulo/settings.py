"""Every tunable, read once from the environment (`SCHEDULO_<NAME>`), checked at start.

Only here is the environment read. Durations are seconds unless the name says otherwise.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from schedulo.limits import BY_NAME
from schedulo.model import Platform

MONTH_S = 30 * 86_400
CHANGES_EVERY_S = 5.0
CHANGES_SHARE = 0.15
"""Of a month's calls to Airtable: what asking for changes may take of them."""


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, its value, the rule and who can mend it."""


CROWD_MOST_S = 780.0


@dataclass(frozen=True, slots=True)
class Band:
    """Posts younger than `until_ms` (and older than the band before says) are read every `every_ms`."""

    until_ms: int
    every_ms: int


class Mode(StrEnum):
    """Where posts go."""

    LIVE = "live"
    SANDBOX = "sandbox"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Settings:
    # Where things are
    ledger_url: str = ""
    """SQLAlchemy URL of the ledger; empty: SQLite in `home`."""
    home: str = field(default_factory=lambda: str(Path.home() / ".schedulo"))
    """The folder of what has no other place."""
    media_dir: str = ""
    """Where media are kept by hash; empty: `home`/media."""
    reports_dir: str = ""
    """Where the last reports are kept as pages; empty: `home`/reports."""
    media_base_url: str = ""
    """Public address of the media route; empty: formats that need one are refused."""
    media_key: str = ""
    """Secret that signs media addresses."""
    vault_key: str = ""
    """Fernet key(s) for tokens at rest, newest first, separated by commas."""
    airtable_mapping: str = ""
    """Path of a JSON file that maps our field names to the base's own."""

    # Test mode
    mode: str = "live"
    """Where posts go: `live` (to the platforms), `sandbox` (to the stand-ins at `sandbox_url` and to no other
    address, whatever Connections say) or `nothing` (all are held, no platform is asked)."""
    sandbox_url: str = ""
    """For the mode `sandbox`: where its stand-ins are, such as `http://sandbox:8090`."""

    # The window law: quiet_s > window_s + kernel_s + late_s + lag_s
    window_s: float = 5.0
    """W: sending may begin only this long after the fence was asked for."""
    kernel_s: float = 10.0
    """K: how long the kernel may go on sending after a freeze (TCP_USER_TIMEOUT)."""
    late_s: float = 120.0
    """S: how late a platform may finish a request it seemed to lose."""
    lag_s: float = 120.0
    """L: how far a platform's lists lag behind."""
    quiet_s: float = 300.0
    """Q: absence may be concluded only so long after the fence."""

    # The tick
    horizon_s: float = 180.0
    """A delivery is claimed this long before it is due."""
    max_claims: int = 500
    """Claims of one run at the most."""
    crowd_horizon_s: float = 600.0
    """Where more is due together than the runs until then can claim, they begin so long ahead. 0: they never
    do, and what is too much for them is late."""
    missed_after_s: float = 3600.0
    """A post later than this is missed, not sent."""
    holder_silent_s: float = 30.0
    """A process silent this long has lost its claims."""
    beat_s: float = 5.0
    """How often a process says that it lives."""
    look_s: float = 1.0
    """How often a process looks whether deliveries that wait there for their second were changed."""
    known_copy_max_s: float = 86400.0
    """How old the ledger's copy of a post may be and still go out while Airtable cannot be reached."""
    account_gap_s: float = 1.0
    """Least time between two posts on one account."""
    fence_lead_s: float = 0.5
    """The fence is taken this long before the due instant, for all that are due by then at once."""
    arm_patience_s: float = 60.0
    """How long a delivery may wait for a platform's processing inside its process."""
    connections: int = 200
    """Open connections of one sender at the most."""
    arm_parallel: int = 64
    """Requests that prepare posts, at once in one process at the most."""
    content_guard_s: float = 86400.0
    """The same content on one account within this time, from another record, is held."""

    # Lateness
    sla_s: float = 60.0
    """A post that is not out so long after its second is told at once; 0: never. A hold, and what waits for
    its media or for approval, is told in other words."""
    sla_platforms: str = ""
    """The same for single platforms, separated by commas, such as `tiktok:300, x:15`."""

    watch_s: float = 60.0
    """How often `schedulo watch` looks whether Airflow lives."""

    # Preparing
    prepare_ahead_s: float = 86400.0
    """Media are fetched, checked and converted this long before a post is due."""
    fit: str = "crop"
    """What is done with media of a shape that a platform does not take, where the post does not say:
    crop, pad or leave."""
    approval_needed: bool = False
    """A post without a word in Approval waits for one."""
    convert_s: float = 1800.0
    """How long one conversion may take."""
    convert_memory_mb: int = 2048
    """How much memory one conversion may use."""
    convert_threads: int = 2
    """How many threads one conversion may use."""
    media_queue: str = ""
    """The queue of the tasks that fetch and convert media; empty: that of all others. Workers must serve it.
    Executors without queues take no notice."""

    # Platforms that fail for everyone
    breaker_window_s: float = 120.0
    """A platform is held when, within this time, as many accounts or posts as the next two say met no answer
    or a fault of its own, and none of its posts went out. 0: none is ever held."""
    breaker_accounts: int = 3
    """So many accounts."""
    breaker_posts: int = 5
    """Or so many posts, unless all are of one account and others are on the platform too."""
    breaker_probe_s: float = 30.0
    """A platform that is held is asked after this time whether it is back, then after twice as long, and so
    on; by the run of a minute, so no sooner than that."""
    breaker_probe_max_s: float = 300.0
    """And at least so often."""
    breaker_gap_s: float = 1.0
    """What waited for a platform goes out so far apart when it is back, over all accounts."""

    # After publishing
    still_there_s: float = 86400.0
    """How often a post that is out is looked for on its platform; 0: never."""
    still_there_days: int = 30
    """For how many days after it went out."""

    # Logins
    login_check_s: float = 86400.0
    """How often the login of an account with posts to come is looked at on its platform; without any, once a
    week. 0: never."""

    # Analytics
    analytics_days: int = 90
    """A post's numbers are read for so many days after it went out."""
    analytics_still_days: int = 14
    """After so many days without any change of its numbers, a post is read once a week only."""
    analytics_young: str = "24h:1h, 7d:6h"
    """How often numbers are read between the ends of two days, by a post's age: `until age:every`."""
    analytics_platforms: str = "instagram, facebook, x, tiktok"
    """The platforms whose numbers are read, separated by commas; X charges for it."""
    x_owned_reads: bool = True
    """Costs are counted with X's lower price for reading one's own posts. X's price list names timelines
    there, and not posts by their ids: false where the bill says otherwise."""
    analytics_share: float = 0.5
    """Of what Meta allows our app, a Page or an account in its hour or day: where so much is used, numbers
    are read no further until it is less. The rest is for publishing."""
    analytics_parallel: int = 8
    """Requests for numbers at once, of one account, at the most."""

    # Quotas
    quotas: str = ""
    """Limits of platforms where they are others than their pages say, separated by commas, such as
    `x.posts_day=17, tiktok.creators=5`; 0: that limit is not counted. `schedulo quotas` names them all.
    Where a platform tells an account a smaller number, that counts."""
    x_budget_usd: float = 0.0
    """What posts and readings of numbers on X may cost in a month (UTC), by its price list; 0: no limit."""
    x_budget_full: str = "hold"
    """What becomes of posts beyond it: `hold` (they wait for the next month) or `go` (people are told)."""

    # Health
    health_days: int = 14
    """What checks found is kept for so many days."""
    health_disk_low_mb: int = 2048
    """Less room than this for media, the ledger's file or reports is yellow."""
    health_disk_full_mb: int = 512
    """And less than this is red."""
    health_skip: str = ""
    """Checks that are not to count, separated by commas, such as `media_url` where no machine inside can ask
    its own public address, or `workflow:summarise_week` where that Dag is paused on purpose."""

    # Upkeep
    history_days: int = 400
    """What led to a post that is out is kept for so many days without a change of it: its story, its steps,
    its runs; and incidents that are over. 0: for good."""
    media_days: int = 180
    """Files of posts that are out are kept for so many days without a change of them. 0: for good."""
    readings_days: int = 400
    """Single readings of numbers are kept for so many days; the numbers of days stay. 0: for good."""
    self_test_account: str = ""
    """Key of an account that is for tests alone, of X or Facebook, such as `x:123`: every day a text is
    published there, and the health says whether it got out. Empty: none is."""
    airflow_cleaned_days: int = 0
    """The health is yellow where `schedulo clean-airflow` has not run for so many days. 0: three, from its
    first run on."""

    # Airtable
    airtable_budget_s: float = 10.0
    """How long one tick may spend on reading Airtable; then it goes on without."""
    airtable_poll_s: float = 60.0
    """How often Airtable is read at the most; each reading costs two calls and a little."""
    airtable_calls_per_s: int = 4
    """Calls of a base in one second at the most, of all our processes together. Airtable takes 5 of all
    callers and then none for 30 seconds; less where other programs call the base as well."""
    airtable_monthly_calls: int = 0
    """The plan's calls a month, 0 for no limit: readings take at most 60 % of them."""
    airtable_changes: str = "off"
    """How changes in Airtable are heard within seconds, by a webhook there: `poll` (it is read again and
    again), `ping` (Airtable calls `airtable_ping_url`, then it is read), or `off` (at the next reading only).
    """
    airtable_changes_poll_s: float = 0.0
    """With `poll`: how often the webhook is read; every 5 seconds are 518,400 calls a month. 0: every 5, or
    as often as 15 % of `airtable_monthly_calls` allow."""
    airtable_ping_url: str = ""
    """With `ping`: the public https address of `/schedulo/hooks/airtable` at our api-server."""
    airtable_timezone: str = "UTC"
    """Zone of local times where neither the post nor its account names one."""

    # Who is told: e-mail addresses and ids of Connections of the type Apprise, separated by commas
    notify_operator: str = ""
    """Channels of the operators; empty: nobody is told, the log of handle_incidents says what would be."""
    notify_owner: str = ""
    """Channels of those who look after the accounts; empty: the operators'."""
    notify_author: str = ""
    """Channels of those who write the posts; empty: the operators'."""
    maintenance_told: str = "24, 1"
    """Hours before maintenance, separated by commas: so long before it people are told of it; empty: only
    when it is over."""
    notify_smtp: str = "smtp_default"
    """Id of the Connection that mail is sent by."""
    notify_an_hour: int = 12
    """Messages on one channel an hour at the most; what is beyond is told in digests."""

    # Webhooks
    webhook_hosts: str = ""
    """Subscribers that may be in a private network and use plain http, as host:port, separated by commas.
    All others must have a public https address."""

    # Platforms
    facebook_two_phase: bool = True
    """Text and links are drafted first and switched to public at the due second."""
    meta_version: str = "v25.0"
    """Version of Meta's Graph API in every path."""
    facebook_photo_mb: int = 10
    """Size of a photo at the most. Meta's page says 10; some saw it refuse photos above 4."""
    x_videos: str = "old"
    """What X takes of accounts without Premium; its pages differ: `old` (140 s, 512 MB) or `new` (20 min)."""
    tiktok_chunk_bytes: int = 5 * 1024 * 1024
    """Videos go to TikTok in pieces of so many bytes; the last one has the rest."""
    tiktok_source: str = "file"
    """How TikTok gets videos: `file` (we upload) or `pull` (it fetches from `media_base_url`)."""
    tiktok_app_alone: bool = False
    """Nobody but this installation publishes with its TikTok app: a post whose answer was lost is then known
    by TikTok's webhook alone, where there is one such post and one such webhook."""
    tiktok_hook_connections: str = "tiktok_default"
    """The Connections, separated by commas, whose apps TikTok's webhooks may be signed by."""
    tiktok_hook_tolerance_s: float = 300.0
    """How old a signature of a webhook of TikTok's may be."""
    ig_upload: str = "url"
    """How Instagram gets reels: `url`, or `resumable` (uploaded; accounts with Facebook Login only)."""

    @property
    def reach_s(self) -> float:
        """No delivery is claimed longer before it is due."""
        return max(self.horizon_s, self.crowd_horizon_s)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and not 0 <= value < math.inf:  # NaN would keep every law
                raise SettingsError(
                    f"SCHEDULO_{item.name.upper()} is {value:g}: it must be 0 or more seconds. "
                    "The operator sets it."
                )
        law = self.window_s + self.kernel_s + self.late_s + self.lag_s
        if self.quiet_s <= law:
            raise SettingsError(
                f"SCHEDULO_QUIET_S is {self.quiet_s:g}: it must be greater than window + kernel + late + lag "
                f"= {law:g} seconds, or a post that is merely late would be sent twice. The operator sets it."
            )
        _mode(self.mode, self.sandbox_url)
        if self.horizon_s < 60:
            raise SettingsError(
                f"SCHEDULO_HORIZON_S is {self.horizon_s:g}: it must be at least 60, "
                "because the tick runs once a minute. The operator sets it."
            )
        if self.crowd_horizon_s > CROWD_MOST_S:
            raise SettingsError(
                f"SCHEDULO_CROWD_HORIZON_S is {self.crowd_horizon_s:g}: it must be at most {CROWD_MOST_S:g}, "
                "because a run is to be over within 15 minutes. The operator sets it."
            )
        if self.fit not in ("crop", "pad", "leave"):
            raise SettingsError(
                f"SCHEDULO_FIT is {self.fit!r}: it must be crop, pad or leave. The operator sets it."
            )
        for name, least in (("convert_s", 1), ("convert_memory_mb", 256), ("convert_threads", 1)):
            if getattr(self, name) < least:
                raise SettingsError(
                    f"SCHEDULO_{name.upper()} is {getattr(self, name):g}: it must be at least {least}, "
                    "or nothing could be converted. The operator sets it."
                )
        for name in ("breaker_accounts", "breaker_posts"):
            if getattr(self, name) < 2:
                raise SettingsError(
                    f"SCHEDULO_{name.upper()} is {getattr(self, name)}: it must be at least 2, or one post's "
                    "trouble would hold all others. The operator sets it."
                )
        if not 1 <= self.breaker_probe_s <= self.breaker_probe_max_s:
            raise SettingsError(
                f"SCHEDULO_BREAKER_PROBE_S is {self.breaker_probe_s:g}: it must be at least 1, and at the "
                f"most SCHEDULO_BREAKER_PROBE_MAX_S ({self.breaker_probe_max_s:g}). The operator sets it."
            )
        if self.notify_an_hour < 5:
            raise SettingsError(
                f"SCHEDULO_NOTIFY_AN_HOUR is {self.notify_an_hour}: it must be at least 5, "
                "because four messages an hour are digests. The operator sets it."
            )
        if self.x_videos not in ("old", "new"):
            raise SettingsError(
                f"SCHEDULO_X_VIDEOS is {self.x_videos!r}: it must be old or new. The operator sets it."
            )
        if not 1 <= self.facebook_photo_mb <= 10:
            raise SettingsError(
                f"SCHEDULO_FACEBOOK_PHOTO_MB is {self.facebook_photo_mb}: it must be from 1 to 10, "
                "since Facebook takes no larger ones. The operator sets it."
            )
        if not self.fence_lead_s < self.window_s:
            raise SettingsError(
                f"SCHEDULO_FENCE_LEAD_S is {self.fence_lead_s:g}: it must be smaller than SCHEDULO_WINDOW_S "
                f"({self.window_s:g}), or nothing could ever be sent."
            )

        for name, least in (("analytics_days", 1), ("analytics_still_days", 1), ("analytics_parallel", 1)):
            if getattr(self, name) < least:
                raise SettingsError(
                    f"SCHEDULO_{name.upper()} is {getattr(self, name)}: it must be at least {least}. "
                    "The operator sets it."
                )
        if not 0 < self.analytics_share <= 1:
            raise SettingsError(
                f"SCHEDULO_ANALYTICS_SHARE is {self.analytics_share:g}: it must be above 0, and 1 at "
                "the most. The operator sets it."
            )
        for name, least, why in (
            ("history_days", 60, "posts that are out are looked for and told of in that time"),
            ("media_days", 30, "a backup of the ledger that is younger may want them"),
            ("readings_days", self.analytics_days + 35, "days of posts that are still read may want them"),
        ):
            if getattr(self, name) and getattr(self, name) < least:
                raise SettingsError(
                    f"SCHEDULO_{name.upper()} is {getattr(self, name)}: it must be 0, or at least {least}: "
                    f"{why}. The operator sets it."
                )
        if not 1 <= self.tiktok_hook_tolerance_s <= 259_200:
            raise SettingsError(
                f"SCHEDULO_TIKTOK_HOOK_TOLERANCE_S is {self.tiktok_hook_tolerance_s:g}: it must be from 1 to "
                "259200, the time for which TikTok sends again. The operator sets it."
            )
        if self.watch_s < 1:
            raise SettingsError(
                f"SCHEDULO_WATCH_S is {self.watch_s:g}: it must be at least 1: the watch has to rest. "
                "The operator sets it."
            )
        _seconds(self.sla_platforms)
        _hours(self.maintenance_told)
        _hosts(self.webhook_hosts)
        _quotas(self.quotas)
        if self.x_budget_full not in ("hold", "go"):
            raise SettingsError(
                f"SCHEDULO_X_BUDGET_FULL is {self.x_budget_full!r}: it must be hold or go. "
                "The operator sets it."
            )
        _bands(self.analytics_young)
        _platforms(self.analytics_platforms)
        if self.self_test_account and not _SELF_TEST.fullmatch(self.self_test_account):
            raise SettingsError(
                f"SCHEDULO_SELF_TEST_ACCOUNT is {self.self_test_account!r}: it must be the key of an account "
                "of X or Facebook, such as x:123, since a self-test is a text. The operator sets it."
            )
        if self.airflow_cleaned_days < 0:
            raise SettingsError(
                f"SCHEDULO_AIRFLOW_CLEANED_DAYS is {self.airflow_cleaned_days}: it must be 0 or more days. "
                "The operator sets it."
            )
        if not 1 <= self.airtable_calls_per_s <= 5:
            raise SettingsError(
                f"SCHEDULO_AIRTABLE_CALLS_PER_S is {self.airtable_calls_per_s}: it must be from 1 to 5: "
                "Airtable locks a base that is called more often. The operator sets it."
            )
        self._check_changes()
        if self.health_days < 1:
            raise SettingsError(
                f"SCHEDULO_HEALTH_DAYS is {self.health_days}: it must be at least 1. The operator sets it."
            )

    def _check_changes(self) -> None:
        if self.airtable_changes not in ("off", "poll", "ping"):
            raise SettingsError(
                f"SCHEDULO_AIRTABLE_CHANGES is {self.airtable_changes!r}: it must be off, poll or ping. "
                "The operator sets it."
            )
        if 0 < self.airtable_changes_poll_s < 1:
            raise SettingsError(
                f"SCHEDULO_AIRTABLE_CHANGES_POLL_S is {self.airtable_changes_poll_s:g}: it must be 0, or at "
                "least 1: Airtable takes five calls a second of all. The operator sets it."
            )
        if self.airtable_changes == "ping" and _PING_URL.fullmatch(self.airtable_ping_url) is None:
            raise SettingsError(
                f"SCHEDULO_AIRTABLE_PING_URL is {self.airtable_ping_url!r}: with SCHEDULO_AIRTABLE_CHANGES "
                "'ping' it must be the public https address of /schedulo/hooks/airtable, without a login or "
                "a question mark. The operator sets it, or chooses poll."
            )

    @property
    def changes_every_s(self) -> float:
        """How often the webhook is read with `poll`, in seconds."""
        if self.airtable_changes_poll_s or not self.airtable_monthly_calls:
            return self.airtable_changes_poll_s or CHANGES_EVERY_S
        return max(CHANGES_EVERY_S, MONTH_S / (self.airtable_monthly_calls * CHANGES_SHARE))

    @property
    def origins(self) -> frozenset[str] | None:
        """Where requests to platforms may go, as `scheme://host:port`; None: wherever Connections say."""
        if self.mode == Mode.LIVE:
            return None
        return frozenset({self.sandbox_url}) if self.mode == Mode.SANDBOX else frozenset()

    @property
    def sla_by_platform(self) -> Mapping[str, float]:
        """`sla_platforms`."""
        return _seconds(self.sla_platforms)

    def sla_of(self, platform: str) -> float:
        """How many seconds after its second a post of a platform is late."""
        return self.sla_by_platform.get(platform, self.sla_s)

    @property
    def young_bands(self) -> tuple[Band, ...]:
        """`analytics_young`, youngest first."""
        return _bands(self.analytics_young)

    @property
    def maintenance_hours(self) -> tuple[float, ...]:
        """`maintenance_told`."""
        return _hours(self.maintenance_told)

    @property
    def webhook_hosts_allowed(self) -> frozenset[str]:
        """`webhook_hosts`."""
        return _hosts(self.webhook_hosts)

    @property
    def tiktok_hook_connection_ids(self) -> tuple[str, ...]:
        """`tiktok_hook_connections`."""
        return tuple(filter(None, (part.strip() for part in self.tiktok_hook_connections.split(","))))

    @property
    def measured_platforms(self) -> frozenset[Platform]:
        """`analytics_platforms`."""
        return _platforms(self.analytics_platforms)

    @property
    def chosen_quotas(self) -> Mapping[str, int]:
        """`quotas`, by the limit's full name."""
        return _quotas(self.quotas)

    @property
    def ledger(self) -> str:
        return self.ledger_url or f"sqlite:///{Path(self.home) / 'ledger.db'}"

    def account_options(self, platform: Platform) -> dict[str, Any]:
        """What these settings say of each account of a platform, as `Account.options`; no defaults."""
        chosen: dict[str, Any] = {}
        if platform is Platform.X and self.x_videos != "old":
            chosen["videos"] = self.x_videos
        if platform is Platform.FACEBOOK and self.facebook_photo_mb != 10:
            chosen["photo_mb"] = self.facebook_photo_mb
        return chosen

    @property
    def reports(self) -> Path:
        return Path(self.reports_dir) if self.reports_dir else Path(self.home) / "reports"

    @property
    def media(self) -> Path:
        return Path(self.media_dir) if self.media_dir else Path(self.home) / "media"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read `SCHEDULO_*`, or the files that `SCHEDULO_*_FILE` name: secrets need not be in an environment.

        Raises `SettingsError` for values that cannot be read or break a rule.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            raw = _given(env, f"SCHEDULO_{item.name.upper()}")
            if raw is not None:
                values[item.name] = _parse(item.name, raw, str(item.type))
        return cls(**values)


_PING_URL = re.compile(r"https://[^\s@?#]+|http://(?:127\.0\.0\.1|localhost)(?::\d+)?/[^\s@?#]*")
"""Plain http stays on this machine."""
_SELF_TEST = re.compile(r"(x|facebook):\S+")
_BAND = re.compile(r"(\d+)([mhd]):(\d+)([mhd])")
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
LEAST_EVERY_MS = 10 * 60_000
"""Numbers are not read more often than this: platforms count requests."""


_SANDBOX_URL = re.compile(r"https?://([a-z0-9.-]+)(:\d{1,5})?")
_PLATFORMS_OWN = re.compile(r"(^|\.)(facebook|instagram|x|twitter|tiktok|tiktokapis)\.com$")


def _mode(mode: str, sandbox_url: str) -> None:
    """Raises `SettingsError` for a mode that there is not, or that lacks its address."""
    if mode not in set(Mode):
        raise SettingsError(
            f"SCHEDULO_MODE is {mode!r}: it must be one of {', '.join(Mode)}. The operator sets it."
        )
    if mode != Mode.SANDBOX:
        return
    match = _SANDBOX_URL.fullmatch(sandbox_url)
    if match is None or _PLATFORMS_OWN.search(match[1]):
        raise SettingsError(
            f"SCHEDULO_SANDBOX_URL is {sandbox_url!r}: in the mode sandbox it must be the address of the "
            "stand-ins, such as http://sandbox:8090, without a path. The operator sets it."
        )


@cache
def _bands(text: str) -> tuple[Band, ...]:
    """What `analytics_young` says. Raises `SettingsError`."""

    def wrong(part: str, rule: str) -> SettingsError:
        return SettingsError(
            f"SCHEDULO_ANALYTICS_YOUNG is {text!r}: {part!r} {rule}. "
            "The operator sets it; empty: numbers are read at the end of each day only."
        )

    bands: list[Band] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _BAND.fullmatch(part)
        if match is None:
            raise wrong(part, "must be an age and a time between two readings, such as 24h:1h (m, h or d)")
        until, until_unit, every, every_unit = match.groups()
        band = Band(int(until) * _UNITS_MS[until_unit], int(every) * _UNITS_MS[every_unit])
        if not LEAST_EVERY_MS <= band.every_ms <= band.until_ms:
            raise wrong(part, "must read no more often than every 10m, and once at least until its age")
        if bands and band.until_ms <= bands[-1].until_ms:
            raise wrong(part, "must end at a greater age than the one before it")
        bands.append(band)
    return tuple(bands)


@cache
def _seconds(text: str) -> Mapping[str, float]:
    """What `sla_platforms` says. Raises `SettingsError`."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, seconds = (piece.strip() for piece in part.partition(":"))
        if name not in set(Platform) or re.fullmatch(r"\d{1,6}(\.\d+)?", seconds) is None:
            raise SettingsError(
                f"SCHEDULO_SLA_PLATFORMS is {text!r}: {part!r} must be a platform "
                f"({', '.join(Platform)}) and its seconds, such as tiktok:300. The operator sets it."
            )
        found[name] = float(seconds)
    return found


@cache
def _hours(text: str) -> tuple[float, ...]:
    """What `maintenance_told` says. Raises `SettingsError`."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        found = tuple(float(part) for part in parts)
    except ValueError:
        found = (math.nan,)
    if not all(0 < hours <= 24 * 31 for hours in found):
        raise SettingsError(
            f"SCHEDULO_MAINTENANCE_TOLD is {text!r}: it must be hours above 0 and up to 744, such as 24, 1. "
            "The operator sets it."
        )
    return found


@cache
def _hosts(text: str) -> frozenset[str]:
    """What `webhook_hosts` says. Raises `SettingsError`."""
    hosts = frozenset(part.strip().lower() for part in text.split(",") if part.strip())
    for host in hosts:
        if re.fullmatch(r"[^\s/:@]+:\d{1,5}", host) is None:
            raise SettingsError(
                f"SCHEDULO_WEBHOOK_HOSTS is {text!r}: {host!r} must be a host and its port, such as "
                "bridge.local:8080. The operator sets it."
            )
    return hosts


@cache
def _platforms(text: str) -> frozenset[Platform]:
    """What `analytics_platforms` says. Raises `SettingsError`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in set(Platform):
            raise SettingsError(
                f"SCHEDULO_ANALYTICS_PLATFORMS is {text!r}: {name!r} must be one of "
                f"{', '.join(Platform)}. The operator sets it."
            )
    return frozenset(Platform(name) for name in names)


def _given(env: Mapping[str, str], name: str) -> str | None:
    """What the environment says of a setting, itself or in a file. Raises `SettingsError`."""
    path = env.get(f"{name}_FILE")
    if not path:
        return env.get(name)
    if env.get(name):
        raise SettingsError(f"{name} and {name}_FILE are both set: it must be one. The operator sets them.")
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{name}_FILE is {path!r}: it must be a text file that Schedulo may read "
            f"({type(error).__name__}). The operator sets it."
        ) from None


@cache
def _quotas(text: str) -> Mapping[str, int]:
    """What `quotas` says. Raises `SettingsError`."""
    chosen: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in BY_NAME or not number.isdecimal():
            raise SettingsError(
                f"SCHEDULO_QUOTAS is {text!r}: {part!r} must be a limit and a number, such as x.posts=50; "
                f"the limits are {', '.join(BY_NAME)}. The operator sets it."
            )
        chosen[name] = int(number)
    return chosen


def _parse(name: str, raw: str, kind: str) -> Any:
    try:
        match kind:
            case "float":
                return float(raw)
            case "int":
                return int(raw)
            case "bool":
                return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
                    raw.lower()
                ]
            case _:
                return raw
    except (ValueError, KeyError):
        raise SettingsError(
            f"SCHEDULO_{name.upper()} is {raw!r}: it must be a {kind}. "
            "The operator sets it in the environment."
        ) from None


@cache
def settings() -> Settings:
    """The process's settings. Tests that need others build their own `Settings`."""
    return Settings.from_env(os.environ)
