"""X's reads: by id, an account's timeline, spellings, metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox.x.conftest import Client

TIMELINE = "/2/users/11/tweets"


def ids(answer: Any) -> list[str]:
    return [post["id"] for post in answer.json().get("data", [])]


def test_a_timeline_is_newest_first(x: Client) -> None:
    posts = [x.post_id(text=f"post {n}") for n in range(3)]
    answer = x.get(TIMELINE)
    assert ids(answer) == posts[::-1]
    assert answer.json()["meta"] == {"result_count": 3, "newest_id": posts[2], "oldest_id": posts[0]}


def test_a_post_that_is_removed_is_an_error_beside_the_others(x: Client) -> None:
    gone, there = x.post_id(text="gone"), x.post_id(text="there")
    x.sandbox.remove("x", gone)
    answer = x.get("/2/tweets", ids=f"{gone},{there}")
    assert (answer.status_code, ids(answer)) == (200, [there])
    [error] = answer.json()["errors"]
    assert (error["resource_id"], error["type"].rpartition("/")[2]) == (gone, "resource-not-found")


def test_a_timeline_holds_one_account_only(x: Client) -> None:
    x.as_("bob-token").post_id(text="mine")
    assert x.get(TIMELINE).json() == {"meta": {"result_count": 0}}


def test_pages_follow_their_token(x: Client) -> None:
    posts = [x.post_id(text=f"post {n}") for n in range(7)]
    first = x.get(TIMELINE, max_results=5)
    second = x.get(TIMELINE, max_results=5, pagination_token=first.json()["meta"]["next_token"])
    assert ids(first) + ids(second) == posts[::-1]
    assert "next_token" not in second.json()["meta"]


def test_ids_bound_a_timeline_on_both_sides(x: Client) -> None:
    posts = [x.post_id(text=f"post {n}") for n in range(5)]
    assert ids(x.get(TIMELINE, since_id=posts[1], until_id=posts[4])) == [posts[3], posts[2]]


def test_times_bound_a_timeline(x: Client) -> None:
    post_id = x.post_id(text="hello")
    second = int(x.sandbox.posts()[0]["received_at"])
    at, after = (datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for s in (second, second + 1))
    assert ids(x.get(TIMELINE, start_time=at, end_time=after)) == [post_id]
    assert ids(x.get(TIMELINE, start_time=after)) == []
    assert ids(x.get(TIMELINE, end_time=at)) == []


def test_replies_can_be_left_out(x: Client) -> None:
    first = x.post_id(text="1")
    second = x.post_id(text="2", reply={"in_reply_to_tweet_id": first})
    assert ids(x.get(TIMELINE)) == [second, first]
    assert ids(x.get(TIMELINE, exclude="replies,retweets")) == [first]


@pytest.mark.parametrize(
    "query",
    [
        {"max_results": 4},
        {"max_results": 101},
        {"max_results": "many"},
        {"since_id": "x"},
        {"start_time": "yesterday"},
        {"exclude": "ads"},
        {"tweet.fields": "nonsense"},
        {"expansions": "nonsense"},
        {"page": "2"},
    ],
    ids=str,
)
def test_a_bad_query_is_refused(x: Client, query: dict[str, Any]) -> None:
    assert x.get(TIMELINE, **query).status_code == 400


def test_an_unknown_user_is_an_error_beside_no_data(x: Client) -> None:
    answer = x.get("/2/users/99/tweets")
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["type"].endswith("/resource-not-found")


def test_missing_ids_are_errors_beside_data(x: Client) -> None:
    post_id = x.post_id(text="hello")
    body = x.get("/2/tweets", ids=f"{post_id},1").json()
    assert [post["id"] for post in body["data"]] == [post_id]
    assert [problem["resource_id"] for problem in body["errors"]] == ["1"]


def test_a_deleted_post_is_missing_everywhere(x: Client) -> None:
    post_id = x.post_id(text="hello")
    x.send("DELETE", f"/2/tweets/{post_id}")
    assert "data" not in x.get("/2/tweets", ids=post_id).json()
    assert ids(x.get(TIMELINE)) == []


def test_more_than_100_ids_are_refused(x: Client) -> None:
    assert x.get("/2/tweets", ids=",".join(map(str, range(1, 102)))).status_code == 400


def test_a_post_shows_only_what_was_asked_for(x: Client) -> None:
    post_id = x.post_id(text="hello")
    (post,) = x.get("/2/tweets", ids=post_id).json()["data"]
    assert set(post) == {"id", "text", "edit_history_tweet_ids"}


def test_a_link_reads_back_with_its_expanded_address(x: Client) -> None:
    post_id = x.post_id(text="see https://example.com/a?b=c")
    (post,) = x.get("/2/tweets", ids=post_id, **{"tweet.fields": "entities"}).json()["data"]
    (link,) = post["entities"]["urls"]
    assert link["expanded_url"] == "https://example.com/a?b=c"
    assert post["text"][link["start"] : link["end"]] == link["url"]


def test_media_keys_read_back_as_they_were_uploaded(x: Client) -> None:
    media_id = x.photo()
    post_id = x.post_id(media={"media_ids": [media_id]})
    body = x.get(
        "/2/tweets", ids=post_id, expansions="attachments.media_keys", **{"tweet.fields": "attachments"}
    ).json()
    assert body["data"][0]["attachments"] == {"media_keys": [f"3_{media_id}"]}
    assert body["includes"]["media"] == [{"media_key": f"3_{media_id}", "type": "photo"}]


@pytest.mark.parametrize("parameter", ["tweet.fields", "post.fields"])
@pytest.mark.parametrize("word", ["referenced_tweets", "referenced_posts"])
@pytest.mark.parametrize("side", ["old", "new"])
def test_both_spellings_are_asked_and_one_is_answered(
    x: Client, parameter: str, word: str, side: str
) -> None:
    first = x.post_id(text="1")
    second = x.post_id(text="2", reply={"in_reply_to_tweet_id": first})
    x.sandbox.switch(x_spelling=side)
    body = x.get("/2/tweets", ids=second, expansions=f"{word}.id", **{parameter: word}).json()
    answered = "referenced_posts" if side == "new" else "referenced_tweets"
    assert body["data"][0][answered] == [{"type": "replied_to", "id": first}]
    assert list(body["includes"]) == ["posts" if side == "new" else "tweets"]


def test_public_metrics_are_those_that_were_seeded(x: Client) -> None:
    post_id = x.post_id(text="hello")
    x.sandbox.seed({"x": {"metrics": {post_id: {"like_count": 7, "retweet_count": 2}}}})
    x.sandbox.switch(x_spelling="new")
    (post,) = x.get("/2/tweets", ids=post_id, **{"post.fields": "public_metrics"}).json()["data"]
    assert (post["public_metrics"]["like_count"], post["public_metrics"]["repost_count"]) == (7, 2)


@pytest.mark.parametrize(("token", "days", "there"), [("ann-token", 0, True), ("bob-token", 0, False)])
def test_private_metrics_are_for_the_author(x: Client, token: str, days: int, there: bool) -> None:
    post_id = x.post_id(text="hello")
    body = x.as_(token).get("/2/tweets", ids=post_id, **{"tweet.fields": "non_public_metrics"}).json()
    assert ("non_public_metrics" in body["data"][0]) is there
    assert ("errors" in body) is not there


def test_private_metrics_end_after_30_days(x: Client) -> None:
    post_id = x.post_id(text="hello")
    x.sandbox.advance(31 * 86400)
    body = x.get("/2/tweets", ids=post_id, **{"tweet.fields": "non_public_metrics"}).json()
    assert body["errors"][0]["type"].endswith("not-authorized-for-field")


def test_a_long_post_is_cut_and_whole_in_its_note(x: Client) -> None:
    bob = x.as_("bob-token")
    post_id = bob.post_id(text="word " * 100 + "end")
    (post,) = bob.get("/2/tweets", ids=post_id, **{"tweet.fields": "note_tweet"}).json()["data"]
    assert len(post["text"]) <= 280
    assert post["note_tweet"]["text"].endswith("end")


def test_me_tells_who_and_which_class(x: Client) -> None:
    assert x.get("/2/users/me").json()["data"]["id"] == "11"
    me = x.as_("bob-token").get("/2/users/me", **{"user.fields": "subscription_type"}).json()["data"]
    assert me == {"id": "22", "name": "bob", "username": "bob", "subscription_type": "Premium"}


def test_usage_counts_reads_and_is_for_apps(x: Client) -> None:
    x.get("/2/tweets", ids=x.post_id(text="hello"))
    assert x.as_("app-only").get("/2/usage/tweets").json()["data"]["project_usage"] == "1"
    assert x.get("/2/usage/tweets").status_code == 403


def test_read_lag_hides_what_is_young(x: Client) -> None:
    post_id = x.post_id(text="hello")
    x.sandbox.fault(service="x", mode="read_lag:20")
    assert ids(x.get(TIMELINE)) == []
    assert "data" not in x.get("/2/tweets", ids=post_id).json()


def test_mangled_text_has_entities_and_lost_spaces(x: Client) -> None:
    post_id = x.post_id(text="a & b  < c")
    x.sandbox.fault(service="x", mode="mangle_text", times=-1)
    assert x.get("/2/tweets", ids=post_id).json()["data"][0]["text"] == "a &amp; b &lt; c"


def test_unreadable_refuses_reads_and_lets_writes_pass(x: Client) -> None:
    x.sandbox.fault(service="x", mode="unreadable:user", times=-1)
    assert x.post(text="hello").status_code == 201
    assert x.get(TIMELINE).status_code == 403


def test_polls_and_authors_come_as_includes(x: Client) -> None:
    post_id = x.post_id(text="which?", poll={"options": ["a", "b"], "duration_minutes": 5})
    body = x.get("/2/tweets", ids=post_id, expansions="attachments.poll_ids,author_id").json()
    assert [option["label"] for option in body["includes"]["polls"][0]["options"]] == ["a", "b"]
    assert body["includes"]["users"][0]["username"] == "ann"


def test_a_poll_says_how_long_it_lasts_and_whether_it_is_open(x: Client) -> None:
    post_id = x.post_id(text="which?", poll={"options": ["a", "b"], "duration_minutes": 5})
    query = {
        "ids": post_id,
        "expansions": "attachments.poll_ids",
        "poll.fields": "duration_minutes,voting_status",
    }
    (poll,) = x.get("/2/tweets", **query).json()["includes"]["polls"]
    assert (poll["duration_minutes"], poll["voting_status"]) == (5, "open")
    x.sandbox.advance(301)
    (poll,) = x.get("/2/tweets", **query).json()["includes"]["polls"]
    assert poll["voting_status"] == "closed"
    assert x.get("/2/tweets", **query | {"poll.fields": "winner"}).status_code == 400
