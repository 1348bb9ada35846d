"""Instagram: images, carousels, reels and stories, each through a container that is prepared before and
published at the due second. What it takes is in `instagram_accepts`.

Sources: Meta's content publishing guide and its IG User media, IG Container, IG Media and
content_publishing_limit references. An account is reached through Instagram (Instagram Login) or through
its Facebook Page (Facebook Login); the calls are the same on another host, and only the second takes bytes
instead of an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from schedulo.accepts import Rules
from schedulo.errors import Phase, PlatformError
from schedulo.flow import (
    Finding,
    Flow,
    Job,
    Look,
    Lost,
    NotReady,
    Response,
    Sent,
    commit,
    due,
    step,
)
from schedulo.model import Account, Content, Format, MediaKind, Platform, Problem, Published
from schedulo.platforms import graph, graph_login
from schedulo.platforms.base import Conversation, Credential, Renewed, cannot_renew, scopes_of, seconds
from schedulo.platforms.instagram_accepts import RULES, SHAPES, Login, problems
from schedulo.platforms.instagram_container import (
    CONTAINER,
    GRAPH,
    NAMES,
    STATUS_KEEP_S,
    Container,
    Place,
    container_of,
    poll_s_of,
    processed,
    quota_left,
    status_of,
)
from schedulo.words import word

FIND_MARGIN_S = 60
CHILDREN_S = 10.0
"""How long a carousel may be shown without some of its items before they count as dropped."""


class Instagram:
    platform = Platform.INSTAGRAM

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Problem]:
        return list(problems(account, content, public_media))

    def accepts(self, account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
        return RULES.get(format_, {})

    def publish(self, job: Job) -> Flow:
        """Quota, container, processing, `Due`, media_publish, permalink."""
        place, content = Place.of(job), job.content
        yield from quota_left(place)
        container = yield from container_of(job, place)
        status = yield from processed(place, container["id"], poll_s_of(content), STATUS_KEEP_S)
        more = bool(content.first_comment) and SHAPES[content.format].captioned
        if status == Container.PUBLISHED:  # by an earlier life of this ledger: it is out, publish nothing
            media = yield from _find(place, content, container["since"])
            return (yield from _published(place, content, media, "its container was published before"))
        yield from due()
        media = yield from commit(
            "post",
            place.post(f"{place.user}/media_publish", graph.COMMIT_TIMEOUT_S, creation_id=container["id"]),
            _accepted,
            more=more,
        )
        if media is None:
            media = yield from _find(place, content, container["since"])
        published = yield from _published(place, content, media)
        if not more:
            return published
        if media is None:
            return replace(published, note=f"{published.note}; its first comment could not be written")
        request = place.post(f"{media}/comments", message=content.first_comment)
        return (yield from graph.first_comment(GRAPH, request, published))

    def reconcile(self, job: Job, sent: Sent) -> Flow:
        """The container's status first, then what is on the account since the write was opened."""
        place = Place.of(job)
        if sent.name == graph.COMMENT:
            request = place.get(
                sent.request.path.removeprefix(f"/{place.version}/"), fields="id,text", limit=50
            )
            return (yield from graph.look_for_comment(GRAPH, request, sent))
        container = dict(sent.request.form or ())["creation_id"]
        status = yield from step(
            "look-status",
            place.get(container, fields="status_code,status"),
            status_of,
            keep_s=graph.LOOK_KEEP_S,
        )
        since = sent.opened_ms // 1000 - FIND_MARGIN_S
        try:
            seen = yield from _seen("look-media", place, sent.content, since, sent.owned)
        except PlatformError as error:
            return _verdict(Container(status), None, f"the account's list cannot be read ({error.code})")
        finding = _verdict(Container(status), seen)
        if finding.look is Look.DEAD and sent.content.format is Format.STORY:
            return replace(finding, look=Look.UNCLEAR)  # stories are listed for a day, and it may be over
        return finding

    def search(self, job: Job, lost: Lost) -> Flow:
        """The account's media with this caption; a container that was kept, if it is published.

        Stories have no caption and are listed for a day: without a container, a person must look.
        """
        place = Place.of(job)
        status = Container.UNREADABLE
        for name in sorted(lost.steps):
            if name.startswith(CONTAINER) and status is not Container.PUBLISHED:
                kept = lost.steps[name]["id"]
                request = place.get(kept, fields="status_code,status")
                told = yield from step(f"look-status-{kept}", request, status_of, keep_s=graph.LOOK_KEEP_S)
                status = Container(told)
        seen = yield from _seen("look-media", place, lost.content, lost.since_ms // 1000, lost.owned)
        finding = _verdict(status, seen)
        if finding.look is Look.FOUND:
            published = yield from _published(place, lost.content, finding.value)
            return replace(finding, published=published)
        if not (seen.sure or seen.maybe):
            note = "no post on the account since then has this caption"
            return Finding(Look.ABSENT, note=note, resend=lost.content.format is not Format.STORY)
        return finding

    def refresh(self, credential: Credential) -> Flow:
        """60 more days for a login by Instagram that is at least a day old and has not expired; one by a Page
        has no end of its own, and is made anew where a person's token is kept (Meta: refresh_access_token).
        """
        by_page = credential.account.options.get("login") != Login.INSTAGRAM
        if by_page and credential.secret.get("user_token"):
            return (yield from graph_login.renew(credential, LINKED, partial(_is_linked, credential)))
        if credential.refused:
            raise cannot_renew(credential.account, "a login that is no longer accepted cannot be renewed")
        if by_page:
            return None
        request = graph.get("instagram", "/refresh_access_token", grant_type="ig_refresh_token")
        return Renewed(**(yield from step("refresh", request, _renewed, keep_s=0.0)))


LINKED = "instagram_business_account"


def _is_linked(credential: Credential, page: dict[str, Any]) -> bool:
    linked = page.get(LINKED)
    return isinstance(linked, dict) and word(linked.get("id")) == credential.account.account_id


def _renewed(response: Response) -> dict[str, Any]:
    token, body = GRAPH.text(response, "access_token"), response.json() or {}
    return {
        "access_token": token,
        "expires_in_s": seconds(body.get("expires_in")),
        "scopes": scopes_of(body.get("permissions")),
    }


CONVERSATION: Conversation = Instagram()


def _accepted(response: Response) -> str | None:
    return word(GRAPH.accepted(response).get("id")) or None


def _published(place: Place, content: Content, media: str | None, note: str = "") -> Flow:
    """The end of a post that is out; nothing from here on can take that back."""
    if media is None:
        missing = "Instagram took the post but its id is not known"
        return Published(note=f"{note}; {missing}" if note else missing)
    fields = "id,permalink,timestamp" + (",children" if content.format is Format.CAROUSEL else "")
    try:
        page = yield from step("permalink", place.get(media, fields=fields), _page)
    except PlatformError as error:
        return Published(post_id=media, note=note or f"the link could not be read ({error.code})")
    published_s = graph.epoch_s(page.get("timestamp"))
    return Published(
        post_id=media,
        permalink=word(page.get("permalink")) or None,
        published_ms=None if published_s is None else int(published_s * 1000),
        note=note,
        lacks=(yield from _left_out(place, content, media, page)),
    )


def _page(response: Response) -> dict[str, Any]:
    return {**GRAPH.data(response, Phase.READ), "read_s": response.date_s}


def _left_out(place: Place, content: Content, media: str, page: dict[str, Any]) -> Flow:
    """What Instagram dropped of a carousel, as a sentence: one of seven pictures was seen to go out as six
    without an error. It is told only if it is still so a while later."""
    sent = len(content.media)
    if content.format is not Format.CAROUSEL or not 0 < (_children(page) or 0) < sent:
        return ""

    def again(response: Response) -> dict[str, Any]:
        now = _page(response)
        early = (now["read_s"] or 0) < (page.get("read_s") or 0) + CHILDREN_S
        if early and now["read_s"] and (_children(now) or 0) < sent:
            raise NotReady(CHILDREN_S, "Instagram does not show all of the carousel yet")
        return now

    try:
        later = yield from step("children", place.get(media, fields="id,children"), again)
    except PlatformError:
        return ""
    shown = _children(later)
    if shown is None or shown >= sent:
        return ""
    return f"Instagram shows {shown} of {sent} files of this carousel"


def _children(page: Mapping[str, Any]) -> int | None:
    """How many items a carousel has; None where it does not say."""
    listed = page.get("children")
    items = listed.get("data") if isinstance(listed, dict) else None
    return len(items) if isinstance(items, list) else None


@dataclass(frozen=True, slots=True)
class Seen:
    """Media on the account since a time, of the right product: `sure` has our caption; `maybe` is without a
    readable caption, or ours has none."""

    sure: tuple[str, ...]
    maybe: tuple[str, ...]

    def unique(self) -> str | None:
        """The one that must be ours if the post is known to be out."""
        candidates = self.sure or self.maybe
        return candidates[0] if len(candidates) == 1 else None


def _seen(
    name: str, place: Place, content: Content, since: float, owned: frozenset[str] = frozenset()
) -> Flow:
    names = NAMES[content.format]
    fields = "id,caption,media_type,media_product_type,timestamp"
    # Stories are those of the last day, all of them.
    asked = int(since) if names.listed == "media" else None
    request = place.get(f"{place.user}/{names.listed}", fields=fields, since=asked, limit=50)
    items = yield from GRAPH.items(name, request)
    if items is None:
        raise GRAPH.error(Phase.READ, 200, text="the account's list does not end")
    caption = graph.normalised(content.text if SHAPES[content.format].captioned else "")
    sure, maybe = [], []
    for item in items:
        at_s = graph.epoch_s(item.get("timestamp"))
        if not _same_kind(item, content) or (at_s is not None and at_s < int(since)):
            continue
        if str(item["id"]) in owned:
            continue
        if not caption or "caption" not in item:
            if graph.normalised(item.get("caption", "")) in ("", caption):
                maybe.append(str(item["id"]))
        elif graph.normalised(item["caption"]) == caption:
            sure.append(str(item["id"]))
    return Seen(tuple(sure), tuple(maybe))


def _same_kind(item: Mapping[str, Any], content: Content) -> bool:
    """Whether an item of a list may be such a post: a carousel is no image, and a film no picture."""
    if item.get("media_product_type") != NAMES[content.format].product_type:
        return False
    if content.format is Format.REEL:
        return True
    told = "CAROUSEL_ALBUM" if content.format is Format.CAROUSEL else content.media[0].kind.upper()
    return bool(item.get("media_type", told) == told)


def _find(place: Place, content: Content, since: float | None) -> Flow:
    """The media id of a post that is known to be out; None where it cannot be told apart."""
    if since is None:
        return None
    try:
        # A name of its own: what a look kept before may be from before the post was listed.
        seen = yield from _seen("find", place, content, since)
    except PlatformError:
        return None
    return seen.unique()


def _verdict(status: Container, seen: Seen | None, trouble: str = "") -> Finding:
    said = f"container {status.value.lower()}"
    if status is Container.PUBLISHED:
        return Finding(Look.FOUND, seen.unique() if seen else None, said)
    if seen is None:
        return Finding(Look.UNCLEAR, note=f"{said}; {trouble}")
    if len(seen.sure) == 1:
        return Finding(Look.FOUND, seen.sure[0], f"{said}; one post with this caption is on the account")
    if seen.sure or seen.maybe:
        return Finding(Look.UNCLEAR, note=f"{said}; posts on the account cannot be told apart")
    said += "; no such post on the account"
    match status:
        case Container.FINISHED:
            return Finding(Look.UNUSED, note=said)
        case Container.ERROR | Container.EXPIRED:
            return Finding(Look.DEAD, note=said)
        case _:
            return Finding(Look.UNCLEAR, note=said)
