"""The week in plain words, for those who look after the accounts: told once, on the channels of incidents.

A number is compared only where both weeks are known; what is not known is said to be so.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from schedulo.airtable.schema import PLATFORM_WORDS, STATE_WORDS
from schedulo.analytics.figures import Trend
from schedulo.analytics.page import UNKNOWN, WHY, number, percent, seconds, signed, weblink
from schedulo.analytics.report import Account, Missing, Post, Report, best
from schedulo.delivery.self_tests import of_people
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import deliveries
from schedulo.model import State
from schedulo.telling.message import LABEL_CHARS, REASON_CHARS, TITLE_CHARS, Message, plain
from schedulo.telling.once import tell_once
from schedulo.telling.recipients import Recipients
from schedulo.words import counted

NAMED = 3
"""Best posts."""
LISTED = 12
"""Accounts that are listed; all are in the report."""
UNKNOWN_LISTED = 6
ON_TIME_S = 1.0
"""A post is on time within a second of its own."""
NOT_OUT = (State.FAILED, State.MISSED, State.UNRESOLVED)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Week:
    """A week from Monday to Sunday."""

    monday: date
    zone: str

    @classmethod
    def last(cls, now_ms: int, zone: str) -> Week:
        """The last whole week before an instant, on the clock of a zone."""
        today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(zone)).date()
        return cls(today - (today.isoweekday() + 6) * _DAY, zone)

    @property
    def sunday(self) -> date:
        return self.monday + 6 * _DAY

    @property
    def name(self) -> str:
        """ISO 8601, such as 2026-W48."""
        year, week, _ = self.monday.isocalendar()
        return f"{year}-W{week:02d}"

    @property
    def span_ms(self) -> tuple[int, int]:
        """Its first instant, and the first after it."""
        return self._start_ms(self.monday), self._start_ms(self.sunday + _DAY)

    def _start_ms(self, day: date) -> int:
        return int(datetime.combine(day, time(), ZoneInfo(self.zone)).timestamp() * 1000)


def not_out(connection: sa.Connection, week: Week) -> Mapping[State, int]:
    """How many posts that were due in the week did not go out, and need a person."""
    start_ms, end_ms = week.span_ms
    query = (
        sa.select(deliveries.c.state, sa.func.count().label("posts"))
        .where(
            deliveries.c.state.in_(NOT_OUT),
            deliveries.c.due_ms.between(start_ms, end_ms - 1),
            of_people(deliveries.c.post_id),
        )
        .group_by(deliveries.c.state)
    )
    return {State(row.state): row.posts for row in connection.execute(query)}


def summary(week: Week, made: Report, failed: Mapping[State, int], report_url: str = "") -> Message | None:
    """What is told of a week; None where there is nothing to tell.

    :param made: the report that ends with the week
    :param failed: as `not_out` says
    :param report_url: where the report can be seen; empty: nowhere
    """
    posts = [post for post in made.posts if post.published_on >= week.monday]
    if not (posts or failed or made.accounts):
        return None
    title = plain(f"The week {week.name}: {_headline(posts, failed)}", TITLE_CHARS)
    parts = [
        ("Posts", list(_out(posts, failed))),
        ("Accounts, against the week before", list(_growth(made.accounts, week.sunday))),
        ("Best posts", [_named(post) for post in best(posts, NAMED)]),
        ("Not known", list(_unknown(made.missing, week.monday))),
    ]
    return Message(title, _text(parts, report_url), _html(title, parts, report_url))


def tell(
    connection: sa.Connection, now_ms: int, week: Week, message: Message, recipients: Recipients
) -> tuple[str, ...]:
    """Put it into the notices of the owners' channels, once for each week; answers the channels."""
    return tell_once(connection, now_ms, f"summary:{week.name}", message, Actor.OWNER, recipients)


# --- words ----------------------------------------------------------------------------------------------

Line = tuple[str, str]
"""A sentence, and where it leads; empty: nowhere."""


def _headline(posts: Sequence[Post], failed: Mapping[State, int]) -> str:
    out = f"{counted(len(posts))} out"
    return f"{out}, {sum(failed.values())} not" if failed else out


def _out(posts: Sequence[Post], failed: Mapping[State, int]) -> Iterator[Line]:
    if posts:
        on_time = sum(post.lateness_s <= ON_TIME_S for post in posts)
        latest = max(posts, key=lambda post: post.lateness_s)
        within = f"{'all' if on_time == len(posts) else on_time} within a second of their time"
        sentence = f"{counted(len(posts))} went out, {within}"
        yield f"{sentence}; the latest was {seconds(max(0.0, latest.lateness_s))} late.", ""
    else:
        yield "No post went out.", ""
    for state, count in failed.items():
        yield f"{STATE_WORDS[state]}: {counted(count)} of the week; a person must act.", ""


def _growth(accounts: Sequence[Account], sunday: date) -> Iterator[Line]:
    ranked = sorted(accounts, key=lambda item: item.growth.views.total(sunday, 7) or -1.0, reverse=True)
    for account in ranked[:LISTED]:
        growth = account.growth
        # Where Sunday is not over yet, the week is told a day earlier.
        end = sunday if growth.end is None or growth.end >= sunday else growth.end
        if (sunday - end).days > 1:
            end = sunday
        name = plain(f"{PLATFORM_WORDS.get(growth.platform, growth.platform)} {growth.name}", LABEL_CHARS)
        followers = growth.followers.stand(end, 7)
        words = (
            f"{number(followers.now)} followers ({signed(followers.change)})",
            f"{number(growth.views.total(end, 7))} views{_compared(growth.views.totals(end, 7))}",
            f"{number(growth.engagements.total(end, 7))} engagements"
            f"{_compared(growth.engagements.totals(end, 7))}",
        )
        until = "" if end == sunday else f" (until {end:%A})"
        yield f"{name}{until}: {', '.join(words)}", ""
    if len(ranked) > LISTED:
        yield f"and {len(ranked) - LISTED} more in the report", ""


def _compared(trend: Trend) -> str:
    words = percent(trend)
    return f" ({words})" if words else ""


def _named(post: Post) -> Line:
    assert post.latest is not None
    about = f"{PLATFORM_WORDS.get(post.platform, post.platform)} {post.account}"
    numbers = f"{number(post.latest.engagements)} engagements, {number(post.latest.values['views'])} views"
    return f"{plain(post.title or post.key, LABEL_CHARS)} ({plain(about, LABEL_CHARS)}): {numbers}", weblink(
        post.permalink
    )


def _unknown(missing: Sequence[Missing], monday: date) -> Iterator[Line]:
    found = [item for item in missing if item.until >= monday]
    for item in found[:UNKNOWN_LISTED]:
        account = f"{PLATFORM_WORDS.get(item.platform, item.platform)} {item.account}"
        metrics = ", ".join(metric.replace("_", " ") for metric in item.metrics)
        why, who = WHY[item.availability]
        yield plain(f"{account}: {metrics}: {why}. {who}", REASON_CHARS + LABEL_CHARS), ""
    if len(found) > UNKNOWN_LISTED:
        yield f"and {len(found) - UNKNOWN_LISTED} more in the report", ""


def _text(parts: Sequence[tuple[str, Sequence[Line]]], report_url: str) -> str:
    lines: list[str] = []
    for heading, sentences in parts:
        if sentences:
            lines.append(f"{heading}:")
        for sentence, link in sentences:
            lines.append(f"- {sentence}")
            if link:
                lines.append(f"  {link}")
    if report_url:
        lines.append(f"The report: {report_url}")
    lines.append(f"{UNKNOWN} means: not known, or not to be compared.")
    return "\n".join(lines)


def _html(title: str, parts: Sequence[tuple[str, Sequence[Line]]], report_url: str) -> str:
    lines = [f"<h3>{html.escape(title)}</h3>"]
    for heading, sentences in parts:
        if not sentences:
            continue
        items = "".join(
            f"<li>{html.escape(sentence)}"
            + (f' <a href="{html.escape(link)}">look</a>' if link else "")
            + "</li>"
            for sentence, link in sentences
        )
        lines.append(f"<p><b>{html.escape(heading)}</b></p>\n<ul>{items}</ul>")
    if report_url:
        lines.append(f'<p><a href="{html.escape(report_url)}">The report</a></p>')
    lines.append(f"<p>{UNKNOWN} means: not known, or not to be compared.</p>")
    return "\n".join(lines)
