"""Facebook Pages: posts that are out. Sources: Meta, Pages API (posts: update, delete), published_posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from schedulo.errors import Phase, PlatformError
from schedulo.flow import Flow, Job
from schedulo.model import Account, Content, Format
from schedulo.platforms import graph
from schedulo.platforms.after import TAKE_DOWN, After, Ended, Out, Presence, amend, hidden
from schedulo.platforms.facebook_page import GRAPH, Page
from schedulo.words import word

EDITABLE = (Format.TEXT, Format.LINK, Format.IMAGE, Format.IMAGES)
DONE = partial(GRAPH.success, phase=Phase.READ)
LISTED = (*EDITABLE, Format.VIDEO, Format.REEL)


class FacebookAfter:
    batch = 50
    """One request each; a list only where one cannot be read."""

    def cannot_take_down(self, account: Account, content: Content) -> str:
        if content.format is Format.STORY:
            return "Facebook names no way to take a story down; delete it in the app, or wait a day"
        return ""

    def cannot_edit(self, account: Account, content: Content) -> str:
        if content.format in EDITABLE:
            return ""
        return f"Facebook lets us change the text of posts, not of a {content.format}; change it in the app"

    def take_down(self, job: Job, out: Out) -> Flow:
        """By the id that is known, else by the one under which the Page lists it: videos have several."""
        page = Page.of(job)
        try:
            yield from amend(TAKE_DOWN, page.delete(out.post_id), DONE)
        except PlatformError as error:
            if not graph.unreadable(error):
                raise
            names = yield from _lists(page, [out])
            listed = None if names is None else names.get(_short(out.post_id), "")
            if listed is None or listed == out.post_id:
                raise hidden(error) from None
            if listed:
                yield from amend(f"{TAKE_DOWN}-listed", page.delete(listed), DONE)
        return Ended()

    def edit(self, job: Job, out: Out, name: str) -> Flow:
        """Only for posts that our app has made; others are refused (Meta: Pages API, update a post)."""
        request = Page.of(job).commit(out.post_id, message=job.content.text)
        yield from amend(name, request, DONE)
        return Ended()

    def look(self, job: Job, posts: Sequence[Out]) -> Flow:
        page = Page.of(job)
        there, missing = yield from graph.seen(GRAPH, posts, lambda out: page.get(out.post_id, fields="id"))
        return there | ((yield from listed(page, missing)) if missing else {})


def listed(page: Page, posts: Sequence[Out]) -> Flow:
    """What the lists of the Page's public posts say of posts that cannot be read one by one."""
    names = yield from _lists(page, posts)
    return {out.key: _presence(out, names) for out in posts}


def _presence(out: Out, names: Mapping[str, str] | None) -> Presence:
    if names is None or out.content.format not in LISTED:
        return Presence.UNSEEN
    return Presence.THERE if _short(out.post_id) in names else Presence.ABSENT


def _lists(page: Page, posts: Sequence[Out]) -> Flow:
    """The ids of all public posts, by each number that they and what is attached to them are known by. None
    where the lists do not end. Reels are in a list of their own."""
    names = yield from _names(page, "published_posts", "id,attachments{target}")
    if names is not None and any(out.content.format is Format.REEL for out in posts):
        more = yield from _names(page, "video_reels", "id,post_id")
        names = None if more is None else names | more
    return names


def _names(page: Page, edge: str, fields: str) -> Flow:
    request = page.get(f"{page.page_id}/{edge}", fields=fields, limit=100)
    items = yield from GRAPH.items(f"look-{edge}", request)
    if items is None:
        return None
    return {
        _short(name): str(item["id"])
        for item in items
        for name in (item["id"], item.get("post_id"), *_targets(item))
        if name
    }


def _targets(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _targets(item)]
    if not isinstance(node, dict):
        return []
    own = [word(node["target"].get("id"))] if isinstance(node.get("target"), dict) else []
    return own + [name for value in node.values() for name in _targets(value)]


def _short(post_id: Any) -> str:
    """A post's number, with or without its Page's before it."""
    return word(post_id).rpartition("_")[2]


AFTER: After = FacebookAfter()
