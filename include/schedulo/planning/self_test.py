"""Plans the post by which Schedulo tries itself: once a day, on an account that is for nothing else.

It is a delivery like any other from here on: the next tick claims it, a trigger waits for its second, the
fence, the content guard and holds are the same. Nobody wrote it, so Airtable is told nothing of it, and no
number or report counts it. What came of it, the check `self_test` of the health says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import sqlalchemy as sa

from schedulo.clock import time_zone
from schedulo.delivery.planning import Plan, PostPlan, identity, plan_post
from schedulo.delivery.rows import tell_story
from schedulo.delivery.self_tests import PREFIX, of_people
from schedulo.delivery.transitions import move
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries
from schedulo.model import Account, Content, Format, Platform, State
from schedulo.planning.content import content_hash, fingerprint
from schedulo.platforms.base import Conversation
from schedulo.settings import Settings

LEAD_S = 150.0
"""From planning to its second: a tick comes first, and prepares it a minute before at the least."""
WAITS = (State.SCHEDULED, State.HELD, State.FAILED, State.MISSED)
"""An older one that stands here is given up: today's says more."""

_D, _A = deliveries.c, accounts.c


class SelfTestError(ValueError):
    """The account that is set cannot be tried; the sentence names it and who can mend it."""


def plan_self_test(
    ledger: Ledger,
    conversations: Mapping[Platform, Conversation],
    settings: Settings,
    lead_s: float = LEAD_S,
) -> str:
    """Plan today's, on the operator's clock; answers what was done, as a sentence. Again on the same day:
    where it is not out and nobody is at work on it, it gets another second.

    :param lead_s: from now to its second
    :raises SelfTestError: where the account is not known, not in use, or has posts of people
    """
    key = settings.self_test_account
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        account = _account(connection, key)
        local = time_zone(settings.airtable_timezone, field="SCHEDULO_AIRTABLE_TIMEZONE")
        today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(local).date()
        post = _post(account, today, now_ms + int(lead_s * 1000), settings)
        content = post.plans[0].content
        assert content is not None
        problems = conversations[account.platform].check(account, content, public_media=False)
        if wrong := [item.sentence() for item in problems if not item.warning]:
            raise SelfTestError(f"SCHEDULO_SELF_TEST_ACCOUNT ({key}) takes no self-test: {' '.join(wrong)}")
        id_ = identity(post.record_id, key)
        state = connection.execute(sa.select(_D.state).where(_D.id == id_)).scalar()
        if state is not None and state not in WAITS:
            return f"Today's self-test is planned already: it is {state}."
        _give_up_older(connection, now_ms, key, id_)
        plan_post(connection, now_ms, post, int(settings.content_guard_s * 1000))
    return f"Today's self-test on {account.platform} {account.name} is due in {lead_s:.0f} seconds."


def _account(connection: sa.Connection, key: str) -> Account:
    row = connection.execute(sa.select(accounts).where(_A.key == key)).first()
    setting = f"SCHEDULO_SELF_TEST_ACCOUNT ({key})"
    if row is None or not row.active:
        raise SelfTestError(
            f"{setting}: it must be an account that is in use, with its row in Accounts. The operator "
            "corrects the setting, or the account's owner adds the row."
        )
    people = sa.select(_D.id).where(_D.account_key == key, of_people(_D.post_id)).limit(1)
    if connection.execute(people).first() is not None:
        raise SelfTestError(
            f"{setting}: posts of people are planned on it, or were. It must be an account for tests alone. "
            "The operator sets another one."
        )
    return Account(Platform(row.platform), row.account_id, row.name, row.timezone, row.options)


def _post(account: Account, today: date, due_ms: int, settings: Settings) -> PostPlan:
    """Its words differ from day to day: platforms refuse what was posted before."""
    content = Content(Format.TEXT, f"Schedulo's self-test of {today:%d %B %Y}. Nothing is to be done.")
    plan = Plan(
        account=account,
        content=content,
        content_hash=content_hash(content),
        fingerprint=fingerprint(content),
        due_ms=due_ms,
        not_after_ms=due_ms + int(settings.missed_after_s * 1000),
        problem="",
    )
    return PostPlan(f"{PREFIX}{today}", f"Self-test of {today}", (plan,), "", unprepared=False, wanted=True)


def _give_up_older(connection: sa.Connection, now_ms: int, key: str, today_id: str) -> None:
    older = sa.select(_D.id).where(
        _D.account_key == key, ~of_people(_D.post_id), _D.id != today_id, _D.state.in_(WAITS)
    )
    ids = connection.execute(older).scalars().all()
    reason = "a younger self-test takes its place"
    gone = move(connection, ids, State.CANCELLED, _D.state.in_(WAITS), reason=reason, updated_ms=now_ms)
    tell_story(connection, now_ms, ((id_, reason) for id_ in gone))
