"""The words of a message, as text and as HTML: what happened, to which posts, what is done, who must act.

Titles, captions and what platforms answer are written by strangers: they are cut, escaped, and kept from
calling everybody in a chat.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from schedulo.airtable.schema import STATE_WORDS
from schedulo.delivery.self_tests import is_self_test
from schedulo.errors.kinds import Actor
from schedulo.model import State
from schedulo.telling.news import Case, News, Occasion
from schedulo.words import counted

TITLE_CHARS = 150
LABEL_CHARS = 120
SENTENCE_CHARS = 500
REASON_CHARS = 200
DIGEST_CHARS = 20_000
"""Beyond it a digest gives the titles of further messages alone."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Line breaks and what turns the direction of writing: a title must not look like another line."""
_CALLS = re.compile(r"@(?=everyone\b|here\b|channel\b|all\b)|<(?=[!@#])", re.IGNORECASE)
"""What chats take for a call to everybody."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where links lead."""

    airflow_url: str = ""
    """Of Airflow's page; empty: no links to it."""
    base_id: str = ""
    """The Airtable base; empty: no links to it."""
    posts_table: str = ""
    deliveries_table: str = ""
    """Ids of the tables (`tbl...`)."""

    def task(self, case: Case) -> str:
        """The task instance that worked on a delivery last; empty where there is none."""
        if not self.airflow_url or case.run_id is None:
            return ""
        path = f"dags/{case.dag_id}/runs/{quote(case.run_id, safe='')}/tasks/publish/mapped/{case.map_index}"
        return f"{self.airflow_url.rstrip('/')}/{path}"

    def record(self, case: Case) -> str:
        """The delivery's row in Airtable, else its post's."""
        if self.base_id and self.deliveries_table and case.record_id:
            return f"https://airtable.com/{self.base_id}/{self.deliveries_table}/{quote(case.record_id)}"
        if self.base_id and self.posts_table and not is_self_test(case.post_record_id):
            return f"https://airtable.com/{self.base_id}/{self.posts_table}/{quote(case.post_record_id)}"
        return ""


@dataclass(frozen=True, slots=True)
class Message:
    title: str
    body: str
    html: str


def message(news: News, places: Places) -> Message:
    """What people read of one incident."""
    title = plain(_title(news), TITLE_CHARS)
    return Message(title, "\n".join(_text(news, places)), "\n".join(_html(title, news, places)))


def digest(messages: Sequence[Message]) -> Message:
    """Several messages as one: in full as far as there is room, each with its title at least."""
    if len(messages) == 1:
        return messages[0]
    title = _cut(f"{len(messages)} messages: {messages[0].title}, ...", TITLE_CHARS)
    bodies, pages, room = [], [], DIGEST_CHARS
    for item in messages:
        room -= len(item.body)
        full = room >= 0
        bodies.append(f"== {item.title}" + (f"\n{item.body}" if full else ""))
        pages.append(item.html if full else f"<h3>{html.escape(item.title)}</h3>")
    return Message(title, "\n\n".join(bodies), "\n<hr>\n".join(pages))


def plain(text: str, limit: int) -> str:
    """One line of foreign text, cut to `limit` characters."""
    return _cut(_CALLS.sub(lambda call: call[0] + "\u200b", _CONTROLS.sub(" ", text).strip()), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def moment(at_ms: int) -> str:
    """An instant for people, in UTC to the minute."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


_TITLES = {
    Occasion.BEGAN: "{title}{posts}",
    Occasion.MORE: "{title}: {fresh} more{posts}",
    Occasion.LASTS: "Still: {title}{posts}",
    Occasion.OVER: "Over: {title}{posts}",
}


def _title(news: News) -> str:
    posts = f" ({counted(news.posts)})" if news.posts else ""
    words = _TITLES[news.occasion].format(title=news.rule.title, posts=posts, fresh=news.fresh)
    first = f": {news.cases[0].label}" if news.posts == 1 else ""
    return words + first


def _facts(news: News) -> list[tuple[str, str]]:
    """The message's paragraphs but for the posts: (heading, sentence)."""
    facts = [("What happened", plain(news.sentence, SENTENCE_CHARS))]
    if news.closed_ms is not None:
        return [
            *facts,
            ("Over", f"since {moment(news.closed_ms)}; it began at {moment(news.opened_ms)}{_end(news)}."),
        ]
    if shared := _shared(news):
        facts.append(("Each post", plain(shared, REASON_CHARS)))
    since = f"{moment(news.opened_ms)}"
    facts.append(("Since", since if news.times == 1 else f"{since}; seen {news.times} times"))
    facts.append(("What is being done", news.rule.doing))
    if news.actor is Actor.NOBODY:
        return [*facts, ("Who must act", "nobody, for now.")]
    return [*facts, ("Who must act", f"{news.actor}. {news.rule.todo}")]


def _end(news: News) -> str:
    """What became of the posts, counted."""
    if not news.posts:
        return ""
    if not news.rule.sends:
        return ". " + _counted(news.states)
    out = news.states.get(State.PUBLISHED, 0)
    last = f", the last at {moment(news.last_out_ms)}" if news.last_out_ms is not None else ""
    if out and news.rule.says_how_late:
        last += f", {'the latest ' if out > 1 else ''}{_late(news.latest_ms / 1000)} late"
    if out == news.posts:
        return f". {'All ' if out > 1 else ''}{counted(out)} went out{last}"
    parts = [
        f"{out} of {counted(news.posts)} went out{last}" if out else f"none of {counted(news.posts)} went out"
    ]
    others = _counted({state: n for state, n in news.states.items() if state is not State.PUBLISHED})
    return ". " + "; ".join(filter(None, (*parts, others)))


def _late(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 300 else f"{seconds / 60:.0f} minutes"


def _counted(states: Mapping[State, int]) -> str:
    return "; ".join(f"{STATE_WORDS[state]}: {count}" for state, count in sorted(states.items()))


def _shared(news: News) -> str:
    """The reason that all posts have in common, where it says more than the incident; said once."""
    reasons = {case.reason for case in news.cases}
    if len(news.cases) < 2 or len(reasons) > 1 or reasons == {news.sentence}:
        return ""
    return reasons.pop()


def _about(case: Case, news: News) -> str:
    """What is to be said of one post besides its name."""
    said = f"due {moment(case.due_ms)}, {STATE_WORDS[case.state].lower()}"
    known = case.reason in (news.sentence, _shared(news))
    reason = "" if known else plain(case.reason, REASON_CHARS)
    return f"{said}: {reason}" if reason else said


def _rest(news: News) -> str:
    return f"and {news.posts - len(news.cases)} more" if news.posts > len(news.cases) else ""


def _text(news: News, places: Places) -> Iterator[str]:
    for heading, sentence in _facts(news):
        yield f"{heading}: {sentence}"
    if news.cases:
        yield f"Posts ({news.posts}):"
    for case in news.cases:
        mark = "new " if case.new and news.occasion is Occasion.MORE else ""
        yield f"- {mark}{plain(case.label, LABEL_CHARS)} ({_about(case, news)})"
        for link in filter(None, (places.task(case), places.record(case))):
            yield f"  {link}"
    if rest := _rest(news):
        yield f"- {rest}"


def _html(title: str, news: News, places: Places) -> Iterator[str]:
    yield f"<h3>{html.escape(title)}</h3>"
    for heading, sentence in _facts(news):
        yield f"<p><b>{html.escape(heading)}:</b> {html.escape(sentence)}</p>"
    if not news.cases:
        return
    yield f"<p><b>Posts ({news.posts}):</b></p>\n<ul>"
    for case in news.cases:
        links = [("task", places.task(case)), ("Airtable", places.record(case))]
        shown = "".join(f' <a href="{html.escape(url)}">{name}</a>' for name, url in links if url)
        label = html.escape(plain(case.label, LABEL_CHARS))
        yield f"<li><b>{label}</b> ({html.escape(_about(case, news))}){shown}</li>"
    if rest := _rest(news):
        yield f"<li>{rest}</li>"
    yield "</ul>"
