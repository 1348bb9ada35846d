"""A real client against the stand-in: tweepy 4, with both kinds of user token.

tweepy names its host in the code, so requests of its session are sent to the sandbox instead; its own media
upload speaks the retired v1.1 API, so uploads go through its general `request`.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests
import tweepy

from tests.sandbox.x.conftest import Client, image


class ToSandbox(requests.Session):
    """Sends what is meant for api.twitter.com to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, url.replace("https://api.twitter.com", self._url), *args, **kwargs)


@pytest.fixture
def client(x: Client) -> tweepy.Client:
    made = tweepy.Client(
        "ann-token",
        consumer_key="ck",
        consumer_secret="cs",
        access_token="ann-1",
        access_token_secret="ann-1-secret",
    )
    made.session = ToSandbox(x.sandbox.service("x"))
    return made


@pytest.mark.parametrize("oauth1", [False, True], ids=["oauth2", "oauth1"])
def test_tweepy_posts_and_reads_back(x: Client, client: tweepy.Client, oauth1: bool) -> None:
    made = client.create_tweet(text="hello from tweepy", user_auth=oauth1)
    page = client.get_users_tweets(11, tweet_fields=["created_at"], max_results=5, user_auth=oauth1)
    (post,) = page.data
    assert (str(post.id), post.text) == (made.data["id"], "hello from tweepy")
    assert abs(post.created_at.timestamp() - x.sandbox.posts()[0]["received_at"]) <= 1


def test_tweepy_posts_a_photo_and_reads_its_key_back(x: Client, client: tweepy.Client) -> None:
    content = image("PNG")
    begin = {"media_type": "image/png", "total_bytes": len(content), "media_category": "tweet_image"}
    media = client.request("POST", "/2/media/upload/initialize", json=begin).json()["data"]
    segment = {"segment_index": 0, "media": base64.b64encode(content).decode()}
    client.request("POST", f"/2/media/upload/{media['id']}/append", json=segment)
    client.request("POST", f"/2/media/upload/{media['id']}/finalize")
    made = client.create_tweet(text="a photo", media_ids=[media["id"]])
    read = client.get_tweets([made.data["id"]], expansions=["attachments.media_keys"])
    assert read.includes["media"][0].media_key == media["media_key"]


def test_tweepy_posts_a_poll_and_reads_it_back(x: Client, client: tweepy.Client) -> None:
    made = client.create_tweet(
        text="Which roast?", poll_options=["Light", "Dark"], poll_duration_minutes=60, user_auth=False
    )
    read = client.get_tweets(
        [made.data["id"]], expansions=["attachments.poll_ids"], poll_fields=["duration_minutes"]
    )
    (poll,) = read.includes["polls"]
    assert [option["label"] for option in poll.options] == ["Light", "Dark"]
    assert poll.duration_minutes == 60
    assert x.sandbox.posts()[0]["kind"] == "poll"


def test_tweepy_sees_a_duplicate_as_forbidden(client: tweepy.Client) -> None:
    client.create_tweet(text="hello", user_auth=False)
    with pytest.raises(tweepy.Forbidden, match="duplicate content"):
        client.create_tweet(text="hello", user_auth=False)


def test_tweepy_sees_a_wrong_signature_as_unauthorized(client: tweepy.Client) -> None:
    client.access_token_secret = "wrong"
    with pytest.raises(tweepy.Unauthorized):
        client.create_tweet(text="hello", user_auth=True)


def test_tweepy_deletes_a_post(client: tweepy.Client) -> None:
    made = client.create_tweet(text="hello", user_auth=False)
    assert client.delete_tweet(made.data["id"], user_auth=False).data == {"deleted": True}
    assert client.get_users_tweets(11).data is None


@pytest.mark.parametrize("oauth1", [False, True], ids=["oauth2", "oauth1"])
def test_tweepy_reads_the_numbers_of_posts_and_of_ourselves(
    x: Client, client: tweepy.Client, oauth1: bool
) -> None:
    now = x.sandbox.world.now()
    x.sandbox.stop_clock(now)
    post = {"account_id": "11", "post_id": "1001", "kind": "video", "published_at": now - 86_400}
    x.sandbox.seed({"x": {"posts": [post]}})
    metrics = ["public_metrics", "non_public_metrics"]
    read = client.get_tweets(
        ["1001"],
        tweet_fields=metrics,
        expansions=["attachments.media_keys"],
        media_fields=metrics,
        user_auth=oauth1,
    )
    me = client.get_me(user_fields=["public_metrics"], user_auth=oauth1).data
    rows = [row for row in x.sandbox.numbers(now) if row["account_id"] == "11"]
    true = {(row["post_id"], row["metric"]): row["value"] for row in rows}
    [shown], [medium] = read.data, read.includes["media"]
    assert shown.public_metrics["like_count"] == true["1001", "like_count"]
    assert shown.non_public_metrics["url_link_clicks"] == true["1001", "url_link_clicks"]
    assert medium.public_metrics["view_count"] == true["1001", "view_count"]
    assert medium.non_public_metrics["playback_50_count"] == true["1001", "playback_50_count"]
    assert me.public_metrics["followers_count"] == true[None, "followers_count"]
