"""What people must know of: one incident a cause, its cases, and when it is over.

An incident's key names the cause (what, and where), never a delivery: two hundred posts that fail for one
cause are two hundred cases of one incident. Here incidents are opened and closed; who is told of them, when
and in which form is `schedulo.telling`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from schedulo.delivery.incident_ends import (
    AT_WORK,
    DAY_S,
    Condition,
    all_ready,
    all_whole,
    approved,
    hold_ended,
    is_heard,
    marked,
    no_case,
    no_outage,
    none_late,
    none_overtaken,
    runs_go_on,
    when_told,
)
from schedulo.delivery.troubles import note
from schedulo.delivery.watched import is_green
from schedulo.delivery.webhook_events import account_needs_attention
from schedulo.errors.kinds import Actor, Kind
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.tables import incident_cases, incidents
from schedulo.model import State

_I, _C = incidents.c, incident_cases.c


class Trouble(StrEnum):
    """The kinds of incidents, each with what its `about` names."""

    FAILED = "failed"
    """Posts that were given up. About: the error's kind, then the account or the platform and code."""
    INCOMPLETE = "incomplete"
    """Posts that are out but not whole. About: the account."""
    UNRESOLVED = "unresolved"
    """Posts of which nobody knows whether they are out. About: the account."""
    MISSED = "missed"
    """Posts that were not sent in time."""
    UNAPPROVED = "unapproved"
    """Posts that are due soon and that nobody has approved."""
    REMOVED = "removed"
    """Posts that their platform no longer shows. About: the account."""
    UNCHANGED = "unchanged"
    """Posts that could not be taken down, or changed. About: the error's kind and the account."""
    TWICE = "on_air_twice"
    """Posts that may be out twice. About: the account."""
    OUTAGE = "outage"
    """A platform fails for everyone and is held. About: the platform, or `network` where nothing answers."""
    HELD = "held"
    """An error set a hold. About: the hold's name and its error's kind, as `account:x:123:reconnect`."""
    AIRTABLE_READ = "airtable_read"
    """Airtable cannot be read. About: the class of the error."""
    AIRTABLE_TOLD = "airtable_told"
    """Airtable cannot be told. About: the class of the error."""
    AIRTABLE_CHANGES = "airtable_changes"
    """Airtable tells no changes any more."""
    AIRTABLE_STALE = "airtable_stale"
    AIRTABLE_MISSING = "airtable_missing_posts"
    MEDIA = "media_not_ready"
    """Posts are due in a moment and their media are not here, or not made to fit."""
    LATE = "late"
    """Posts are not out although their second is past. About: the platform that fails, `unknown:` and the
    platform where it is not known whether they are out, `waiting` where nobody sent them."""
    LATE_RUN = "late_run"
    RESTORED = "ledger_restored"
    """The ledger is an old copy, or a new one. About: when that was found."""
    SETUP = "setup"
    """Something is wrong with the deployment. About: what."""
    CHANNEL = "channel"
    """People cannot be told on a channel. About: the channel."""
    NUMBERS = "numbers"
    """Numbers could not be collected, and a person must act. About: the account, or `day:2026-11-25` where
    the run of a day is late."""
    LOGIN_ENDS = "login_ends"
    """A login ends soon, and only a person can make another. About: the account, and how many days before."""
    LOGIN_LACKS = "login_lacks"
    """A login lacks permissions that planned posts need. About: the account."""
    LOGINS_FAIL = "logins_fail"
    """Logins cannot be renewed because our app is not set up right, or a run is late. About: the platform, or
    `run`."""
    QUOTA = "quota"
    """More is planned than a platform takes, or than may be spent. About: the account, the limit and the day,
    as `x:1:x.posts_day:2026-11-27`; or `x.budget`, the month and the percent."""
    WORKFLOW = "workflow"
    """A task of a workflow failed, or a run is late. About: the Dag and its task, as `maintain.remove`."""
    MAINTENANCE = "maintenance"
    """Maintenance is planned. About: the window, its version, and how many hours before it is told."""
    MAINTENANCE_MISSES = "maintenance_misses"
    """Posts that a window stops, and that may not go out after it. About: the window."""
    DAG_FILE = "dag_file"
    """Airflow cannot read a file with Dags. About: its name and its path. Of many with one error: `several`
    and the error, after the name of the Dag that publishes where that is one of them."""
    HEALTH = "health"
    """A check of the health is red. About: the check."""
    SUBSCRIBER_PAUSED = "subscriber_paused"
    """A subscriber takes no events any more and gets none. About: its id."""
    SUBSCRIBER_REFUSES = "subscriber_refuses"
    """A subscriber takes events, but not these. About: its id."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is so for all incidents of a kind: the words that people read, and when it is over."""

    title: str
    doing: str
    """What is being done."""
    todo: str
    """What who must act does."""
    until: str
    """`over` in words."""
    over: Condition
    patience_s: float = 0.0
    """People are told only of what lasts longer than this."""
    sends: bool = True
    """Its end says how many of its posts went out."""
    calm_s: float = 0.0
    """It must have been over for so long before people are told so; what comes back sooner goes on."""
    counts: bool = True
    """People are told again of posts that it hits later. False: its end says how many there were."""
    reminds: bool = True
    """People are told of it again while it lasts. False: once is enough."""
    says_how_late: bool = False
    """Its end says how late its posts went out."""
    also: Actor | None = None
    """Who is told beside who must act."""


RULES: dict[Trouble, Rule] = {
    Trouble.FAILED: Rule(
        "Posts could not be published",
        "Nothing more: these posts are not tried again by themselves.",
        "Mend the cause, then ask for them again: clear the task in Airflow, or request a retry in Airtable.",
        "no post of it stands as failed or is on its way; after a week without a new one in any case",
        no_case(State.FAILED, *AT_WORK, let_go_s=7 * DAY_S),
    ),
    Trouble.INCOMPLETE: Rule(
        "Posts are out, but not whole",
        "What is out stays out.",
        "Look at the post; add what is missing by hand, or ask for it again.",
        "every post of it is whole; after a week without a new one in any case",
        all_whole,
    ),
    Trouble.UNRESOLVED: Rule(
        "It is not known whether posts are out",
        "Nothing is sent again before a person has decided.",
        "Look at the account. Say of each post whether it is out, with its link, or is to be sent.",
        "a person or a look has decided on every post; after a week without a new one in any case",
        no_case(State.UNRESOLVED, *AT_WORK, let_go_s=7 * DAY_S),
    ),
    Trouble.MISSED: Rule(
        "Posts were not sent in time",
        "Nothing: what is too late is never sent by itself.",
        "Ask for those again that should go out now; the others need nothing.",
        "every post was asked for again and has come to its end; after a day without a new one in any case",
        no_case(State.MISSED, *AT_WORK, let_go_s=DAY_S),
    ),
    Trouble.UNAPPROVED: Rule(
        "Posts wait for approval",
        "They go out when they are approved; what is not approved in time becomes missed.",
        "Read them, and set Approval to Approved or Rejected in their rows.",
        "none of its posts waits for approval any more",
        approved,
        sends=False,
    ),
    Trouble.REMOVED: Rule(
        "Posts are no longer there",
        "Nothing: what is gone is never sent again by itself.",
        "Look at the account, and at what the platform says about it in its app.",
        "a day has passed without another such post, or all are there again",
        no_case(State.REMOVED, let_go_s=DAY_S),
        sends=False,
    ),
    Trouble.UNCHANGED: Rule(
        "Posts could not be taken down or changed",
        "Nothing more: what is out stays as it is until somebody asks again.",
        "Do it in the platform's app, or mend the cause and ask again.",
        "its posts are taken down or gone; after a day without a new one in any case",
        no_case(State.PUBLISHED, State.PUBLISHED_INCOMPLETE, let_go_s=DAY_S),
        sends=False,
    ),
    Trouble.TWICE: Rule(
        "Posts may be out twice",
        "Nothing is taken down by itself.",
        "Look at the account and take one of the two down.",
        "a day has passed without another such post",
        no_case(*State, let_go_s=DAY_S),
    ),
    Trouble.OUTAGE: Rule(
        "A platform fails for everyone",
        "Its posts wait. It is asked again and again whether it is back; then they go out, a few as a trial, "
        "the others one after another. What is too late then is missed.",
        "Nothing, unless it lasts: see what its status page says, or why nothing can be reached from here. "
        "`schedulo release` lets posts go all the same.",
        "it takes posts again, and none of those that waited is still to go out",
        no_outage,
        patience_s=90.0,
        calm_s=60.0,
        counts=False,
    ),
    Trouble.HELD: Rule(
        "Posts are held",
        "The posts wait. They go out one after another when the hold ends; what is too late then is missed.",
        "Mend the cause. A new login ends a hold for want of one; `schedulo release` ends any.",
        "the hold was lifted or has run out",
        hold_ended,
        patience_s=30.0,
        calm_s=60.0,
    ),
    Trouble.AIRTABLE_READ: Rule(
        "Airtable cannot be read",
        "It is asked again every minute. What is planned already goes out.",
        "See what Airtable says; new posts and changes are not seen until it can be read.",
        "Airtable was read",
        marked("airtable:read"),
        patience_s=300.0,
        calm_s=120.0,
    ),
    Trouble.AIRTABLE_TOLD: Rule(
        "Airtable cannot be told what became of posts",
        "It is told again every minute; nothing that is to be told gets lost.",
        "See what Airtable says; its rows show an older state until then.",
        "Airtable was told",
        marked("airtable:told"),
        patience_s=300.0,
        calm_s=120.0,
    ),
    Trouble.AIRTABLE_CHANGES: Rule(
        "Changes in Airtable are no longer heard at once",
        "It is tried again every hour. What people change is seen when Airtable is read next, a minute later "
        "or so; nothing is lost.",
        "Do what is named, then `schedulo airtable listen`.",
        "Airtable tells changes again, or is not asked to",
        is_heard,
        sends=False,
    ),
    Trouble.AIRTABLE_STALE: Rule(
        "Nothing goes out: Airtable was not read for too long",
        "It is asked again every minute. Posts go out as soon as it was read.",
        "See why Airtable cannot be read.",
        "Airtable was read",
        marked("airtable:read"),
    ),
    Trouble.AIRTABLE_MISSING: Rule(
        "Many posts vanished from Airtable at once",
        "They are held, not cancelled: so many at once are more often a fault than a wish.",
        "Bring the rows back, or cancel the deliveries if they were deleted on purpose.",
        "none of its posts is held any more",
        no_case(State.HELD),
    ),
    Trouble.MEDIA: Rule(
        "Media of posts are not ready",
        "They are tried again. A post goes out as soon as it is ready; when its time is over it is missed.",
        "Look at the runs of prepare_posts and their logs; Deliveries say which files.",
        "none of its posts waits for media any more",
        all_ready,
        patience_s=90.0,
    ),
    Trouble.LATE: Rule(
        "Posts are late",
        "They still go out, each once; what is too late by its own rule is missed.",
        "Look at the task of a post in Airflow, and at /schedulo/health.",
        "none of its posts is still to go out",
        none_late,
        says_how_late=True,
    ),
    Trouble.LATE_RUN: Rule(
        "A run is late",
        "Posts of later minutes are taken by later runs.",
        "Look at the run in Airflow: is a worker free, does the triggerer live?",
        "a later run has begun and nothing of this one is at work",
        runs_go_on,
        calm_s=60.0,
    ),
    Trouble.RESTORED: Rule(
        "The ledger was restored from a backup",
        "What may be out is looked for before it is sent. All else goes out on time.",
        "Reconnect accounts of X and TikTok whose token is refused: it was renewed after the backup.",
        "all that may be out has been looked for",
        when_told,
    ),
    Trouble.SETUP: Rule(
        "Something is not set up right",
        "Publishing goes on as well as it can.",
        "Change the setting that is named.",
        "the process that found it was started again and finds it no more",
        when_told,
    ),
    Trouble.CHANNEL: Rule(
        "A channel of notifications does not work",
        "What was to be said there is kept and tried again, at growing intervals.",
        "Look at the channel's Connection, and at what the log of handle_incidents says.",
        "the channel took a message",
        when_told,
        patience_s=90.0,
        calm_s=60.0,
    ),
    Trouble.NUMBERS: Rule(
        "Numbers could not be collected",
        "They are asked for again every hour. Days that pass meanwhile stay without what the platform keeps "
        "no history of. Publishing has nothing to do with it.",
        "Do what is named; most often an account is to be connected again. For a run: is a worker free?",
        "they were collected, or the account was taken out",
        when_told,
        sends=False,
    ),
    Trouble.LOGIN_ENDS: Rule(
        "A login ends soon",
        "Posts go out until then. After it the account is held.",
        "Log in at the platform and connect the account again before then: `schedulo accounts connect`.",
        "the account was connected again, or its platform tells a later end",
        when_told,
        sends=False,
        reminds=False,
    ),
    Trouble.LOGIN_LACKS: Rule(
        "A login lacks permissions that planned posts need",
        "Nothing is held; what its platform refuses for it will be.",
        "Connect the account again, and allow everything that is asked.",
        "the login has them, or no planned post needs them",
        when_told,
        sends=False,
    ),
    Trouble.LOGINS_FAIL: Rule(
        "Logins cannot be renewed",
        "They are tried again every hour. Posts go out as long as the tokens last that there are.",
        "Look at the platform's Connection: login is the app's id, password its secret. Of a run that is "
        "late: look at monitor_tokens in Airflow.",
        "a login of the platform was renewed or looked at, or the next run has begun",
        when_told,
        sends=False,
    ),
    Trouble.QUOTA: Rule(
        "More is planned than will be taken",
        "Nothing is moved. What does not fit waits for the first instant at which it does, or is missed.",
        "Move posts to another day or account. `schedulo quotas` shows what is used and left.",
        "all that is planned fits, or the day is over",
        when_told,
        sends=False,
        reminds=False,
    ),
    Trouble.WORKFLOW: Rule(
        "A workflow did not do its work",
        "Its next run tries again.",
        "Look at the run in Airflow, and at the log of the task that is red.",
        "it has done its work, or a day has passed without another failure",
        lambda now_ms: _I.last_ms < now_ms - int(DAY_S * 1000),
        sends=False,
    ),
    Trouble.MAINTENANCE: Rule(
        "Maintenance",
        "Posts that are due inside are moved to its end, or wait for a person, as it was planned or as their "
        "rows say.",
        "Nothing, where that is well. Else give posts another time, say in their rows ('In maintenance') "
        "what becomes of them, or call it off.",
        "it has ended and what it moved has come to its end, or it was called off",
        when_told,
        reminds=False,
        also=Actor.OPERATOR,
    ),
    Trouble.MAINTENANCE_MISSES: Rule(
        "Posts cannot go out because of maintenance",
        "Nothing: what may not go out after the maintenance is missed.",
        "Give the posts another time, or take 'Not after' out of their rows.",
        "none of its posts waits inside the maintenance any more",
        none_overtaken,
        reminds=False,
    ),
    Trouble.DAG_FILE: Rule(
        "A Dag file cannot be read",
        "Airflow reads it again and again.",
        "Mend the file, or bring the last one back; Airflow's page shows the whole error.",
        "it can be read again, or is gone",
        when_told,
        patience_s=30.0,
        sends=False,
    ),
    Trouble.HEALTH: Rule(
        "A check of Schedulo's health is red",
        "It is checked again every five minutes.",
        "Do what is named; all checks are at /schedulo/health.",
        "the check is green",
        is_green,
        patience_s=90.0,
        sends=False,
    ),
    Trouble.SUBSCRIBER_PAUSED: Rule(
        "A subscriber of webhooks is paused",
        "Events are kept for it, for 30 days.",
        "Mend its end, then `schedulo webhooks resume` with its id: it gets all that waits.",
        "it was resumed, or removed",
        when_told,
        sends=False,
    ),
    Trouble.SUBSCRIBER_REFUSES: Rule(
        "A subscriber of webhooks refuses events",
        "Others are sent to it. Those that are named are given up.",
        "Look there why; then `schedulo webhooks replay` with its id sends them again.",
        "they were sent again, it was removed, or a day has passed without another",
        lambda now_ms: _I.last_ms < now_ms - int(DAY_S * 1000),
        sends=False,
        reminds=False,
    ),
}

_HELD_LOGIN = re.compile(rf"account:(.+):(?:{Kind.RECONNECT}|{Kind.TOKEN_EXPIRED}|{Kind.PERMISSION})")


def _account_of(trouble: Trouble, about: str) -> str | None:
    """The account whose login a person must mend; None: it is about something else."""
    match trouble:
        case Trouble.LOGIN_ENDS:
            return about.rpartition(":")[0]
        case Trouble.LOGIN_LACKS:
            return about
        case Trouble.HELD if found := _HELD_LOGIN.fullmatch(about):
            return found[1]
    return None


def incident(
    connection: sa.Connection,
    now_ms: int,
    trouble: Trouble,
    sentence: str,
    *,
    actor: Actor,
    about: str = "",
    cases: Iterable[str] = (),
) -> str:
    """Open an incident, or add to one that is open; answers its key.

    What comes back after it was over is a new occurrence, of which people are told again.

    :param sentence: what is wrong, for people, with what they must do where that depends on the cause
    :param about: names the cause among those of this kind (see `Trouble`)
    :param cases: the ids of the deliveries that it hit this time
    """
    key = f"{trouble}:{about}" if about else str(trouble)
    ended = sa.and_(_I.closed_ms.is_not(None), sa.or_(_I.end_told_ms.is_not(None), _I.told_times == 0))
    anew = connection.execute(sa.delete(incidents).where(_I.key == key, ended)).rowcount
    if anew:
        connection.execute(sa.delete(incident_cases).where(_C.incident_key == key))
    said = {"sentence": sentence, "actor": actor, "last_ms": now_ms, "closed_ms": None}
    times = connection.execute(
        upsert(connection, incidents)
        .values(key=key, kind=trouble, opened_ms=now_ms, **said)
        .on_conflict_do_update(index_elements=["key"], set_={**said, "times": _I.times + 1})
        .returning(_I.times)
    ).scalar_one()
    if times == 1 and (account_key := _account_of(trouble, about)):
        account_needs_attention(connection, now_ms, account_key, trouble, sentence)
    hit = sorted(set(cases))
    _hit(connection, now_ms, key, hit)
    note(connection, now_ms, key, trouble, sentence, actor, hit)
    return key


def add_cases(connection: sa.Connection, now_ms: int, key: str, cases: Iterable[str]) -> None:
    """Say of an open incident that it hit these deliveries, also."""
    hit = sorted(set(cases))
    _hit(connection, now_ms, key, hit)
    row = connection.execute(sa.select(_I.kind, _I.sentence, _I.actor).where(_I.key == key)).first()
    if hit and row:
        note(connection, now_ms, key, row.kind, row.sentence, row.actor, hit)


def _hit(connection: sa.Connection, now_ms: int, key: str, cases: Sequence[str]) -> None:
    rows = [{"incident_key": key, "delivery_id": id_, "at_ms": now_ms, "told_ms": None} for id_ in cases]
    if rows:
        connection.execute(
            upsert(connection, incident_cases).on_conflict_do_update(
                index_elements=["incident_key", "delivery_id"], set_={"at_ms": now_ms, "told_ms": None}
            ),
            rows,
        )


def over(connection: sa.Connection, now_ms: int, trouble: Trouble, about: str = "") -> None:
    """Close an incident of which only its opener knows that it is over."""
    key = f"{trouble}:{about}" if about else str(trouble)
    connection.execute(
        sa.update(incidents).where(_I.key == key, _I.closed_ms.is_(None)).values(closed_ms=now_ms)
    )


def replaced(
    connection: sa.Connection, now_ms: int, trouble: Trouble, about: str, *, untold: bool = False
) -> None:
    """Close an incident without a word: another one, which says more, is opened in its place.

    :param untold: only where nobody was told of it; who was, is told when it is over
    """
    connection.execute(
        sa.update(incidents)
        .where(_I.key == f"{trouble}:{about}", _I.end_told_ms.is_(None))
        .where(*([_I.told_times == 0] if untold else []))
        .values(closed_ms=sa.func.coalesce(_I.closed_ms, now_ms), end_told_ms=now_ms)
    )


def close_what_is_over(ledger: Ledger) -> None:
    """Close every incident whose cause no longer holds, by the rule of its kind.

    Looked for without a lock: mostly nothing is over. Each is closed in a transaction of its own: who sends
    waits for the row of an incident, if for any, for no other.
    """
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
        open_ = sa.select(_I.key, _I.kind).where(_I.closed_ms.is_(None))
        kinds = {row.kind for row in connection.execute(open_)}
        ended = [
            row
            for kind in kinds
            for row in connection.execute(open_.where(_I.kind == kind, RULES[Trouble(kind)].over(now_ms)))
        ]
    for row in ended:
        with ledger.begin() as connection:
            now_ms = ledger.now_ms(connection)
            still = (_I.key == row.key, _I.closed_ms.is_(None))
            connection.execute(
                sa.update(incidents)
                .where(*still, RULES[Trouble(row.kind)].over(now_ms))
                .values(closed_ms=now_ms)
            )
