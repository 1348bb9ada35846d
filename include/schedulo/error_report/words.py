"""The report of a day's errors in plain words, for the operators' channels and for a terminal."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from datetime import date

import sqlalchemy as sa

from schedulo.airtable.schema import PLATFORM_WORDS
from schedulo.analytics.page import UNKNOWN, day, moment, number, signed
from schedulo.error_report.figures import Cause, ErrorReport, Group
from schedulo.errors.kinds import Actor
from schedulo.telling.message import LABEL_CHARS, REASON_CHARS, TITLE_CHARS, Message, plain
from schedulo.telling.once import tell_once
from schedulo.telling.recipients import Recipients
from schedulo.words import counted

CAUSES = 5
"""Causes that a message names; all are in the report."""
ACCOUNTS = 5
MARK = "errors:"
"""With this begins the mark that a day was told; the date follows."""


def lines(report: ErrorReport) -> list[str]:
    """All of it as lines, for a terminal."""
    return [line for heading, sentences in _parts(report) for line in (f"{heading}:", *_dashed(sentences))]


def message(report: ErrorReport, report_url: str = "") -> Message | None:
    """What the operators are told; None where nobody need hear anything.

    :param report_url: where the page can be seen; empty: nowhere
    """
    if not report.hits and all(cause.actor is Actor.NOBODY for cause in report.causes):
        return None
    title = plain(f"Errors of {day(report.on)}: {headline(report)}", TITLE_CHARS)
    found = list(_parts(report))
    body = [line for heading, sentences in found for line in (f"{heading}:", *_dashed(sentences))]
    shown = [f"<h3>{html.escape(title)}</h3>"]
    for heading, sentences in found:
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
        shown.append(f"<p><b>{html.escape(heading)}</b></p>\n<ul>{items}</ul>")
    if report_url:
        body.append(f"The report: {report_url}")
        shown.append(f'<p><a href="{html.escape(report_url)}">The report</a></p>')
    return Message(title, "\n".join(body), "\n".join(shown))


def tell(
    connection: sa.Connection, now_ms: int, on: date, told: Message, recipients: Recipients
) -> tuple[str, ...]:
    """Put it into the notices of the operators' channels, once for each day; answers the channels."""
    return tell_once(connection, now_ms, f"{MARK}{on}", told, Actor.OPERATOR, recipients)


def headline(report: ErrorReport) -> str:
    """The day in half a sentence."""
    counts = report.day.counts or {}
    said = [f"{counts[group]} {group}" for group in Group if counts.get(group)]
    if said:
        return f"{counted(report.day.hit or 0)} ({report.day.due} were due): " + ", ".join(said)
    causes = len(report.around)
    return f"no post, {causes} {'cause' if causes == 1 else 'causes'} around them" if causes else "none"


def _dashed(sentences: Sequence[str]) -> Iterator[str]:
    return (f"- {sentence}" for sentence in sentences)


def _parts(report: ErrorReport) -> Iterator[tuple[str, list[str]]]:
    """Headings with sentences, none of them empty."""
    parts = (
        ("Posts", list(_posts(report))),
        ("Causes", list(_causes(report.of_posts))),
        ("Where", list(_where(report))),
        ("Around the posts", list(_causes(report.around))),
    )
    yield from (part for part in parts if part[1])


def _posts(report: ErrorReport) -> Iterator[str]:
    if not report.whole:
        since = moment(report.known_since, report.zone)
        yield f"Not all of the day is known: it is noted since {since}, or older notes were removed"
    if report.day.counts is None:
        return
    out = report.out_by_now
    if report.hits:
        are = "is" if out == 1 else "are"
        yield f"Something was wrong with {headline(report)}; {out} of them {are} out by now"
    elif report.whole:
        yield f"Nothing was wrong with any of {number(report.day.due)} that were due"
    compared = (
        ("the day before", report.day_before.hit),
        ("the same weekday a week before", report.same_day.hit),
        ("an average day of the week before", report.week_before),
    )
    hit = report.day.hit or 0
    said = [
        f"{name}: {UNKNOWN}" if then is None else f"{name}: {number(then)} ({signed(hit - then)})"
        for name, then in compared
    ]
    yield f"Against {', '.join(said)}; {UNKNOWN} is not known"


def _causes(causes: Sequence[Cause]) -> Iterator[str]:
    for cause in causes[:CAUSES]:
        count = counted(cause.posts) if cause.posts else f"{cause.times} times"
        if cause.times == 1 and not cause.posts:
            count = "once"
        new = ", not in the week before" if cause.before == 0 else ""
        stands = ", not over" if cause.stands else ""
        who = "Nobody must act." if cause.actor is Actor.NOBODY else f"{cause.actor}: {cause.todo}"
        sentence = plain(cause.sentence, REASON_CHARS).rstrip(".")
        yield f"{cause.title} ({count}{new}{stands}): {sentence}. {who[0].upper()}{who[1:]}"
    if len(causes) > CAUSES:
        yield f"and {len(causes) - CAUSES} more in the report"


def _where(report: ErrorReport) -> Iterator[str]:
    for part in report.accounts[:ACCOUNTS]:
        counts = ", ".join(f"{part.counts[group]} {group}" for group in Group if part.counts[group])
        name = f"{PLATFORM_WORDS.get(part.platform, part.platform)} {part.account}"
        yield f"{plain(name, LABEL_CHARS)}: {counts}; {part.due} were due"
    if len(report.accounts) > ACCOUNTS:
        yield f"and {len(report.accounts) - ACCOUNTS} accounts more in the report"
