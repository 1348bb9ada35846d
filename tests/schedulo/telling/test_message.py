"""What a message says, and what foreign text in it cannot do."""

from __future__ import annotations

from schedulo.delivery.incidents import Trouble
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import claims, outbox
from schedulo.model import State
from schedulo.telling.message import Message
from tests.schedulo.telling.conftest import Desk


def told(desk: Desk) -> Message:
    desk.tell()
    return desk.sent[-1][1]


def test_it_says_what_happened_to_which_posts_what_is_done_and_who_must_act(desk: Desk) -> None:
    id_ = desk.add(
        State.FAILED,
        label="x @acme: Hello",
        post_id="recPost",
        reason="X refused it",
        due_ms=1_800_000_660_000,
    )
    desk.run(
        claims.insert().values(
            run_id="scheduled__2027-01-15T08:11:00+00:00", map_index=3, delivery_id=id_, claimed_ms=1
        )
    )
    desk.run(outbox.insert().values(key=id_, record_id="recDelivery", changed_ms=1))
    desk.incident(Trouble.FAILED, id_, actor=Actor.OWNER, sentence="x no longer accepts this account's login")
    message = told(desk)
    assert message.title == "Posts could not be published (1 post): x @acme: Hello"
    task = (
        "http://airflow.test/dags/publish_due_posts/runs/scheduled__2027-01-15T08%3A11%3A00%2B00%3A00"
        "/tasks/publish/mapped/3"
    )
    record = "https://airtable.com/appBase/tblDeliveries/recDelivery"
    assert message.body.splitlines() == [
        "What happened: x no longer accepts this account's login",
        "Since: 2027-01-15 08:00 UTC",
        "What is being done: Nothing more: these posts are not tried again by themselves.",
        "Who must act: the account's owner. Mend the cause, then ask for them again: clear the task in "
        "Airflow, or request a retry in Airtable.",
        "Posts (1):",
        "- x @acme: Hello (due 2027-01-15 08:11 UTC, failed: X refused it)",
        f"  {task}",
        f"  {record}",
    ]
    for link in (task, record):
        assert f'href="{link}"' in message.html


def test_a_post_that_no_task_and_no_row_knows_is_linked_by_its_own_row(desk: Desk) -> None:
    desk.incident(Trouble.FAILED, desk.add(State.FAILED, post_id="recPost"))
    body = told(desk).body
    assert "https://airtable.com/appBase/tblPosts/recPost" in body
    assert "http://airflow.test" not in body


def test_the_task_that_worked_last_is_linked(desk: Desk) -> None:
    id_ = desk.add(State.FAILED)
    for number, dag in ((1, "publish_due_posts"), (2, "publish_now")):
        row = {"run_id": f"r{number}", "map_index": 0, "delivery_id": id_, "dag_id": dag}
        desk.run(claims.insert().values(**row, claimed_ms=number))
    desk.incident(Trouble.FAILED, id_)
    assert "http://airflow.test/dags/publish_now/runs/r2/tasks/publish/mapped/0" in told(desk).body


def test_twenty_posts_are_named_and_all_are_counted(desk: Desk) -> None:
    desk.incident(Trouble.MISSED, *(desk.add(State.MISSED, label=f"post {n}") for n in range(200)))
    message = told(desk)
    assert message.body.count("- post ") == message.html.count("<li><b>post ") == 20
    assert message.body.endswith("- and 180 more")
    assert "<li>and 180 more</li>" in message.html


def test_what_strangers_wrote_is_escaped_cut_and_calls_nobody(desk: Desk) -> None:
    nasty = "<script>alert(1)</script>\r\nBcc: all@example.com\u202e @everyone <!channel> " + "x" * 5000
    desk.incident(Trouble.FAILED, desk.add(State.FAILED, label=nasty, reason=nasty), sentence=nasty)
    message = told(desk)
    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    for text in (message.title, message.body, message.html):
        assert "\u202e" not in text
        assert "\r" not in text
        assert "@everyone" not in text
        assert "<!channel" not in text
        assert "\nBcc" not in text
        assert len(text) < 2500
    assert "\n" not in message.title


def test_the_end_of_posts_that_all_went_out_says_so(desk: Desk) -> None:
    ids = [desk.add(State.FAILED) for _ in range(12)]
    desk.incident(Trouble.FAILED, *ids)
    desk.tell()
    for id_ in ids:
        desk.change(id_, state=State.PUBLISHED, published_ms=1_800_000_660_000)
    message = told(desk)
    assert message.title == "Over: Posts could not be published (12 posts)"
    assert (
        "Over: since 2027-01-15 08:00 UTC; it began at 2027-01-15 08:00 UTC. "
        "All 12 posts went out, the last at 2027-01-15 08:11 UTC."
    ) in message.body


def test_a_reason_that_all_posts_have_in_common_is_said_once(desk: Desk) -> None:
    desk.incident(Trouble.FAILED, *(desk.add(State.FAILED, reason=f"reason {n}") for n in range(3)))
    body = told(desk).body
    assert [body.count(f"failed: reason {n})") for n in range(3)] == [1, 1, 1]
    desk.incident(Trouble.MISSED, *(desk.add(State.MISSED, reason="too late for it") for _ in range(3)))
    body = told(desk).body
    assert "Each post: too late for it" in body
    assert body.count("too late for it") == 1


def test_the_end_of_late_posts_says_how_late_they_went_out(desk: Desk) -> None:
    started = desk.now_ms
    ids = [desk.add(State.ARMED, due_ms=started - 60_000) for _ in range(2)]
    desk.incident(Trouble.LATE, *ids, about="waiting")
    assert told(desk).title == "Posts are late (2 posts)"
    for id_, late_ms in zip(ids, (74_000, 90_000), strict=True):
        at_ms = started - 60_000 + late_ms
        desk.change(id_, state=State.PUBLISHED, published_ms=at_ms, accepted_ms=at_ms)
    desk.pass_s(60)
    message = told(desk)
    assert message.title == "Over: Posts are late (2 posts)"
    end = "All 2 posts went out, the last at 2027-01-15 08:00 UTC, the latest 90 seconds late."
    assert end in message.body
