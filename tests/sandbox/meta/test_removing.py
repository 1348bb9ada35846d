"""Posts that are out: deleted by those who may, or removed from outside."""

from __future__ import annotations

import pytest
import requests

from tests.sandbox.meta.conftest import IG_FB, IG_TOKEN, OTHER_PAGE_TOKEN, PAGE, PAGE_TOKEN, Meta, error, jpeg


def delete(meta: Meta, node: str, token: str = PAGE_TOKEN, service: str = "facebook") -> requests.Response:
    return meta.call("DELETE", service, f"v25.0/{node}", token)


def image_of_the_shop(meta: Meta, **params: str) -> str:
    """An image that is out on the account with Facebook Login: its id."""
    url = meta.file("shop.jpg", jpeg())
    made = meta.fb_post(f"{IG_FB}/media", image_url=url, **params).json()["id"]
    while meta.fb_get(made, fields="status_code").json()["status_code"] == "IN_PROGRESS":
        pass
    return str(meta.fb_post(f"{IG_FB}/media_publish", creation_id=made).json()["id"])


def listed(meta: Meta, edge: str = "media") -> list[str]:
    return [item["id"] for item in meta.fb_get(f"{IG_FB}/{edge}").json()["data"]]


def test_an_image_is_deleted_by_its_owner(meta: Meta):
    medium = image_of_the_shop(meta)
    assert error(delete(meta, medium, OTHER_PAGE_TOKEN)) == (400, 100, 33)
    assert delete(meta, medium).json() == {"success": True}
    assert listed(meta) == []
    assert error(meta.fb_get(medium)) == (400, 100, 33)
    assert error(delete(meta, medium)) == (400, 100, 33)


def test_instagrams_own_login_deletes_nothing(meta: Meta):
    medium = meta.published()
    assert error(delete(meta, medium, IG_TOKEN, "instagram"))[1] == 2500
    assert meta.get(medium).status_code == 200


def test_deleting_an_image_needs_a_permission_of_its_own(meta: Meta):
    medium = image_of_the_shop(meta)
    scopes = ["instagram_basic", "instagram_content_publish", "pages_read_engagement", "pages_manage_posts"]
    page = {"page_id": PAGE, "name": "P", "page_token": "EAA-less", "instagram_account_id": IG_FB}
    meta.sandbox.seed({"facebook": {"pages": [{**page, "scopes": scopes}]}})
    assert error(delete(meta, medium, "EAA-less")) == (403, 10, None)


def test_kinds_that_cannot_be_deleted_are_refused_by_number(meta: Meta):
    medium = image_of_the_shop(meta)
    meta.sandbox.switch(ig_undeletable="image")
    assert error(delete(meta, medium)) == (400, 100, 2207073)


def test_a_deletion_takes_no_parameters(meta: Meta):
    medium = image_of_the_shop(meta)
    answer = meta.call("DELETE", "facebook", f"v25.0/{medium}", PAGE_TOKEN, message="x")
    assert error(answer) == (400, 100, None)


@pytest.mark.parametrize("service", ["instagram", "facebook"])
def test_a_post_is_removed_from_outside_and_the_list_of_what_went_live_keeps_it(meta: Meta, service: str):
    if service == "instagram":
        node = image_of_the_shop(meta)
    else:
        node = meta.fb_post(f"{PAGE}/feed", message="Hi").json()["id"]
    meta.sandbox.remove(service, node)
    assert error(meta.fb_get(node)) == (400, 100, 33)
    assert [post["post_id"] for post in meta.sandbox.posts()] == [node]
    with pytest.raises(ValueError, match="nothing live is"):
        meta.sandbox.remove(service, node)
