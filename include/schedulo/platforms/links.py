"""What the link of a post says: whether it is one of this platform, and the post's id where it holds it.

For links that people paste, after they looked at the account. Nothing is asked of the platform: who reads a
link believes the person who gave it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from schedulo.model import Platform

# (hosts, path that is a post, query names which must be there). Groups are what the id is made of.
# Instagram's paths hold a short code, which is not the id that its API knows; neither are Facebook's pfbid...
# and what share buttons make: those links are believed, and the id stays unknown.
_FORMS: Mapping[Platform, tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...]] = {
    Platform.X: ((("x.com", "twitter.com"), r"/(?:\w+|i/web)/status/(\d+)", ()),),
    Platform.INSTAGRAM: (
        (("instagram.com",), r"(?:/[\w.]+)?/(?:p|reel|reels|tv)/[\w-]+(?:/c/\d+)?", ()),
        (("instagram.com",), r"/stories/[\w.]+/\d+", ()),
    ),
    Platform.TIKTOK: (
        (("tiktok.com",), r"/@[\w.]+/(?:video|photo)/(\d+)", ()),
        (("tiktok.com",), r"/t/\w+", ()),
        (("vm.tiktok.com", "vt.tiktok.com"), r"/\w+", ()),
    ),
    Platform.FACEBOOK: (
        (("facebook.com",), r"/(\d+)/posts/(\d+)", ()),
        (("facebook.com",), r"/[\w.]+/(?:posts|videos)/[\w./-]+", ()),
        (("facebook.com",), r"/(?:reel|share)/[\w/]+", ()),
        (("facebook.com",), r"/stories/[\w/=-]+", ()),
        (("facebook.com",), r"/watch", ("v",)),
        (("facebook.com",), r"/(?:permalink|story)\.php", ("story_fbid",)),
        (("facebook.com",), r"/photo(?:\.php)?", ("fbid",)),
        (("fb.watch",), r"/[\w-]+", ()),
    ),
}
_EXAMPLES: Mapping[Platform, str] = {
    Platform.X: "https://x.com/name/status/1234567890",
    Platform.INSTAGRAM: "https://www.instagram.com/p/AbC123/",
    Platform.TIKTOK: "https://www.tiktok.com/@name/video/1234567890",
    Platform.FACEBOOK: "https://www.facebook.com/1234/posts/5678",
}


class LinkError(ValueError):
    """This is not the link of a post on that platform; the message says what one looks like."""


def post_id(platform: Platform, link: str) -> str | None:
    """The id of the post that `link` shows, as the platform's API writes it; None where the link does not
    hold it.

    :raises LinkError: where it is no link of a post on this platform
    """
    try:
        parts = urlsplit(link.strip())
        host = (parts.hostname or "").removeprefix("www.").removeprefix("m.").removeprefix("mobile.")
    except ValueError:
        host = ""
    if host and parts.scheme in ("https", "http"):
        path = parts.path.rstrip("/")
        query = parse_qs(parts.query)
        for hosts, form, names in _FORMS[platform]:
            found = re.fullmatch(form, path) if host in hosts else None
            if found and all(name in query for name in names):
                return "_".join(found.groups()) or None
    raise LinkError(
        f"link ({link[:200]}): it is not the link of a post on {platform}, such as {_EXAMPLES[platform]}."
    )
