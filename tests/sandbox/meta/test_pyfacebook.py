"""python-facebook-api, a client that others wrote, works against the stand-ins."""

from __future__ import annotations

import pytest
from pyfacebook import FacebookApi, FacebookError, GraphAPI, IGBusinessApi

from .conftest import APP_ID, APP_SECRET, IG_FB, PAGE, PAGE_TOKEN, USER_TOKEN, Meta, jpeg


def keys(meta: Meta, token: str) -> dict[str, str]:
    base_url = f"{meta.sandbox.service('facebook')}/"
    app = {"app_id": APP_ID, "app_secret": APP_SECRET}
    tokens = {"access_token": token, "access_token_url": f"{base_url}oauth/access_token"}
    return {"base_url": base_url} | app | tokens


def test_a_page_post_is_made_and_read_back(meta: Meta):
    api = FacebookApi(**keys(meta, PAGE_TOKEN))
    made = api.post_object(PAGE, "feed", data={"message": "From a client", "link": "https://example.org/"})
    post = api.post.get_info(post_id=made["id"])
    assert (post.id, post.message) == (made["id"], "From a client")
    assert post.attachments.data[0].media_type == "link"
    assert [post.id for post in api.page.get_posts(PAGE).data] == [made["id"]]
    assert meta.sandbox.posts()[0]["post_id"] == made["id"]


def test_all_pages_of_a_list_are_walked(meta: Meta):
    api = GraphAPI(**keys(meta, PAGE_TOKEN))
    made = [api.post_object(PAGE, "feed", data={"message": str(n)})["id"] for n in range(5)]
    rows = api.get_full_connections(PAGE, "published_posts", count=None, limit=2)["data"]
    assert [row["id"] for row in rows] == made[::-1]


def test_an_instagram_container_is_made_published_and_read_back(meta: Meta):
    api = IGBusinessApi(**keys(meta, PAGE_TOKEN), instagram_business_id=IG_FB)
    image_url = meta.file("square.jpg", jpeg())
    container = api.post_object(IG_FB, "media", data={"image_url": image_url, "caption": "Hi"})["id"]
    states = [api.container.get_info(container).status_code for _ in range(2)]
    assert states == ["IN_PROGRESS", "FINISHED"]
    media_id = api.post_object(IG_FB, "media_publish", data={"creation_id": container})["id"]
    medium = api.media.get_info(media_id=media_id)
    assert (medium.id, medium.caption, medium.media_type) == (media_id, "Hi", "IMAGE")
    assert medium.permalink.startswith("https://www.instagram.com/p/")
    assert [row.id for row in api.user.get_media().data] == [media_id]
    assert api.user.get_content_publishing_limit().data[0].quota_usage == 1


def test_an_instagram_carousel_is_made_of_its_items_and_read_back(meta: Meta):
    api = IGBusinessApi(**keys(meta, PAGE_TOKEN), instagram_business_id=IG_FB)
    children = []
    for shade in (10, 20):
        item = {"image_url": meta.file(f"{shade}.jpg", jpeg(shade=shade)), "is_carousel_item": "true"}
        children.append(api.post_object(IG_FB, "media", data=item)["id"])
    while any(api.container.get_info(child).status_code != "FINISHED" for child in children):
        pass
    whole = {"media_type": "CAROUSEL", "children": ",".join(children), "caption": "Two"}
    container = api.post_object(IG_FB, "media", data=whole)["id"]
    while api.container.get_info(container).status_code != "FINISHED":
        pass
    media_id = api.post_object(IG_FB, "media_publish", data={"creation_id": container})["id"]
    assert api.media.get_info(media_id=media_id).media_type == "CAROUSEL_ALBUM"
    assert [row.media_type for row in api.media.get_children(media_id=media_id).data] == ["IMAGE"] * 2


def test_a_refusal_is_understood(meta: Meta):
    api = GraphAPI(**keys(meta, PAGE_TOKEN))
    with pytest.raises(FacebookError) as refused:
        api.post_object(IG_FB, "media_publish", data={"creation_id": "1"})
    assert (refused.value.code, refused.value.error_subcode) == (24, 2207008)


def test_tokens_are_exchanged_and_examined(meta: Meta):
    api = GraphAPI(**keys(meta, USER_TOKEN))
    assert api.exchange_long_lived_user_access_token()["token_type"] == "bearer"
    assert api.exchange_page_access_token(PAGE) == PAGE_TOKEN
    told = api.debug_token(PAGE_TOKEN, access_token=api.get_app_token()["access_token"])
    assert told["data"]["is_valid"] is True
