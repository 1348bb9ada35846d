"""Links of posts as people paste them."""

from __future__ import annotations

import pytest

from schedulo.model import Platform
from schedulo.platforms.links import LinkError, post_id

P = Platform


@pytest.mark.parametrize(
    ("platform", "link", "id_"),
    [
        (P.X, "https://x.com/northlight/status/2124612109839892480", "2124612109839892480"),
        (P.X, "https://x.com/i/web/status/17?s=20", "17"),
        (P.X, " https://mobile.twitter.com/a_b/status/17/ ", "17"),
        (P.TIKTOK, "https://www.tiktok.com/@north.light/video/771?is_from_webapp=1", "771"),
        (P.TIKTOK, "https://vm.tiktok.com/ZMabc123/", None),
        (P.INSTAGRAM, "https://www.instagram.com/p/P5f0hY2U0g/", None),
        (P.INSTAGRAM, "https://instagram.com/north.light/reel/P5f0-Y2_9A", None),
        (P.FACEBOOK, "https://www.facebook.com/101/posts/1220", "101_1220"),
        (P.INSTAGRAM, "https://www.instagram.com/p/P5f0hY2U0g/c/17", None),
        (P.INSTAGRAM, "https://www.instagram.com/stories/north.light/3254871120034/?s=1", None),
        (P.FACEBOOK, "https://m.facebook.com/northlight/posts/pfbid02abc", None),
        (P.FACEBOOK, "https://www.facebook.com/reel/12300000001233937/", None),
        (P.FACEBOOK, "https://www.facebook.com/watch/?v=123", None),
        (P.FACEBOOK, "https://www.facebook.com/permalink.php?story_fbid=1&id=2", None),
        (P.FACEBOOK, "https://fb.watch/abc_123/", None),
    ],
)
def test_the_link_of_a_post_gives_its_id_where_it_holds_one(
    platform: Platform, link: str, id_: str | None
) -> None:
    assert post_id(platform, link) == id_


@pytest.mark.parametrize(
    ("platform", "link"),
    [
        (P.X, "https://x.com/northlight"),
        (P.X, "https://www.tiktok.com/@n/video/771"),
        (P.X, "https://x.com.evil.example/n/status/17"),
        (P.X, "https://notx.com/n/status/17"),
        (P.X, "javascript:alert(1)//x.com/n/status/17"),
        (P.X, "x.com/n/status/17"),
        (P.X, ""),
        (P.X, "http://[broken"),
        (P.INSTAGRAM, "https://www.instagram.com/northlight.berlin/"),
        (P.INSTAGRAM, "https://www.instagram.com/stories/northlight.berlin/"),
        (P.TIKTOK, "https://www.tiktok.com/@northlight"),
        (P.FACEBOOK, "https://www.facebook.com/northlight"),
        (P.FACEBOOK, "https://www.facebook.com/watch/"),
    ],
)
def test_what_is_not_the_link_of_a_post_on_the_platform_is_refused(platform: Platform, link: str) -> None:
    with pytest.raises(LinkError, match=platform):
        post_id(platform, link)
