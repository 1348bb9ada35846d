"""Facebook Pages: text, links, photos, videos, reels and stories. What is taken is in `facebook_limits`.

Every format but one-phase text has a handle before its commit: an unpublished post, unpublished photos, or
the id of an uploaded video. Sources: Meta's Pages API (posts), the references of Page feed, photos and
videos, and the video API's guide to reels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    Response,
    Sent,
    commit,
    due,
    side_by_side,
    step,
)
from schedulo.model import Account, Content, Format, MediaKind, Platform, Problem, Published
from schedulo.platforms import graph, graph_login
from schedulo.platforms.base import Conversation, Credential, cannot_renew
from schedulo.platforms.facebook_limits import problems, rules
from schedulo.platforms.facebook_page import (
    EARLIER_S,
    GRAPH,
    SITE,
    Page,
    not_read,
    upload_photo,
    whole_link,
)
from schedulo.platforms.facebook_story import look_at_story, publish_story, search_stories
from schedulo.platforms.facebook_video import look_at_video, public_reels, publish_reel, publish_video
from schedulo.words import word


class Facebook:
    platform = Platform.FACEBOOK

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Problem]:
        """All that Facebook would refuse, and what of the row it leaves out."""
        return list(problems(account, content))

    def accepts(self, account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
        """The same for every Page, but for the size of photos, which a setting may lower."""
        return rules(account, format_)

    def publish(self, job: Job) -> Flow:
        published = yield from self._post(job)
        comment = job.content.first_comment
        if not comment or job.content.format is Format.STORY:
            return published
        if published.post_id is None:
            return replace(published, note=f"{published.note}; its first comment could not be written")
        request = Page.of(job).commit(f"{published.post_id}/comments", message=comment)
        return (yield from graph.first_comment(GRAPH, request, published))

    def _post(self, job: Job) -> Flow:
        match job.content.format:
            case Format.TEXT | Format.LINK:
                return _drafted(job) if job.options["facebook_two_phase"] else _at_once(job)
            case Format.IMAGE | Format.IMAGES:
                return _photos(job)
            case Format.VIDEO:
                return publish_video(job)
            case Format.REEL:
                return publish_reel(job)
            case Format.STORY:
                return publish_story(job)
            case other:
                raise ValueError(f"{other} is not a format of Facebook; check() says so")

    def reconcile(self, job: Job, sent: Sent) -> Flow:
        page = Page.of(job)
        if sent.name == graph.COMMENT:
            path = sent.request.path.removeprefix(f"/{page.version}/")
            return graph.look_for_comment(GRAPH, page.get(path, fields="id,message", limit=100), sent)
        if sent.content.format is Format.STORY:
            return look_at_story(page, sent)
        if sent.content.format in (Format.VIDEO, Format.REEL):
            return look_at_video(page, sent.steps["start"]["video_id"])
        form = dict(sent.request.form or ())
        if "attached_media" in form:
            photos = [item["media_fbid"] for item in json.loads(form["attached_media"])]
            return _look_for_photos(page, photos)
        if "is_published" in form:
            return _look_at_post(page, sent.steps["draft"])
        return _look_for_words(page, sent)

    def search(self, job: Job, lost: Lost) -> Flow:
        """The Page's public posts, or reels, with this text; what was kept, where it is public."""
        page = Page.of(job)
        return search_stories(page, lost) if lost.content.format is Format.STORY else _search(page, lost)

    def refresh(self, credential: Credential) -> Flow:
        """A Page's token has no end; it dies when the person behind it changes something. Where that
        person's own token is kept, another is made with it (Meta: long-lived tokens)."""
        if credential.secret.get("user_token"):
            page_id = credential.account.account_id
            return (yield from graph_login.renew(credential, "tasks", lambda page: page["id"] == page_id))
        if credential.refused:
            raise cannot_renew(credential.account, "a Page's token that is refused cannot be renewed")
        return None


CONVERSATION: Conversation = Facebook()


# Posts: a commit on `feed` keeps {"id", "permalink_url"}.


def _created(response: Response) -> dict[str, str | None] | None:
    """The new post; None where the answer cannot be read."""
    body = GRAPH.accepted(response)
    post_id, link = word(body.get("id")), word(body.get("permalink_url"))
    return {"id": post_id, "permalink_url": link or None} if post_id else None


def _drafted(job: Job) -> Flow:
    """Text and links: an unpublished post, made public by a switch that may be flipped again."""
    page, content = Page.of(job), job.content
    draft = yield from step(
        "draft",
        page.post(f"{page.page_id}/feed", message=content.text or None, link=content.link, published=False),
        partial(GRAPH.text, name="id"),
        keep_s=graph.HANDLE_KEEP_S,
    )
    public = yield from step(
        "draft-check", page.get(draft, fields="is_published"), _is_published, keep_s=graph.HANDLE_KEEP_S
    )
    if public:
        note = "Facebook made the draft public at once, before its time; switch two-phase posts off"
        return (yield from _published(page, {"id": draft, "permalink_url": None}, note))
    yield from due()
    yield from commit(
        "post", page.commit(draft, is_published=True), _switched, more=bool(content.first_comment)
    )
    return (yield from _published(page, {"id": draft, "permalink_url": None}))


def _is_published(response: Response) -> bool:
    """False where the draft may not be read: the switch works all the same."""
    try:
        return GRAPH.data(response, Phase.READ).get("is_published") is True
    except PlatformError as error:
        if graph.unreadable(error):
            return False
        raise


def _switched(response: Response) -> bool | None:
    return GRAPH.accepted(response).get("success")


def _at_once(job: Job) -> Flow:
    """Text and links in one request: no handle, so a lost answer is looked for in the list of posts."""
    page, content = Page.of(job), job.content
    yield from due()
    made = yield from commit(
        "post",
        page.commit(
            f"{page.page_id}/feed",
            message=content.text or None,
            link=content.link,
            fields="id,permalink_url",
        ),
        _created,
        more=bool(content.first_comment),
    )
    return (yield from _published(page, made))


def _photos(job: Job) -> Flow:
    """Photos are uploaded unpublished; a feed post with them attached is the commit."""
    page, content = Page.of(job), job.content
    photos = yield from side_by_side(
        *(upload_photo(page, number, media) for number, media in enumerate(content.media))
    )
    yield from due()
    attached = json.dumps([{"media_fbid": photo} for photo in photos], separators=(",", ":"))
    made = yield from commit(
        "post",
        page.commit(
            f"{page.page_id}/feed",
            message=content.text or None,
            attached_media=attached,
            fields="id,permalink_url",
        ),
        _created,
        more=bool(content.first_comment),
    )
    if made is None:
        try:
            # A name of its own: what a look kept before may be from before the post was listed.
            made = yield from _post_of_photos("find", page, photos)
        except PlatformError:
            made = None
    return (yield from _published(page, made))


def _published(page: Page, post: dict[str, str | None] | None, note: str = "") -> Flow:
    """The end of a post that is out; nothing from here on can take that back."""
    if post is None:
        return Published(note="Facebook took the post but its id is not known")
    link = post["permalink_url"]
    if link is None:
        try:
            link = yield from step(
                "permalink",
                page.get(str(post["id"]), fields="permalink_url"),
                partial(GRAPH.text, name="permalink_url", phase=Phase.READ),
            )
        except PlatformError:
            link = f"{SITE}/{post['id']}"  # Meta: a post answers at its id as well
    return Published(post_id=post["id"], permalink=whole_link(link), note=note)


# Looking what became of a write.


def _look_at_post(page: Page, post_id: str) -> Flow:
    try:
        body = yield from step(
            "look-post",
            page.get(post_id, fields="is_published"),
            partial(GRAPH.data, phase=Phase.READ),
            keep_s=graph.LOOK_KEEP_S,
        )
    except PlatformError as error:
        return not_read(error, "the draft")
    match body.get("is_published"):
        case True:
            return Finding(Look.FOUND, True, "the post is public")
        case False:
            return Finding(Look.UNUSED, note="the post is still a draft")
        case _:
            return Finding(Look.UNCLEAR, note="the draft does not tell whether it is public")


def _look_for_photos(page: Page, photos: Sequence[str]) -> Flow:
    try:
        post = yield from _post_of_photos("look-posts", page, photos)
    except PlatformError as error:
        return not_read(error, "the list of posts")
    if post is None:
        return Finding(Look.ABSENT, note="no public post has these photos")
    return Finding(Look.FOUND, post, "a public post has these photos")


def _post_of_photos(name: str, page: Page, photos: Sequence[str]) -> Flow:
    """The public post with one of these photos (they are ours alone), or None."""
    posts = yield from _public_posts(name, page)
    wanted = set(photos)
    return next((_post(item) for item in posts if wanted & _attached(item.get("attachments"), "id")), None)


def _look_for_words(page: Page, sent: Sent) -> Flow:
    """Posts without a handle: the one public post with this text (or link) since the write was opened."""
    words, since_s = graph.normalised(sent.content.text), sent.opened_ms / 1000 - EARLIER_S
    try:
        posts = yield from _public_posts("look-posts", page)
    except PlatformError as error:
        return not_read(error, "the list of posts")
    found = []
    for item in posts:
        at_s = graph.epoch_s(item.get("created_time"))
        if _same(item, words, sent.content.link) and (at_s is None or at_s >= since_s):
            found.append(_post(item))
    match found:
        case []:
            return Finding(Look.ABSENT, note="no public post has this text")
        case [post]:
            return Finding(Look.FOUND, post, "one public post has this text")
        case _:
            return Finding(Look.UNCLEAR, note=f"{len(found)} public posts have this text")


def _search(page: Page, lost: Lost) -> Flow:
    content = lost.content
    video = content.format in (Format.VIDEO, Format.REEL)
    if video and "start" in lost.steps:
        kept = yield from look_at_video(page, lost.steps["start"]["video_id"])
        if kept.look is Look.FOUND:
            return replace(kept, published=Published(post_id=kept.value))
    if content.format is Format.REEL:
        items = yield from public_reels("look-reels", page)  # they are in no list of posts
    else:
        items = yield from _public_posts("look-posts", page)
    words, since_s = graph.normalised(content.text), lost.since_ms / 1000 - EARLIER_S
    fresh = [
        item
        for item in items
        if str(item["id"]) not in lost.owned
        and str(item.get("post_id")) not in lost.owned
        and ((at_s := graph.epoch_s(item.get("created_time"))) is None or at_s >= since_s)
    ]
    found = [item for item in fresh if _same(item, words, content.link)]
    match found:
        case [item]:
            at_s = graph.epoch_s(item.get("created_time"))
            published = Published(
                post_id=str(item.get("post_id") or item["id"]),
                permalink=whole_link(item.get("permalink_url")),
                published_ms=None if at_s is None else int(at_s * 1000),
            )
            return Finding(Look.FOUND, note="one public post has this text", published=published)
        case [] if video:
            note = "no public video has this text; Facebook may still be working on one"
            return Finding(Look.ABSENT, note=note, resend=False)
        case [] if words or content.link or not fresh:
            return Finding(Look.ABSENT, note="no public post has this text")
        case []:
            note = "there are newer posts, and without a text ours cannot be told apart"
            return Finding(Look.UNCLEAR, note=note, resend=False)
        case _:
            return Finding(Look.UNCLEAR, note=f"{len(found)} public posts have this text", resend=False)


def _same(item: dict[str, Any], words: str, link: str | None) -> bool:
    """Whether a public post says these words or, without any, shows this link."""
    if words:
        return graph.normalised(item.get("message") or item.get("description") or "") == words
    return link is not None and link in _attached(item.get("attachments"), "url", "unshimmed_url")


def _public_posts(name: str, page: Page) -> Flow:
    """All of them: the order is Facebook's own, so an old post on top says nothing of what follows."""
    fields = "id,message,created_time,permalink_url,attachments{target,url,unshimmed_url,subattachments}"
    posts = yield from GRAPH.items(
        name, page.get(f"{page.page_id}/published_posts", fields=fields, limit=100)
    )
    if posts is None:
        raise GRAPH.error(Phase.READ, 503, text="the list of posts does not end")
    return posts


def _post(item: dict[str, Any]) -> dict[str, str | None]:
    return {"id": str(item["id"]), "permalink_url": item.get("permalink_url")}


def _attached(node: Any, *names: str) -> set[str]:
    """Every `names` value in a post's attachments, however deep Facebook nests them."""
    if isinstance(node, list):
        return set().union(*(_attached(item, *names) for item in node))
    if not isinstance(node, dict):
        return set()
    own = {str(value) for name, value in node.items() if name in names}
    return own.union(*(_attached(value, *names) for value in node.values()))
