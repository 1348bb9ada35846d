"""What must be done with a file, by what it breaks; and what comes of it breaks nothing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedulo.accepts import Pictures, Rules, Videos, breaches
from schedulo.media.recipe import Film, Picture, recipe_for, unmendable
from schedulo.model import Facts, Media, MediaKind

FEED = Pictures(("image/jpeg",), 8 * 1024**2, aspect=(4 / 5, 1.91), min_width=320, srgb=True)
STORY = Pictures(("image/jpeg",), 8 * 1024**2, aspect=(9 / 16, 9 / 16))
GIFS = Pictures(("image/gif",), 15_000_000, max_width=1280, max_height=1080, max_frames=350)
REEL = Videos(
    ("video/mp4", "video/quicktime"),
    300 * 1024**2,
    (3000, 900_000),
    video_codecs=("h264", "hevc"),
    fps=(23, 60),
    aspect=(0.01, 10),
    max_width=1920,
    max_bit_rate=25_000_000,
    max_audio_rate_hz=48_000,
    max_audio_channels=2,
    index_first=True,
)
UPRIGHT = replace(REEL, aspect=(9 / 16, 9 / 16), min_width=540, min_height=960)


def photo(width: int = 1200, height: int = 1000, **facts: Any) -> Media:
    kind = facts.pop("content_type", "image/jpeg")
    size = facts.pop("size_bytes", 400_000)
    return Media(
        "a" * 64, MediaKind.IMAGE, kind, size, width, height, facts=Facts(**{"color_mode": "RGB"} | facts)
    )


def film(width: int = 1920, height: int = 1080, duration_ms: int = 20_000, **facts: Any) -> Media:
    kind = facts.pop("content_type", "video/mp4")
    size = facts.pop("size_bytes", 20_000_000)
    usual = {
        "fps": 30.0,
        "video_codec": "h264",
        "audio_codec": "aac",
        "pixel_format": "yuv420p",
        "bit_rate": 8_000_000,
        "audio_rate_hz": 48_000,
        "audio_channels": 2,
    }
    return Media(
        "b" * 64, MediaKind.VIDEO, kind, size, width, height, duration_ms, facts=Facts(**usual | facts)
    )


def animation(width: int = 400, height: int = 300, *, frames: int = 10, animation_ms: int = 1000) -> Media:
    facts = Facts(frames=frames, animation_ms=animation_ms, color_mode="P")
    return Media("c" * 64, MediaKind.GIF, "image/gif", 900_000, width, height, facts=facts)


def picture_for(media: Media, rules: Rules, fit: str = "crop") -> Picture:
    recipe = recipe_for(media, rules, fit)
    assert isinstance(recipe, Picture)
    return recipe


def film_for(media: Media, rules: Rules, fit: str = "crop") -> Film:
    recipe = recipe_for(media, rules, fit)
    assert isinstance(recipe, Film)
    return recipe


@pytest.mark.parametrize(
    ("media", "rules"), [(photo(), FEED), (film(), REEL), (animation(), GIFS)], ids=["photo", "film", "gif"]
)
def test_what_fits_is_left_alone(media: Media, rules: Rules) -> None:
    assert recipe_for(media, rules, "crop") is None
    assert unmendable(media, rules, "crop") == []


def test_another_type_is_written_anew_in_its_size() -> None:
    recipe = picture_for(photo(content_type="image/heic"), FEED)
    assert (recipe.content_type, recipe.shape.width, recipe.shape.height) == ("image/jpeg", 1200, 1000)


def test_what_is_too_wide_loses_its_sides() -> None:
    shape = picture_for(photo(12_000, 3_000), FEED).shape
    assert shape.crop is not None
    assert shape.crop.left == (12_000 - shape.crop.width) // 2
    assert (shape.crop.top, shape.crop.height) == (0, 3_000)
    assert max(shape.width, shape.height) == 4096
    assert shape.width / shape.height <= 1.91


def test_what_is_too_high_gets_a_frame_where_its_author_wants_one() -> None:
    shape = picture_for(photo(1000, 2000), FEED, "pad").shape
    assert (shape.width, shape.height, shape.inner) == (1600, 2000, (1000, 2000))
    assert shape.crop is None


def test_the_shape_stays_a_problem_where_its_author_wants_it_left() -> None:
    media = photo(1000, 2000, content_type="image/png")
    assert recipe_for(media, FEED, "leave") is None
    assert [breach.value for breach in unmendable(media, FEED, "leave")] == ["1000x2000"]


def test_a_ratio_that_few_sizes_have_is_hit_exactly() -> None:
    for width, height in [(1001, 1777), (607, 1080), (3000, 4000), (1920, 1080)]:
        shape = picture_for(photo(width, height), STORY).shape
        assert shape.width / shape.height == 9 / 16


def test_what_is_too_small_grows_and_what_is_far_too_small_does_not() -> None:
    assert picture_for(photo(200, 200), FEED).shape.width == 320
    media = photo(50, 50)
    assert recipe_for(media, FEED, "crop") is None
    assert [breach.remedy for breach in unmendable(media, FEED, "crop")] == ["Use a larger one."]


def test_limits_of_several_megabytes_are_one_recipe() -> None:
    media = photo(content_type="image/heic")
    others = [replace(FEED, max_bytes=size) for size in (5_000_000, 8_388_608, 20_000_000)]
    assert len({picture_for(media, rules).key for rules in others}) == 1


def test_an_animation_never_becomes_a_still_picture() -> None:
    assert recipe_for(animation(), FEED, "crop") is None
    assert recipe_for(photo(content_type="image/webp", frames=12), FEED, "crop") is None


def test_a_still_picture_never_becomes_a_video() -> None:
    assert recipe_for(photo(), REEL, "crop") is None


def test_an_animation_becomes_a_video_that_plays_it_often_enough() -> None:
    recipe = film_for(animation(animation_ms=800), REEL)
    assert recipe.plays == 4
    assert recipe.expected(animation(animation_ms=800)).duration_ms == 3200


def test_a_large_animation_stays_one_and_gets_smaller() -> None:
    recipe = picture_for(animation(1920, 1200), GIFS)
    assert (recipe.content_type, recipe.shape.width, recipe.shape.height) == ("image/gif", 1280, 800)


def test_what_only_a_person_can_mend_is_no_recipe() -> None:
    media = film(duration_ms=2_000, video_codec="vp9", content_type="video/webm")
    assert recipe_for(media, REEL, "crop") is None
    assert [breach.value for breach in unmendable(media, REEL, "crop")] == ["2 seconds"]


@pytest.mark.parametrize(
    "media",
    [
        film(index_last=True),
        film(content_type="video/x-matroska"),
        film(content_type="video/x-matroska", video_codec="hevc", audio_codec=""),
    ],
    ids=["index at the end", "other container", "silent HEVC"],
)
def test_the_picture_is_copied_where_only_its_wrapping_is_wrong(media: Media) -> None:
    recipe = film_for(media, REEL)
    assert (recipe.encoding, recipe.sound) == (None, None)


def test_only_the_sound_is_encoded_where_only_the_sound_is_wrong() -> None:
    recipe = film_for(film(audio_codec="pcm_s16le", audio_channels=6, content_type="video/quicktime"), REEL)
    assert recipe.encoding is None
    assert recipe.sound is not None
    assert recipe.sound.channels == 2


def test_what_an_edit_list_leaves_out_is_not_brought_back_by_copying() -> None:
    assert film_for(film(edited=True), REEL).encoding is not None


@pytest.mark.parametrize(
    ("fps", "rules", "becomes"),
    [
        (29.97, REEL, Fraction(30000, 1001)),
        (29.6, REEL, Fraction(30000, 1001)),
        (120.0, REEL, Fraction(60)),
        (240.0, REEL, Fraction(60)),
        (48.0, replace(REEL, fps=(23, 30)), Fraction(24)),
        (12.0, REEL, Fraction(24)),
        (10.0, REEL, Fraction(30)),
        (1 / 60, REEL, Fraction(24)),
        (18.0, replace(REEL, fps=None), Fraction(18)),
    ],
)
def test_frame_rates_become_common_ones(fps: float, rules: Videos, becomes: Fraction) -> None:
    encoding = film_for(film(fps=round(fps, 3), video_codec="vp9"), rules).encoding
    assert encoding is not None
    assert encoding.fps == becomes


def test_sides_are_even_and_at_most_1080p_whatever_the_limit_is() -> None:
    wide = replace(REEL, max_width=None)
    for size, becomes in [
        ((3840, 2160), (1920, 1080)),
        ((2160, 3840), (1080, 1920)),
        ((641, 361), (640, 360)),
    ]:
        encoding = film_for(film(*size, video_codec="prores"), wide).encoding
        assert encoding is not None
        assert (encoding.shape.width, encoding.shape.height) == becomes


def test_platforms_whose_rules_are_alike_share_a_recipe() -> None:
    media = film(video_codec="vp9", content_type="video/webm")
    tiktok = Videos(("video/mp4",), 4 * 1024**3, (3000, 600_000), fps=(23, 60), min_width=360, min_height=360)
    facebook = Videos(("video/mp4",), 10 * 1024**3, (3000, 900_000), fps=(24, 60))
    assert len({film_for(media, rules).key for rules in (REEL, tiktok, facebook)}) == 1


def test_a_long_film_is_made_smaller_to_keep_below_the_size_of_a_file() -> None:
    media = film(duration_ms=600_000, size_bytes=900_000_000)
    encoding = film_for(media, replace(REEL, max_bytes=100_000_000)).encoding
    assert encoding is not None
    assert encoding.max_bit_rate * 600 / 8 < 100_000_000
    assert encoding.shape.height < 1080


def test_a_film_that_cannot_be_small_enough_stays_a_problem() -> None:
    media = film(duration_ms=900_000, size_bytes=900_000_000)
    rules = replace(REEL, max_bytes=5_000_000)
    assert recipe_for(media, rules, "crop") is None
    assert [breach.remedy for breach in unmendable(media, rules, "crop")] == ["Save it smaller."]


def test_platforms_that_take_nothing_we_can_make_get_nothing() -> None:
    assert recipe_for(film(), replace(REEL, types=("video/webm",)), "crop") is None


sides = st.integers(2, 9000)
ratios = st.sampled_from([None, (0.8, 1.91), (9 / 16, 9 / 16), (1 / 3, 3.0), (1.0, 1.0), (9 / 16, 16 / 9)])
fits = st.sampled_from(["crop", "pad", "leave"])


@given(sides, sides, ratios, st.sampled_from([0, 320, 540]), st.sampled_from([None, 1440, 1920]), fits)
def test_whatever_a_picture_is_its_recipe_breaks_no_rule(
    width: int, height: int, aspect: tuple[float, float] | None, least: int, most: int | None, fit: str
) -> None:
    rules = Pictures(("image/jpeg",), 5_000_000, aspect=aspect, min_width=least, max_width=most)
    media = photo(width, height, content_type="image/png")
    recipe = recipe_for(media, rules, fit)
    if recipe is None:
        assert unmendable(media, rules, fit)
        return
    assert not breaches(recipe.expected(media), rules)
    assert isinstance(recipe, Picture)
    if box := recipe.shape.crop:
        assert min(box.left, box.top) >= 0
        assert min(box.width, box.height) > 0
        assert box.left + box.width <= width
        assert box.top + box.height <= height


@given(
    sides,
    sides,
    ratios,
    st.integers(1, 4_000_000),
    st.floats(0.01, 300),
    st.sampled_from([None, (23.0, 60.0), (24.0, 30.0)]),
    st.sampled_from([None, 1280, 1920]),
    st.integers(1_000_000, 10**10),
    fits,
)
def test_whatever_a_film_is_its_recipe_breaks_no_rule(
    width: int,
    height: int,
    aspect: tuple[float, float] | None,
    duration_ms: int,
    fps: float,
    rates: tuple[float, float] | None,
    most: int | None,
    max_bytes: int,
    fit: str,
) -> None:
    rules = replace(REEL, aspect=aspect, fps=rates, max_width=most, max_bytes=max_bytes)
    media = film(width, height, duration_ms, fps=round(fps, 3), video_codec="vp9")
    recipe = recipe_for(media, rules, fit)
    if recipe is None:
        assert unmendable(media, rules, fit)
        return
    assert not breaches(recipe.expected(media), rules)
    assert isinstance(recipe, Film)
    assert recipe.encoding is not None
    assert recipe.encoding.shape.width % 2 == recipe.encoding.shape.height % 2 == 0
