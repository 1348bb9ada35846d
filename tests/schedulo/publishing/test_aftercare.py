"""Posts that are out: taken down, changed, and looked for, against the stand-ins."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import amending, amendments
from schedulo.delivery.amendments import Request, Verb
from schedulo.delivery.holds import set_hold
from schedulo.ledger.tables import accounts, deliveries, writes
from schedulo.ledger.tables import amendments as amendments_table
from schedulo.model import Content, Format, WriteState
from schedulo.planning.take_down import why_not
from schedulo.platforms import AFTER, CONVERSATIONS
from schedulo.publishing import aftercare
from schedulo.publishing.aftercare import Means
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.publishing.stage import PATIENT, QUICK, Stage

IG, PAGE = "17841400000000001", "100000000000001"
HOUR_MS = 3_600_000


def means(stage: Stage, *, patient: bool = True, **more: Any) -> Means:
    settings = replace(stage.settings, **PATIENT) if patient else stage.settings
    parts = (stage.ledger, stage.wire(), settings, CONVERSATIONS, AFTER, stage.media_url)
    return Means(*parts, **{"patience_s": 0.2} | more)


def out(stage: Stage, *ids: str) -> None:
    """Publish what is planned."""
    publisher = stage.publisher()
    claims = stage.tick(f"run-{time.monotonic_ns()}")
    assert set(claims) >= set(ids)
    with stage.ledger.read() as connection:
        query = sa.select(deliveries.c.run_id).where(deliveries.c.id == ids[0])
        run_id = connection.execute(query).scalar_one()
    for number, _ in enumerate(claims):
        publisher.work_on(run_id, number, f"{run_id}-{number}").result(30)
    for id_ in ids:
        assert stage.row(id_).state == "published", stage.story(id_)


def ask(stage: Stage, id_: str, verb: Verb = Verb.TAKE_DOWN) -> amendments.Told:
    request = Request(verb, "by ann", lambda *about: why_not(AFTER, *about))
    with stage.ledger.begin() as connection:
        [told] = amendments.ask(connection, stage.ledger.now_ms(connection), [id_], request)
    return told


def carry_out(stage: Stage, *, patient: bool = True) -> list[str]:
    """As though what was put off were due."""
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(amendments_table).values(next_ms=0))
    return list(asyncio.run(aftercare.carry_out(means(stage, patient=patient))).values())


def on_x(stage: Stage, text: str = "hello", **more: Any) -> str:
    stage.seed_x("1")
    id_ = stage.plan(text, due_in_s=0, content=Content(Format.TEXT, text, **more))
    out(stage, id_)
    return id_


def on_page(stage: Stage, text: str = "hello", **more: Any) -> str:
    page = {"page_id": PAGE, "name": "Cafe", "page_token": f"token-{PAGE}"}
    stage.sandbox.seed({"facebook": {"pages": [page]}})
    content = more.pop("content", Content(Format.TEXT, text))
    id_ = stage.plan(text, PAGE, 0, "facebook", content, **more)
    out(stage, id_)
    return id_


def on_instagram(stage: Stage, login: str = "facebook_login", **more: Any) -> str:
    account = {"account_id": IG, "username": "anna", "token": f"token-{IG}", "flavour": login} | more
    stage.sandbox.seed({"instagram": {"accounts": [account]}})
    stage.sandbox.switch(ig_processing_polls="0")
    content = Content(Format.IMAGE, "hello", (stage.file(jpeg(540, 540)),))
    id_ = stage.plan("hello", IG, 0, "instagram", content, {"login": login})
    out(stage, id_)
    return id_


def made(stage: Stage, service: str, method: str) -> int:
    """Requests of this kind that the stand-in has had."""
    rows = stage.sandbox.requests()
    return sum(row["count"] for row in rows if (row["service"], row["method"]) == (service, method))


def newer(stage: Stage, id_: str, content: Content, fingerprint: str = "new") -> None:
    """What planning keeps when the row is changed after the post went out."""
    kept = {"content": content.to_json(), "fingerprint": fingerprint, "content_hash": "h"}
    stage.change(id_, newer=kept)


def amendment(stage: Stage, id_: str) -> Any:
    with stage.ledger.read() as connection:
        query = sa.select(amendments_table).where(amendments_table.c.delivery_id == id_)
        return connection.execute(query.order_by(amendments_table.c.asked_ms.desc())).first()


# Taking down


def test_a_post_on_x_is_taken_down_and_its_row_says_so(stage: Stage) -> None:
    id_ = on_x(stage)
    assert ask(stage, id_).deed == "requested"
    carry_out(stage)
    row = stage.row(id_)
    assert (row.state, row.reason) == ("taken_down", "taken down, as was asked by ann")
    assert row.removed_ms
    assert row.permalink
    assert stage.sandbox.world.services["x"].posts[row.remote_id].deleted
    write = stage.writes(id_)[-1]
    assert (write.name, write.state, write.position) == ("take_down", "accepted", "after")


def test_a_thread_is_taken_down_from_its_end(stage: Stage) -> None:
    id_ = on_x(stage, "one", thread=("two", "three"))
    ask(stage, id_)
    carry_out(stage)
    names = [write.name for write in stage.writes(id_) if write.position == "after"]
    assert names == ["take_down-part-3", "take_down-part-2", "take_down"]
    assert all(post.deleted for post in stage.sandbox.world.services["x"].posts.values())


def test_what_is_gone_already_counts_as_taken_down(stage: Stage) -> None:
    id_ = on_x(stage)
    stage.sandbox.remove("x", stage.row(id_).remote_id)
    ask(stage, id_)
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"


@pytest.mark.parametrize("mode", ["drop_before", "drop_after", "error_after:503", "status:503"])
def test_a_take_down_without_a_clear_answer_is_asked_for_again(stage: Stage, mode: str) -> None:
    id_ = on_x(stage)
    ask(stage, id_)
    stage.sandbox.fault(service="x", method="DELETE", route="delete_post", mode=mode)
    carry_out(stage)
    assert stage.row(id_).state == "published"
    assert "not taken down yet" in stage.row(id_).reason
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"
    states = [write.state for write in stage.writes(id_) if write.position == "after"]
    assert states == ["repeated", "accepted"]
    assert not stage.incidents()


def test_a_limit_is_waited_for_as_long_as_x_says(stage: Stage) -> None:
    id_ = on_x(stage)
    ask(stage, id_)
    stage.sandbox.fault(service="x", method="DELETE", route="delete_post", mode="rate_limit:600")
    [line] = carry_out(stage)
    assert "again in" in line
    assert amendment(stage, id_).next_ms > time.time() * 1000 + 500_000
    assert not stage.holds()


def test_what_a_person_must_mend_ends_the_request_with_an_incident(stage: Stage) -> None:
    id_ = on_x(stage)
    ask(stage, id_)
    stage.sandbox.fault(service="x", method="DELETE", route="delete_post", mode="status:403", times=-1)
    carry_out(stage)
    row = stage.row(id_)
    assert row.state == "published"
    assert "could not be taken down" in row.reason
    assert amendment(stage, id_).state == "failed"
    assert stage.incidents() == {"unchanged"}
    assert not stage.holds()
    stage.sandbox.world.faults.clear()
    assert ask(stage, id_).deed == "requested"
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"


def test_a_post_on_a_page_is_taken_down(stage: Stage) -> None:
    id_ = on_page(stage)
    ask(stage, id_)
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"
    assert stage.row(id_).remote_id not in stage.sandbox.world.services["facebook"].store.nodes


def test_a_page_post_that_only_cannot_be_read_is_not_called_taken_down(stage: Stage) -> None:
    id_ = on_page(stage)
    ask(stage, id_)
    fault = {"service": "facebook", "method": "DELETE", "mode": "status:400/100/33", "times": -1}
    stage.sandbox.fault(**fault)
    carry_out(stage)
    assert stage.row(id_).state == "published"
    stage.sandbox.remove("facebook", stage.row(id_).remote_id)
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"


def test_instagram_takes_down_where_the_account_came_by_facebook_login(stage: Stage) -> None:
    id_ = on_instagram(stage)
    ask(stage, id_)
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"
    assert made(stage, "facebook", "DELETE") == 1


def test_instagram_by_its_own_login_says_to_do_it_in_the_app(stage: Stage) -> None:
    id_ = on_instagram(stage, "instagram_login")
    told = ask(stage, id_)
    assert (told.deed, "delete it in the app" in told.sentence) == ("refused", True)
    assert amendment(stage, id_) is None


def test_a_kind_that_instagram_does_not_delete_is_told_in_words(stage: Stage) -> None:
    id_ = on_instagram(stage)
    stage.sandbox.switch(ig_undeletable="image")
    ask(stage, id_)
    carry_out(stage)
    assert "does not delete this kind of post" in stage.row(id_).reason
    assert stage.row(id_).state == "published"
    assert stage.writes(id_)[-1].state == "refused"


def test_a_missing_permission_is_the_owners(stage: Stage) -> None:
    scopes = ["instagram_basic", "instagram_content_publish", "pages_read_engagement"]
    id_ = on_instagram(stage, scopes=scopes)
    ask(stage, id_)
    carry_out(stage)
    assert "lacks a permission" in stage.row(id_).reason
    assert not stage.holds()


def test_a_take_down_of_what_is_not_out_cancels_it(stage: Stage) -> None:
    id_ = stage.plan("later", due_in_s=600)
    assert ask(stage, id_).deed == "cancelled"
    assert stage.row(id_).state == "cancelled"


def test_what_is_on_its_way_is_taken_down_when_it_is_out(stage: Stage) -> None:
    id_ = on_x(stage)
    stage.change(id_, state="processing")
    assert ask(stage, id_).deed == "requested"
    carry_out(stage)
    assert amendment(stage, id_).state == "open"
    assert made(stage, "x", "DELETE") == 0
    stage.change(id_, state="published")
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"


def test_of_a_thread_that_is_to_go_nothing_more_follows(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("one", due_in_s=0, content=Content(Format.TEXT, "one", thread=("two",)))
    stage.sandbox.fault(service="x", method="POST", route="create_post", mode="rate_limit:600", after=1)
    stage.tick("run-1")
    stage.publisher().work_on("run-1", 0, "ti-1")
    stage.wait_until(lambda: stage.row(id_).state == "published_incomplete" and not stage.row(id_).holder)
    stage.release("account:x:1")
    ask(stage, id_)
    carry_out(stage)
    assert (stage.row(id_).error_kind, stage.tick("run-2")) == ("taken_back", [])
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"
    assert [post["text"] for post in stage.sandbox.posts()] == ["one"]


def test_two_who_carry_out_at_once_send_one_request(stage: Stage) -> None:
    id_ = on_x(stage)
    ask(stage, id_)
    stage.sandbox.fault(service="x", method="DELETE", route="delete_post", mode="delay:0.5")

    async def both() -> None:
        await asyncio.gather(aftercare.carry_out(means(stage)), aftercare.carry_out(means(stage)))

    asyncio.run(both())
    assert stage.row(id_).state == "taken_down"
    assert made(stage, "x", "DELETE") == 1


def test_nothing_publishes_again_what_was_taken_down(stage: Stage) -> None:
    id_ = on_x(stage)
    ask(stage, id_)
    carry_out(stage)
    assert stage.tick("run-2") == []
    assert ask(stage, id_).sentence == "nothing to do, it was taken down"


def die_at_work(stage: Stage, id_: str) -> amending.Wish:
    """Another process took the request, opened its write, and was heard of no more."""
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        [_] = amendments.take(connection, now_ms, "dead", [id_])
        wish = amending.Wish("w1", id_, Verb.TAKE_DOWN, "take_down", "dead", {}, {}, 60_000, 2000)
        assert amending.open_write(connection, now_ms, wish)
    return wish


def test_what_a_process_that_died_had_begun_is_done_by_another(stage: Stage) -> None:
    id_ = on_x(stage)
    ask(stage, id_)
    wish = die_at_work(stage, id_)
    assert carry_out(stage) == []  # it may still be at it
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(amendments_table).values(held_until_ms=1))
    assert "put off" in carry_out(stage)[0]
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(writes).where(writes.c.id == "w1").values(sending_until_ms=1))
    assert carry_out(stage) == ["taken down"]
    with stage.ledger.begin() as connection:  # and it wakes up after all
        now_ms = stage.ledger.now_ms(connection)
        assert not amending.open_write(connection, now_ms, replace(wish, write_id="w2"))
        amending.close_write(connection, now_ms, wish, WriteState.ACCEPTED, "404", 404, True)
    states = {write.id: write.state for write in stage.writes(id_) if write.position == "after"}
    assert states.pop("w1") == "repeated"
    assert list(states.values()) == ["accepted"]
    assert stage.row(id_).state == "taken_down"


def test_a_process_that_dies_before_it_says_so_leaves_no_second_request(stage: Stage) -> None:
    id_ = on_x(stage)
    ask(stage, id_)
    wish = die_at_work(stage, id_)
    with stage.ledger.begin() as connection:
        amending.close_write(connection, 0, wish, WriteState.ACCEPTED, "200", 200, True)
        connection.execute(sa.update(amendments_table).values(held_until_ms=1))
    assert carry_out(stage) == ["taken down"]
    assert made(stage, "x", "DELETE") == 0


# Editing


def test_the_text_of_a_page_post_is_changed_to_that_of_its_row(stage: Stage) -> None:
    id_ = on_page(stage)
    newer(stage, id_, Content(Format.TEXT, "better"))
    assert ask(stage, id_, Verb.EDIT).deed == "requested"
    carry_out(stage)
    row = stage.row(id_)
    assert stage.sandbox.world.services["facebook"].store.nodes[row.remote_id].message == "better"
    assert (row.state, row.content["text"], row.fingerprint, row.newer) == (
        "published",
        "better",
        "new",
        None,
    )
    assert stage.writes(id_)[-1].name == "edit-1"
    assert ask(stage, id_, Verb.EDIT).sentence.startswith("nothing to do")


def test_a_row_that_is_changed_once_more_meanwhile_keeps_that_for_the_next_edit(stage: Stage) -> None:
    id_ = on_page(stage)
    newer(stage, id_, Content(Format.TEXT, "second"), "2")
    ask(stage, id_, Verb.EDIT)
    newer(stage, id_, Content(Format.TEXT, "third"), "3")
    carry_out(stage)
    assert (stage.row(id_).content["text"], stage.row(id_).newer["fingerprint"]) == ("second", "3")
    ask(stage, id_, Verb.EDIT)
    carry_out(stage)
    assert (stage.row(id_).content["text"], stage.row(id_).newer) == ("third", None)
    assert [write.name for write in stage.writes(id_)][-2:] == ["edit-1", "edit-2"]


def test_an_edit_changes_the_text_alone_and_says_so(stage: Stage) -> None:
    id_ = on_page(stage)
    newer(stage, id_, Content(Format.LINK, "better", link="https://example.org"))
    ask(stage, id_, Verb.EDIT)
    carry_out(stage)
    row = stage.row(id_)
    assert (row.content["format"], row.content["text"]) == ("text", "better")
    assert "its text alone can be changed" in row.reason
    assert row.fingerprint != "new"


def test_an_older_text_never_arrives_after_a_newer_one(stage: Stage) -> None:
    id_ = on_page(stage)
    newer(stage, id_, Content(Format.TEXT, "second"))
    ask(stage, id_, Verb.EDIT)
    stage.sandbox.fault(service="facebook", method="POST", route="post", mode="late:1")
    carry_out(stage, patient=False)
    with stage.ledger.begin() as connection:  # somebody gives up on it, and asks for another text
        connection.execute(sa.update(amendments_table).values(state="failed"))
    newer(stage, id_, Content(Format.TEXT, "third"))
    ask(stage, id_, Verb.EDIT)
    carry_out(stage, patient=False)
    node = stage.sandbox.world.services["facebook"].store.nodes[stage.row(id_).remote_id]
    assert node.message == "hello"
    time.sleep(QUICK.quiet_s + 0.1)
    carry_out(stage, patient=False)
    assert node.message == "third"


def test_an_edit_waits_for_the_end_of_a_hold_and_a_take_down_does_not(stage: Stage) -> None:
    id_ = on_page(stage)
    newer(stage, id_, Content(Format.TEXT, "better"))
    ask(stage, id_, Verb.EDIT)
    with stage.ledger.begin() as connection:
        set_hold(connection, stage.ledger.now_ms(connection), "everything", "", "fire", "ann")
    assert "put off" in carry_out(stage)[0]
    ask(stage, id_)
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"
    assert amendment(stage, id_).verb == "take_down"


@pytest.mark.parametrize("publish", [on_x, on_instagram])
def test_where_nothing_can_be_changed_the_answer_says_so(stage: Stage, publish: Any) -> None:
    id_ = publish(stage)
    newer(stage, id_, Content(Format.TEXT, "better"))
    told = ask(stage, id_, Verb.EDIT)
    assert told.deed == "refused"
    assert "Instagram does not let" in told.sentence or "X cannot change" in told.sentence


# Still there?


def look(stage: Stage) -> list[str]:
    return list(asyncio.run(aftercare.look(means(stage))).lines)


def age(stage: Stage, id_: str, hours: float = 2) -> None:
    """Time passes for what is known of a post."""
    ms = int(hours * HOUR_MS)
    columns = ("accepted_ms", "checked_ms", "absent_ms")
    row = stage.row(id_)
    stage.change(id_, **{name: getattr(row, name) - ms for name in columns if getattr(row, name) is not None})


PLACES = [on_x, on_page, on_instagram]


@pytest.mark.parametrize("publish", PLACES)
def test_a_post_that_is_there_stays_as_it_is(stage: Stage, publish: Any) -> None:
    id_ = publish(stage)
    age(stage, id_)
    assert look(stage) == []
    row = stage.row(id_)
    assert (row.state, row.absent_ms) == ("published", None)
    assert row.checked_ms
    before = stage.sandbox.requests()
    assert look(stage) == []  # not again before its time
    assert stage.sandbox.requests() == before


@pytest.mark.parametrize("publish", PLACES)
def test_a_post_that_two_looks_an_hour_apart_do_not_find_is_gone(stage: Stage, publish: Any) -> None:
    id_ = publish(stage)
    row = stage.row(id_)
    stage.sandbox.remove(row.platform, row.remote_id)
    age(stage, id_)
    look(stage)
    assert stage.row(id_).state == "published"
    assert look(stage) == []
    age(stage, id_, 1.1)
    [line] = look(stage)
    assert "no longer shows it" in line
    row = stage.row(id_)
    assert (row.state, bool(row.permalink), bool(row.removed_ms)) == ("removed", True, True)
    assert stage.cases(f"removed:{row.account_key}") == {id_}
    assert stage.tick("run-2") == []
    assert len(stage.sandbox.posts()) == 1


@pytest.mark.parametrize("publish", PLACES)
@pytest.mark.parametrize("mode", ["status:503", "status:401", "rate_limit", "drop_after", "garbage_2xx"])
def test_an_account_that_cannot_be_read_says_nothing_of_its_posts(
    stage: Stage, publish: Any, mode: str
) -> None:
    id_ = publish(stage)
    stage.sandbox.remove(stage.row(id_).platform, stage.row(id_).remote_id)
    age(stage, id_)
    look(stage)
    age(stage, id_)
    stage.sandbox.fault(service="*", method="GET", route="*", mode=mode, times=-1)
    [line] = look(stage)
    assert "cannot be looked at now" in line
    assert stage.row(id_).state == "published"
    assert not stage.incidents()


def test_a_suspended_account_on_x_shows_no_posts_and_loses_none(stage: Stage) -> None:
    id_ = on_x(stage)
    stage.sandbox.remove("x", stage.row(id_).remote_id)
    stage.sandbox.fault(service="x", method="GET", route="me", mode="status:403/user-suspended", times=-1)
    for _ in range(2):
        age(stage, id_)
        look(stage)
    assert (stage.row(id_).state, stage.row(id_).absent_ms) == ("published", None)


@pytest.mark.parametrize("publish", [on_page, on_instagram])
def test_a_post_that_this_token_cannot_read_and_the_list_shows_is_there(stage: Stage, publish: Any) -> None:
    id_ = publish(stage)
    stage.sandbox.fault(
        service="facebook", method="GET", route="*", mode="status:400/100/33", times=1, account_id=None
    )
    age(stage, id_)
    look(stage)
    assert (stage.row(id_).state, stage.row(id_).absent_ms) == ("published", None)


def test_a_post_that_comes_back_is_published_again(stage: Stage) -> None:
    id_ = on_x(stage)
    post = stage.sandbox.world.services["x"].posts[stage.row(id_).remote_id]
    post.gone_at = 0.0
    for _ in range(2):
        age(stage, id_)
        look(stage)
    assert stage.row(id_).state == "removed"
    post.gone_at = None
    age(stage, id_, 25)
    [line] = look(stage)
    assert line.endswith("x shows it again")
    assert (stage.row(id_).state, stage.row(id_).removed_ms) == ("published", None)


def test_a_hundred_posts_on_x_are_one_request(stage: Stage) -> None:
    ids = []
    stage.seed_x("1")
    for number in range(3):
        ids.append(stage.plan(f"post {number}", due_in_s=0))
    out(stage, *ids)
    for id_ in ids:
        age(stage, id_)
    look(stage)
    counts = {row["route"]: row["count"] for row in stage.sandbox.requests() if row["service"] == "x"}
    assert counts["posts"] == 1


def test_no_look_is_taken_where_it_is_switched_off_or_the_post_is_old(stage: Stage) -> None:
    id_ = on_x(stage)
    age(stage, id_, 24 * 31)
    look(stage)
    assert stage.row(id_).checked_ms is None
    age(stage, id_, -24 * 30)
    stage.settings = replace(stage.settings, still_there_s=0.0)
    look(stage)
    assert stage.row(id_).checked_ms is None


@pytest.mark.parametrize("why", ["a story", "an account that is switched off", "a hold by an error"])
def test_what_says_nothing_of_a_post_is_not_looked_for(stage: Stage, why: str) -> None:
    id_ = on_x(stage)
    age(stage, id_)
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        if why == "a hold by an error":
            set_hold(connection, now_ms, "account", "x:1", "r", "schedulo", None, "reconnect")
        elif why == "a story":
            content = Content(Format.STORY).to_json()
            connection.execute(sa.update(deliveries).values(content=content))
        else:
            connection.execute(sa.update(accounts).values(active=False))
    look(stage)
    assert stage.row(id_).checked_ms is None


def test_a_hold_by_a_person_keeps_nobody_from_looking(stage: Stage) -> None:
    id_ = on_x(stage)
    age(stage, id_)
    with stage.ledger.begin() as connection:
        set_hold(connection, stage.ledger.now_ms(connection), "everything", "", "fire", "ann")
    look(stage)
    assert stage.row(id_).checked_ms


class Broken:
    """A platform's side with a fault of ours in it."""

    batch = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(AFTER["x"], name)

    def take_down(self, job: Any, out: Any) -> Any:
        raise KeyError("ours")

    look = take_down


def test_a_fault_of_ours_ends_one_request_and_spoils_no_other(stage: Stage) -> None:
    broken, fine = on_x(stage), on_page(stage)
    for id_ in (broken, fine):
        ask(stage, id_)
    asyncio.run(aftercare.carry_out(replace(means(stage), after={**AFTER, "x": Broken()})))
    assert "a fault of the program (KeyError)" in stage.row(broken).reason
    assert stage.row(fine).state == "taken_down"


def test_a_fault_of_ours_at_one_account_does_not_keep_others_from_being_looked_at(stage: Stage) -> None:
    ids = (on_x(stage), on_page(stage))
    for id_ in ids:
        age(stage, id_)
    looked = asyncio.run(aftercare.look(replace(means(stage), after={**AFTER, "x": Broken()})))
    assert list(looked.lines) == ["x:1 cannot be looked at now: KeyError"]
    assert [bool(stage.row(id_).checked_ms) for id_ in ids] == [False, True]
