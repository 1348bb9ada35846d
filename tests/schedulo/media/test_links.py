"""Signed addresses of media."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schedulo.media import MediaLinks
from schedulo.model import Media, MediaKind

KEY = "a key of the tests"
MEDIA = Media("ab" * 32, MediaKind.IMAGE, "image/jpeg", 10)
LINKS = MediaLinks("https://media.example/schedulo/media/", KEY)


def parts(links: MediaLinks, media: Media = MEDIA) -> tuple[str, str]:
    url = links.url(media)
    assert url is not None
    _, signature, name = url.rsplit("/", 2)
    return signature, name


def test_an_address_is_base_signature_hash_and_extension() -> None:
    signature, name = parts(LINKS)
    assert LINKS.url(MEDIA) == f"https://media.example/schedulo/media/{signature}/{MEDIA.sha256}.jpg"
    assert name == f"{MEDIA.sha256}.jpg"


def test_an_address_is_the_same_every_time() -> None:
    assert LINKS.url(MEDIA) == MediaLinks("https://media.example/schedulo/media", KEY).url(MEDIA)


def test_a_genuine_address_leads_to_its_hash() -> None:
    assert LINKS.verify(*parts(LINKS)) == MEDIA.sha256


@pytest.mark.parametrize(
    "forge",
    [
        lambda signature, name: (signature[:-1] + ("0" if signature[-1] != "0" else "1"), name),
        lambda signature, name: (signature, name.replace("ab", "cd")),
        lambda signature, name: (signature.upper(), name),
        lambda signature, name: ("", name),
        lambda signature, name: ("ä", name),
        lambda signature, name: (signature, "../" + name),
        lambda signature, name: (signature, name.removesuffix(".jpg")),
        lambda signature, name: (signature, name + "\n"),
    ],
)
def test_a_forged_address_leads_nowhere(forge: Callable[[str, str], tuple[str, str]]) -> None:
    assert LINKS.verify(*forge(*parts(LINKS))) is None


def test_a_new_key_ends_old_addresses() -> None:
    other = MediaLinks("https://media.example", "another key of the tests")
    assert other.verify(*parts(LINKS)) is None


def test_without_a_base_there_are_no_addresses() -> None:
    nowhere = MediaLinks(None, KEY)
    assert nowhere.url(MEDIA) is None
    assert nowhere.verify(*parts(LINKS)) is None


@pytest.mark.parametrize("base", ["ftp://media.example", "media.example", "https://media.example/?a=b"])
def test_a_base_must_be_an_address(base: str) -> None:
    with pytest.raises(ValueError, match="SCHEDULO_MEDIA_BASE_URL"):
        MediaLinks(base, KEY)


def test_a_base_without_a_real_key_is_refused() -> None:
    with pytest.raises(ValueError, match="SCHEDULO_MEDIA_KEY"):
        MediaLinks("https://media.example", "")
