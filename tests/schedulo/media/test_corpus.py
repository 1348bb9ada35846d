"""What people upload, for every format of every platform: taken as it is, made to fit, or refused in words.

What is sent is judged by the strict stand-ins as well as by our own rules.
"""

from __future__ import annotations

import pytest

from sandbox.meta import media_rules
from sandbox.meta.posts import PHOTO_KINDS
from sandbox.meta.videos import shape_error
from sandbox.probe import ImageFile, Probed, VideoFile
from sandbox.probe import probe as seen_by_sandbox
from sandbox.tiktok.rules import photo_fault, video_fault
from sandbox.x.media import KEY_PREFIX, Medium
from sandbox.x.media import MediaStore as XMedia
from schedulo.accepts import Rules, breaches
from schedulo.media import Limits, MediaError, MediaStore, convert, recipe_for
from schedulo.media.recipe import unmendable
from schedulo.model import Account, Format, Media, MediaKind, Platform
from schedulo.platforms import CONVERSATIONS
from tests.schedulo.media.corpus import BAD, GOOD, MIXED

LIMITS = Limits(seconds=600, memory_mb=2048, threads=2)

PLACES: dict[str, tuple[Platform, Format, MediaKind, Rules]] = {
    f"{platform} {format_} {kind}": (platform, format_, kind, rules)
    for platform, conversation in CONVERSATIONS.items()
    for format_ in Format
    for kind, rules in conversation.accepts(Account(platform, "1", "northlight"), format_).items()
}
"""All that a platform takes media for."""

UNTOUCHED = {
    "phone.heic": "",
    "web.webp": "x tiktok",
    "print.jpg": "x tiktok facebook",
    "sideways.jpg": "",
    "panorama.jpg": "x facebook instagram-story instagram-reel",
    "two in one.jpg": "x tiktok",
    "spin.gif": "x-gif facebook-image facebook-images",
    "hour.mp4": "facebook-video",
    "phone.mov": "x facebook-video",
    "trimmed.mov": "x tiktok facebook",
    "silent.mp4": "x tiktok facebook instagram",
    "odd.mp4": "",
    "screen.webm": "tiktok",
}
"""Where a file goes out as it is: platforms, or one format of a platform. Elsewhere it is made to fit, a GIF
as a video where no GIF is taken, ..."""
MOST_TARGETS = 4
"""So many versions of a file are made for all formats of all platforms, at the most."""
TOO_LONG = "hour.mp4"
"""... but for this one, which only its author can make shorter."""


def is_taken_as_it_is(name: str, platform: Platform, format_: Format) -> bool:
    return bool({platform, f"{platform}-{format_}"} & set(UNTOUCHED[name].split()))


def places_for(media: Media) -> dict[str, tuple[Platform, Format, MediaKind, Rules]]:
    gifs = {(platform, format_) for platform, format_, kind, _ in PLACES.values() if kind is MediaKind.GIF}
    return {
        place: (platform, format_, kind, rules)
        for place, (platform, format_, kind, rules) in PLACES.items()
        if kind is media.kind
        or (media.kind is MediaKind.GIF and kind is MediaKind.VIDEO and (platform, format_) not in gifs)
    }


def objection(platform: Platform, format_: Format, kind: MediaKind, content: bytes) -> object:
    """What the stand-in says against a file; None when it takes it."""
    found = seen_by_sandbox(content)
    match platform:
        case Platform.INSTAGRAM:
            return _instagram(format_, kind, found)
        case Platform.TIKTOK:
            return video_fault(found, 600) if kind is MediaKind.VIDEO else photo_fault(found)
        case Platform.X:
            category = f"tweet_{kind}"
            assert category in KEY_PREFIX
            types = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
            media_type = types.get(found.kind, "") if isinstance(found, ImageFile) else "video/mp4"
            medium = Medium("1", frozenset(), media_type, category, len(content), 0.0, what=found)
            return XMedia._fault_in(medium)
        case Platform.FACEBOOK if kind is MediaKind.VIDEO:
            if format_ is Format.VIDEO:
                return None if isinstance(found, VideoFile) else "no video"
            assert found is None or isinstance(found, VideoFile)
            return shape_error(found, (3, 90) if format_ is Format.REEL else (3, 60))
        case Platform.FACEBOOK:
            taken = isinstance(found, ImageFile) and found.kind in PHOTO_KINDS and len(content) <= 10_000_000
            return None if taken else "no photo"


def _instagram(format_: Format, kind: MediaKind, found: Probed | None) -> object:
    if kind is MediaKind.IMAGE:  # of a reel: its cover, for which no shape is prescribed
        name = {Format.IMAGE: "image", Format.CAROUSEL: "carousel_image"}.get(format_, "story_image")
        return media_rules.image_error(found, media_rules.KINDS[name])
    name = {Format.REEL: "reel", Format.CAROUSEL: "carousel_video"}.get(format_, "story_video")
    limits = media_rules.KINDS[name].video
    assert limits is not None
    return media_rules.video_error(found, limits, {})


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_good_anywhere_is_refused_with_the_reason(name: str, store: MediaStore) -> None:
    make, rule = BAD[name]
    with pytest.raises(MediaError) as caught:
        store.put(make(), name)
    assert caught.value.problem.value == name
    assert caught.value.problem.rule.startswith(rule)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_everywhere_is_never_encoded(name: str, store: MediaStore) -> None:
    media = store.put(GOOD[name](), name)
    content = store.path(media.sha256).read_bytes()
    for platform, format_, kind, rules in PLACES.values():
        if kind is media.kind:
            assert recipe_for(media, rules, "crop") is None
            assert unmendable(media, rules, "crop") == []
            assert objection(platform, format_, kind, content) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", MIXED)
def test_everything_else_goes_as_it_is_or_is_made_to_fit_once_for_each_target(
    name: str, store: MediaStore
) -> None:
    media = store.put(MIXED[name](), name)
    made: dict[str, Media] = {}
    outcomes = {}
    for place, (platform, format_, kind, rules) in places_for(media).items():
        recipe = recipe_for(media, rules, "crop")
        sent = media
        if recipe is not None:
            if recipe.key not in made:
                made[recipe.key] = convert(store, media, recipe, LIMITS, lambda _: None)
            sent = made[recipe.key]
        left = breaches(sent, rules)
        outcomes[place] = "refused" if left else "made" if recipe else "as it is"
        if left:
            assert [breach.remedy for breach in unmendable(media, rules, "crop")] == ["Cut it."]
        else:
            content = store.path(sent.sha256).read_bytes()
            assert objection(platform, format_, kind, content) is None, place
    assert outcomes == {
        place: "as it is"
        if is_taken_as_it_is(name, platform, format_)
        else "refused"
        if name == TOO_LONG
        else "made"
        for place, (platform, format_, kind, _) in places_for(media).items()
    }
    assert len(made) <= MOST_TARGETS
