"""A rehearsal as one HTML page, in the frame of the reports: what was received, as it was received."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from jinja2 import Template

from schedulo.analytics.page import framed
from schedulo.model import Content, Media
from schedulo.planning.rehearse import Where
from schedulo.rehearsals.play import Received, Rehearsal, Rehearsed


def page(rehearsal: Rehearsal, made_at: datetime, zone: str) -> str:
    """The page. What strangers wrote is escaped by the template.

    :param zone: the IANA zone of times on it
    """
    return _template().render(
        rehearsal=rehearsal,
        tried=rehearsal.where is Where.SANDBOX,
        made_at=made_at.astimezone(UTC),
        zone=zone,
        shown=parts,
    )


def parts(item: Rehearsed) -> list[tuple[str, str, list[str]]]:
    """What was received, or would be sent: (kind, text, files), each file in words."""
    files = {media.sha256: described(media) for media in _files(item.content)}
    if item.received:
        return [(part.kind, part.text, _named(part, files)) for part in item.received]
    if item.content is None or not item.went:
        return []
    content = item.content
    found = [(content.format.value, content.text, [described(media) for media in _files(content)])]
    found += [("thread", text, []) for text in content.thread]
    if content.first_comment:
        found.append(("comment", content.first_comment, []))
    return found


def _files(content: Content | None) -> tuple[Media, ...]:
    if content is None:
        return ()
    return (*content.media, *((content.cover,) if content.cover else ()))


def _named(part: Received, files: dict[str, str]) -> list[str]:
    return [files.get(sha256, "a file that its platform made of ours") for sha256 in part.media]


def described(media: Media) -> str:
    """A file in words: `roast.jpg: image, 1080 × 1350, 240 kB`."""
    said = [media.kind.value]
    if media.width and media.height:
        said.append(f"{media.width} × {media.height}")
    if media.duration_ms:
        said.append(f"{media.duration_ms / 1000:.1f} s")
    said.append(f"{max(1, round(media.size_bytes / 1000)):,} kB")
    alt = f'; alt text "{media.alt_text}"' if media.alt_text else ""
    return f"{media.filename or 'a file'}: {', '.join(said)}{alt}"


@cache
def _template() -> Template:
    return framed("schedulo.rehearsals").get_template("rehearsal.html")
