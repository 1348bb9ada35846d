"""X: how a post is made there, and how one that may be out is found again. What X accepts is `x_accepts`,
how media come to it `x_upload`, what its answers mean `x_answers`.

Uses API v2 (X: media upload, chunked; manage posts; timelines). X has no idempotency key; what finds a post
again is the media keys of its uploads, else its text. X renamed words in 2026 endpoint by endpoint: both
spellings are read, and a query that is refused for its spelling is asked once more in the other.
"""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from schedulo.accepts import Rules
from schedulo.errors import Phase, PlatformError
from schedulo.flow import (
    Auth,
    Finding,
    Flow,
    Job,
    Look,
    Lost,
    Pairs,
    Read,
    Request,
    Response,
    Sent,
    commit,
    due,
    follow,
    side_by_side,
    step,
)
from schedulo.model import Account, Content, Format, MediaKind, Platform, Problem, Published, State
from schedulo.platforms.base import Conversation, Credential, Renewed, scopes_of, seconds
from schedulo.platforms.x_accepts import problems, rules
from schedulo.platforms.x_answers import raise_for
from schedulo.platforms.x_upload import upload
from schedulo.words import word

SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
CLOCK_MARGIN_MS = 60_000
"""A post is looked for from this long before its write was opened, should X's clock be behind ours."""
LOST_ANSWER_S = 600.0
"""A post whose id was lost is looked for among those of this long."""
PAGES = 5
"""Pages of ten that one look reads at the most."""
OLD_SPELLING = ("tweet.fields", "note_tweet")
NEW_SPELLING = ("post.fields", "note_post")


# Posting


def _post_request(content: Content, media_ids: Sequence[str]) -> Request:
    body: dict[str, Any] = {"text": content.text} if content.text or not media_ids else {}
    if media_ids:
        body["media"] = {"media_ids": list(media_ids)}
    if content.format is Format.POLL:
        poll = content.options["poll"]
        body["poll"] = {"options": list(poll["options"]), "duration_minutes": poll["duration_minutes"]}
    for name in ("reply_settings", "made_with_ai"):
        if content.options.get(name):
            body[name] = content.options[name]
    return Request("x", "POST", "/2/tweets", json=body)


def _posted(response: Response) -> str | None:
    """The post's id, or None where X took the post and its answer does not name it."""
    if not response.ok:
        raise raise_for(response, Phase.COMMIT)
    body = response.json()
    data = body.get("data") if isinstance(body, dict) else None
    post_id = word(data.get("id")) if isinstance(data, dict) else ""
    return post_id if post_id.isdecimal() else None


def _part_request(content: Content, text: str, parent: str) -> Request:
    body: dict[str, Any] = {"text": text, "reply": {"in_reply_to_tweet_id": parent}}
    if content.options.get("made_with_ai"):
        body["made_with_ai"] = True
    return Request("x", "POST", "/2/tweets", json=body)


# Finding again


def _timeline(name: str, account: Account, since_id: str | None, page: str | None, read: Read) -> Flow:
    """One page of the account's own posts, newest first, in whichever spelling X takes."""

    def ask(name: str, parameter: str, note: str) -> Flow:
        replied = "referenced_tweets" if parameter == OLD_SPELLING[0] else "referenced_posts"
        query = [("max_results", "10"), (parameter, f"created_at,entities,attachments,{replied},{note}")]
        query += [("since_id", since_id)] if since_id else []
        query += [("pagination_token", page)] if page else []
        request = Request("x", "GET", f"/2/users/{account.account_id}/tweets", query=tuple(query))
        return step(name, request, read, keep_s=0.0)

    try:
        return (yield from ask(name, *OLD_SPELLING))
    except PlatformError as error:
        if error.status != 400 or not any(word in error.message for word in OLD_SPELLING):
            raise
    return (yield from ask(f"{name}-again", *NEW_SPELLING))


def _page(response: Response) -> dict[str, Any]:
    """What is compared of one page of posts, and where the next begins."""
    body = response.json() if response.ok else None
    if not isinstance(body, dict) or not ("data" in body or "meta" in body):
        raise raise_for(response, Phase.READ)
    posts = []
    for post in body.get("data") or ():
        note = post.get("note_post") or post.get("note_tweet") or {}
        referenced = post.get("referenced_posts") or post.get("referenced_tweets") or ()
        posts.append(
            {
                "id": str(post["id"]),
                "text": word(note.get("text") or post.get("text")),
                "media_keys": [str(key) for key in (post.get("attachments") or {}).get("media_keys") or ()],
                "parent": next((word(r["id"]) for r in referenced if r.get("type") == "replied_to"), ""),
            }
        )
    next_page = word((body.get("meta") or {}).get("next_token")) or None
    return {"posts": posts, "next": next_page}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a post is known by when it is looked for."""

    text: str
    media: int
    media_keys: frozenset[str] = frozenset()
    parent: str = ""

    @classmethod
    def first(cls, content: Content, steps: Mapping[str, Any]) -> _Wanted:
        """The post itself; `steps` are those that were kept."""
        keys = frozenset(v["media_key"] for k, v in steps.items() if k.startswith("init-") and v["media_key"])
        return cls(content.text, len(content.media), keys)

    def among(self, posts: Sequence[dict[str, Any]]) -> list[str]:
        """Ids of the posts that are it: by media keys, else by text, number of media and parent."""
        keys = self.media_keys
        by_key = [post["id"] for post in posts if keys and keys == set(post["media_keys"])]
        if by_key or not self.text.strip():
            return by_key
        return [
            post["id"]
            for post in posts
            if post["parent"] == self.parent
            and len(post["media_keys"]) in (0, self.media)
            and same_text(self.text, post["text"])
        ]


T_CO = re.compile(r"https?://t\.co/\w+")
ANY_LINK = r"(?:\S*\w\.\w\S*)"


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def same_text(sent: str, shown: str) -> bool:
    """Whether `shown` is what X makes of `sent`.

    X replaces links by t.co addresses, adds one for attached media, and may write `&`, `<`, `>` as entities.
    """
    return any(re.fullmatch(_sendable(text), _plain(sent)) for text in (html.unescape(shown), shown))


def _sendable(shown: str) -> str:
    """A pattern of the texts that X would show as `shown`."""
    pieces = [re.escape(piece) for piece in T_CO.split(_plain(shown))]
    if len(pieces) > 1 and not pieces[-1]:  # the last address may be the media's own
        space = re.escape(" ")
        pieces[-2:] = [f"{pieces[-2].removesuffix(space)}(?:{space}?{ANY_LINK})?"]
    return ANY_LINK.join(pieces)


def id_ms(post_id: str) -> int:
    """When X made a post, in epoch milliseconds: its id says so."""
    return (int(post_id) >> 22) + SNOWFLAKE_EPOCH_MS


def _find_lost(name: str, job: Job, wanted: _Wanted) -> Flow:
    """The id of a post that X took without naming it, or "": looked for once among the newest."""

    def newest(response: Response) -> str:
        if response.date_s is None:
            return ""
        since_ms = (response.date_s - LOST_ANSWER_S) * 1000
        posts = [post for post in _page(response)["posts"] if id_ms(post["id"]) >= since_ms]
        found = wanted.among(posts)
        return found[0] if len(found) == 1 else ""

    try:
        return (yield from _timeline(name, job.account, None, None, newest))
    except PlatformError:
        return ""


def _thread(job: Job, published: Published) -> Flow:
    """What follows the first post, each part a reply to the one before."""
    parent, parts = published.post_id, job.content.thread
    for number, text in enumerate(parts, start=2):
        if not parent:
            note = f"X took part {number - 1} of {len(parts) + 1} but did not name it; the rest cannot follow"
            return replace(published, state=State.PUBLISHED_INCOMPLETE, note=note)
        made = yield from follow(
            f"part-{number}",
            _part_request(job.content, text, parent),
            _posted,
            title=f"part {number} of {len(parts) + 1}",
            out=published,
        )
        if made is None and number <= len(parts):
            made = yield from _find_lost(f"find-{number}", job, _Wanted(text, 0, parent=parent))
        parent = made
    return published


def _wanted(sent: Sent) -> _Wanted:
    """What the request of a write made, as it can be known again."""
    if sent.name.startswith("part-"):
        body = sent.request.json
        return _Wanted(body["text"], 0, parent=body["reply"]["in_reply_to_tweet_id"])
    return _Wanted.first(sent.content, sent.steps)


def _published(account: Account, post_id: str) -> Published:
    return Published(
        post_id=post_id,
        permalink=f"https://x.com/{account.options.get('username') or 'i'}/status/{post_id}",
        published_ms=id_ms(post_id),
    )


def _look(account: Account, wanted: _Wanted, opened_ms: int, owned: frozenset[str] = frozenset()) -> Flow:
    """A `Finding`: the account's posts since `opened_ms`, less those that are known to be others'."""
    since_id = str(max(0, opened_ms - CLOCK_MARGIN_MS - SNOWFLAKE_EPOCH_MS) << 22)
    posts: list[dict[str, Any]] = []
    token: str | None = None
    for number in range(PAGES):
        page = yield from _timeline(f"look-{number}", account, since_id, token, _page)
        posts += [post for post in page["posts"] if post["id"] not in owned]
        token = page["next"]
        found = wanted.among(posts)
        if found or not token:
            break
    if len(found) == 1:
        return Finding(Look.FOUND, found[0], f"X shows the post as {found[0]}.")
    if found:
        return Finding(Look.UNCLEAR, note=f"X shows {len(found)} posts that look the same.")
    if token:
        return Finding(Look.UNCLEAR, note=f"{len(posts)} newer posts on the account, and there are more.")
    if not wanted.text.strip() and posts:
        return Finding(Look.UNCLEAR, note="X shows newer posts; without a text ours cannot be told apart.")
    return Finding(Look.ABSENT, note=f"None of the account's {len(posts)} newer posts is this one.")


class X:
    """X's side of `Conversation`."""

    platform: Platform = Platform.X

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Problem]:
        """All that X would refuse (X: manage posts; counting characters; media best practices)."""
        return [*problems(account, content)]

    def accepts(self, account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
        """By the account's class: Premium may show longer videos (X: media best practices)."""
        return rules(account, format_)

    def publish(self, job: Job) -> Flow:
        """Media side by side, then one post at the due instant."""
        content = job.content
        uploads: list[dict[str, str]] = []
        if content.media:
            uploads = yield from side_by_side(*(upload(i, media) for i, media in enumerate(content.media)))
        yield from due()
        request = _post_request(content, [upload["id"] for upload in uploads])
        post_id = yield from commit("post", request, _posted, more=bool(content.thread))
        if post_id is None:
            keys = frozenset(upload["media_key"] for upload in uploads if upload["media_key"])
            wanted = _Wanted(content.text, len(content.media), keys)
            post_id = yield from _find_lost("find", job, wanted)
        if not post_id:
            return Published(note="X took the post but did not name it; look at the account for the link.")
        return (yield from _thread(job, _published(job.account, post_id)))

    def reconcile(self, job: Job, sent: Sent) -> Flow:
        """Looks through the account's own posts since the write was opened (X: timelines).

        A look costs money by the post that is read, hence `since_id` and small pages.
        """
        return (yield from _look(job.account, _wanted(sent), sent.opened_ms))

    def search(self, job: Job, lost: Lost) -> Flow:
        """The same look: what finds a post is its text, or media keys that were kept before."""
        wanted = _Wanted.first(lost.content, lost.steps)
        finding: Finding = yield from _look(job.account, wanted, lost.since_ms, lost.owned)
        if finding.look is not Look.FOUND:
            return finding
        return replace(finding, published=_published(job.account, finding.value))

    def refresh(self, credential: Credential) -> Flow:
        """Trades the refresh token for a new pair. X takes each once, and using one twice ends the login
        (X: OAuth 2.0 with PKCE; single use is the word of X's staff)."""
        form = [("grant_type", "refresh_token"), ("refresh_token", credential.refresh_token)]
        headers: Pairs = ()
        if credential.app_secret:
            pair = f"{quote(credential.app_id, safe='')}:{quote(credential.app_secret, safe='')}"
            headers = (("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"),)
        else:  # a public client names itself
            form.append(("client_id", credential.app_id))
        request = Request("x", "POST", "/2/oauth2/token", Auth.NONE, form=tuple(form), headers=headers)
        return Renewed(**(yield from step("refresh", request, _renewed, keep_s=0.0)))


def _renewed(response: Response) -> dict[str, Any]:
    body = response.json() if response.ok else None
    if not isinstance(body, dict) or not word(body.get("access_token")):
        raise raise_for(response, Phase.ARM, "token")
    return {
        "access_token": word(body["access_token"]),
        "expires_in_s": seconds(body.get("expires_in")),
        "refresh_token": word(body.get("refresh_token")) or None,
        "scopes": scopes_of(body.get("scope")),
    }


CONVERSATION: Conversation = X()
