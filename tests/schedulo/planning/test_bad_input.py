"""Rows with every kind of nonsense, through the whole tick: each gets its own sentence in its own row, the
rows beside it are planned, and the run ends well."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedulo.airtable.client import AirtableClient
from schedulo.airtable.rows import MESSAGE_CHARS
from schedulo.airtable.schema import BY_NAME
from schedulo.ledger.tables import accounts
from schedulo.model import Account, Content, Platform, State
from schedulo.planning.prepare import NotPrepared
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.ending import End
from tests.schedulo.planning.conftest import BASE, Office

PLANNED = ""
"""The corpus's word for: no complaint, it is planned."""

CORPUS: dict[str, tuple[dict[str, Any], str]] = {
    # Wrong types: what a field that people retyped, or a formula that fails, gives
    "text is a number": ({"Text": 42}, PLANNED),
    "text is a list": ({"Text": ["a", "b"]}, "Text (a list): must be text. The author"),
    "text is an error of a formula": ({"Text": {"error": "#ERROR!"}}, "Text (an object): must be text"),
    "text is a number without its digits": ({"Text": 10**30}, "is a number too large to be exact"),
    "title is a checkbox": ({"Title": True}, "Title (True): must be text"),
    "title is not a number": ({"Title": math.nan}, "Title (nan): is a number too large"),
    "time is a checkbox": ({"Publish at": True}, "Publish at (True): must be a date with a time"),
    "time is a number": ({"Publish at": 1.8e12}, "Publish at (1800000000000.0): must be a date with a time"),
    "time is a day": ({"Publish at": "2036-12-24"}, "Publish at (2036-12-24): must be a date with a time"),
    "time is a word": ({"Publish at": "tomorrow"}, "Publish at (tomorrow): must be a date with a time"),
    "time is empty": ({"Publish at": None}, "Publish at: is empty, so nobody knows when"),
    "time is before 1970": ({"Publish at": "1969-12-31T23:59:59Z"}, "must be between 1970 and 9998"),
    "time is beyond the calendar": (
        {"Publish at": "9999-12-31T23:59:59-23:59"},
        "Publish at (9999-12-31T23:59:59-23:59): must be between 1970 and 9998",
    ),
    "time is both": ({"Publish at (local)": "2036-12-24 18:00"}, "and 'Publish at' are both filled"),
    "local time is a riddle": (
        {"Publish at": None, "Publish at (local)": "24.12. at six"},
        "Publish at (local) (24.12. at six): must be a date and a time such as 2026-12-24 18:00",
    ),
    "local time has thirteen months": (
        {"Publish at": None, "Publish at (local)": "2036-13-01 18:00"},
        "Publish at (local) (2036-13-01 18:00): must be a date and a time",
    ),
    "media is a text": ({"Media": "cat.jpg"}, "Media: holds something that is not a finished upload"),
    "media has numbers that are none": (
        {"Media": [{"id": "att1", "url": "http://127.0.0.1:9/x", "size": math.inf, "width": math.nan}]},
        "Media",
    ),
    "accounts is a text": ({"Accounts": "acme"}, "Accounts (acme): must be links to rows"),
    "accounts holds objects": ({"Accounts": [{"id": "recX"}]}, "Accounts (a list): must be links to rows"),
    "replies are a list": ({"X replies": ["Everyone"]}, "X replies (a list): must be text"),
    "replies are unheard of": ({"X replies": "My mother"}, "X replies (My mother): must be one of Everyone"),
    "cover is in the future": ({"Cover at (s)": 1e12}, "Cover at (s) (1000000000000.0): must be seconds"),
    "a checkbox is a text": ({"AI generated": "perhaps"}, "AI generated (perhaps): must be a checkbox"),
    # Zones
    "zone is foreign": (
        {"Time zone": "Middle-earth/Shire"},
        "Time zone (Middle-earth/Shire): must be an IANA",
    ),
    "zone is an offset": ({"Time zone": "+02:00"}, "Time zone (+02:00): must be an IANA time zone"),
    "zone climbs out": ({"Time zone": "../../etc/passwd"}, "Time zone (../../etc/passwd): must be an IANA"),
    "zone is mistyped": ({"Time zone": "Europe/Berlni"}, "Do you mean Europe/Berlin?"),
    # Signs
    "emoji of several": ({"Text": "👩‍👩‍👧‍👦🏳️‍🌈 hi"}, PLANNED),
    "text from right to left": ({"Text": "שלום \u202eevil\u202c"}, PLANNED),
    "a formula": ({"Text": "=cmd|' /C calc'!A0", "Title": "');DROP TABLE posts;--"}, PLANNED),
    "braces and quotes": ({"Text": "{Text} 'a' \"b\" \\ %s %(x)s {0}", "Title": "{{ x }}"}, PLANNED),
    "markup": ({"Text": "<script>alert(1)</script> &amp;"}, PLANNED),
    "NUL": ({"Text": "a\x00b"}, "Text (ab): holds characters that nobody can show"),
    "half an emoji": ({"Text": "a\ud83d"}, "holds characters that nobody can show"),
    "half an emoji in the title": ({"Title": "a\udc00"}, "Title (a?): holds characters that nobody can show"),
    "a zone that turns the sentence around": ({"Time zone": "a\u202eb\nc"}, "Time zone (ab c): must be"),
    # Sizes
    "text of 10 MB": ({"Text": "x" * 10_000_000}, "X takes 280 from this account"),
    "10 MB of links": ({"Text": "https://a.example/b " * 500_000}, "X takes 280 from this account"),
    "title of 1 MB": ({"Title": "t" * 1_000_000}, PLANNED),
    "zone of 1 MB": ({"Time zone": "Z" * 1_000_000}, "must be an IANA time zone"),
    "ten thousand files": ({"Media": [{"id": f"att{n}"} for n in range(10_000)]}, "not a finished upload"),
    "ten thousand lines of alternative text": (
        {"Alt text": "\n" * 10_000 + "x"},
        "Alt text: has 10001 lines",
    ),
    # Links to what is gone
    "account was deleted": ({"Accounts": ["recGone0000000000"]}, "Accounts: one of them is not in"),
    "an account that is no id": ({"Accounts": ["'); x", ""]}, "Accounts: one of them is not in"),
    "address of a file is dead": (
        {"Media": [{"id": "attDead", "url": "http://127.0.0.1:9/dead.jpg", "filename": "dead.jpg"}]},
        "Media",
    ),
    "address of a file is none": (
        {"Media": [{"id": "attOdd", "url": "file:///etc/passwd", "filename": "p"}]},
        "Media (p)",
    ),
    "an empty row": (dict.fromkeys(("Title", "Text", "Accounts", "Publish at")), "Accounts: is empty"),
    "nothing to say": ({"Text": ""}, "Text: a post without media needs a text. Write one."),
}


class Bent(AirtableClient):
    """The real base, of which some cells hold what no person can type here but Airtable could send."""

    bent: dict[str, dict[str, Any]]

    def _page(self, table: str, *args: Any) -> Any:
        records, offset = super()._page(table, *args)
        for record in records:
            record["fields"] |= self.bent.get(record["id"], {})
        return records, offset


@pytest.fixture
def bent(office: Office) -> dict[str, dict[str, Any]]:
    """Cells by record id, in place of the base's own."""
    cells: dict[str, dict[str, Any]] = {}

    def client() -> Bent:
        made = Bent(office.api(), BASE)
        made.bent = cells
        return made

    office.client = client
    return cells


def good_rows(office: Office, count: int = 3) -> set[str]:
    titles = {f"good {number}" for number in range(count)}
    for number, title in enumerate(sorted(titles)):
        office.post(office.account(str(900 + number)), title, due_in_s=600)
    return titles


def messages(office: Office, post_id: str) -> str:
    """All that Deliveries say of a post, however many rows say it."""
    rows = office.api().table(BASE, "Deliveries").all()
    found = [row["fields"] for row in rows if post_id in row["fields"].get("Post", [])]
    return "\n".join(str(fields.get("Message", "")) for fields in found)


def states(office: Office, post_id: str) -> set[str]:
    return {row.state for row in office.rows() if row.post_id == post_id}


def planned(office: Office) -> set[str]:
    return {row.title for row in office.rows() if row.state in (State.SCHEDULED, State.CLAIMED)}


@pytest.mark.slow
def test_each_bad_row_gets_its_own_sentence_and_no_other_row_suffers(
    office: Office, bent: dict[str, dict[str, Any]]
) -> None:
    good = good_rows(office)
    account = office.account("1")
    posts = {name: office.post(account, name, due_in_s=600) for name in CORPUS}
    bent |= {posts[name]: cells for name, (cells, _) in CORPUS.items()}
    office.tick()
    with suppress(NotPrepared):
        office.prepare()
    office.tick()
    assert good <= planned(office)
    told = {name: messages(office, posts[name]) for name in CORPUS}
    wrong = {
        name: (sentence, told[name][:300])
        for name, (_, sentence) in CORPUS.items()
        if sentence not in told[name]
        or (sentence == PLANNED) != (states(office, posts[name]) == {State.SCHEDULED})
    }
    assert wrong == {}
    assert all(len(text) <= MESSAGE_CHARS for text in told.values())


@pytest.mark.slow
def test_good_rows_go_out_between_bad_ones(office: Office, bent: dict[str, dict[str, Any]]) -> None:
    stage = office.stage()
    stage.seed_x("1", "2", "3")
    accounts_ = [office.account(number) for number in "123"]
    bad = [office.post(accounts_[0], name, due_in_s=5) for name in CORPUS]
    bent |= {post: cells for post, (cells, sentence) in zip(bad, CORPUS.values(), strict=True) if sentence}
    bent |= {post: {"Status": "Draft"} for post in bad if post not in bent}
    for number, account in enumerate(accounts_):
        office.post(account, f"good {number}", due_in_s=5)
    claims = office.tick()
    publisher = stage.publisher()
    try:
        work = [publisher.work_on("run-1", claim.map_index, f"ti-{claim.map_index}") for claim in claims]
        assert [ending.result(30).end for ending in work] == [End.SUCCESS] * 3
    finally:
        publisher.close()
    assert sorted(post["text"] for post in office.sandbox.posts()) == ["good 0", "good 1", "good 2"]


def test_a_row_that_the_program_itself_fails_at_stands_alone(office: Office) -> None:
    class Failing:
        """X with a fault in it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(CONVERSATIONS[Platform.X], name)

        def check(self, account: Account, content: Content, *, public_media: bool) -> Any:
            assert "trap" not in content.text
            return ()

    office.conversations = {**CONVERSATIONS, Platform.X: Failing()}
    good = good_rows(office)
    trap = office.post(office.account("1"), "trap")
    office.tick()
    assert planned(office) == good
    assert "cannot plan this post (AssertionError): a fault of the program" in messages(office, trap)
    assert any("trap" not in line and trap in line for line in office.last.lines)
    office.conversations = CONVERSATIONS
    office.change("Posts", trap, Text="mended")
    office.tick()
    assert states(office, trap) == {State.CLAIMED}


scalars = st.none() | st.booleans() | st.integers() | st.floats()
texts = st.text(st.characters(codec=None), max_size=30)
anything = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
FIELDS = [field.name for field in BY_NAME["Posts"].fields if field.name != "Status"]


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), anything, min_size=1), min_size=1, max_size=4))
def test_no_cells_whatever_end_a_tick_or_leave_another_row_unplanned(
    office: Office, bent: dict[str, dict[str, Any]], nonsense: list[dict[str, Any]]
) -> None:
    bent.clear()
    office.settings = replace(office.settings, content_guard_s=0.0)
    account = office.account(str(1 + office.runs))
    bent |= {office.post(account, f"bad {office.runs}", due_in_s=600): cells for cells in nonsense}
    good = office.post(account, f"good {office.runs}", due_in_s=600)
    office.tick()
    assert states(office, good) == {State.SCHEDULED}
    assert not any("fault of the program" in line for line in office.last.lines), office.last.lines
    for post in bent:
        assert messages(office, post) or states(office, post) <= {State.SCHEDULED, State.MISSED}


# Accounts

ACCOUNTS: dict[str, tuple[dict[str, Any], str]] = {
    "no platform": ({"Platform": None}, "Platform: is empty, and nothing can be published without it"),
    "a platform of its own": ({"Platform": "Myspace"}, "Platform (Myspace): must be one of"),
    "no id": ({"Account ID": None}, "Account ID: is empty; it is the platform's own id"),
    "an @name": ({"Account ID": "@acme"}, "Account ID (@acme): is no id of an account"),
    "an id that climbs out": (
        {"Account ID": "1/../2?x=y"},
        "Account ID (1/../2?x=y): is no id of an account",
    ),
    "an id that lost its digits": (
        {"Account ID": 17841400000000001},
        "Account ID (17841400000000001): is a number too large to be exact; the field must be text",
    ),
    "an id of 1 MB": ({"Account ID": "9" * 1_000_000}, "is no id of an account"),
    "an id with NUL": ({"Account ID": "1\x002"}, "holds characters that nobody can show"),
    "a list for an id": ({"Account ID": ["1"]}, "Account ID (a list): must be text"),
    "not active": ({"Active": None}, "it is not active. Who looks after the accounts ticks Active."),
}


def test_each_bad_account_says_why_in_the_rows_of_its_posts(
    office: Office, bent: dict[str, dict[str, Any]]
) -> None:
    good = good_rows(office)
    bad = {name: office.account(str(100 + number)) for number, name in enumerate(ACCOUNTS)}
    bent |= {bad[name]: cells for name, (cells, _) in ACCOUNTS.items()}
    posts = {name: office.post(bad[name], name, due_in_s=600) for name in ACCOUNTS}
    office.tick()
    assert planned(office) == good
    told = {name: messages(office, posts[name]) for name in ACCOUNTS}
    assert {name: told[name][:300] for name, (_, says) in ACCOUNTS.items() if says not in told[name]} == {}


def test_two_rows_of_one_account_are_one_account(office: Office) -> None:
    """People connect again and make a second row; posts name the one, the other, or both."""
    first, second = office.account("7"), office.account("7", Name="Acme again")
    for title, rows in {
        "by the first": [first],
        "by the second": [second],
        "by both": [first, second],
    }.items():
        office.post(first, title, due_in_s=600, Accounts=rows)
    for _ in range(2):
        office.tick()
    assert planned(office) == {"by the first", "by the second", "by both"}
    assert len(office.rows()) == 3
    with office.ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(accounts)).scalar_one() == 1


def test_of_two_rows_of_one_account_the_active_one_counts(office: Office) -> None:
    old, new = office.account("7", Active=False), office.account("7")
    office.post(old, "by the old row", due_in_s=600)
    office.post(new, "by the new row", due_in_s=600)
    office.tick()
    assert planned(office) == {"by the old row", "by the new row"}


def test_posts_of_a_deleted_account_row_say_so_and_the_others_stay(office: Office) -> None:
    good = good_rows(office)
    account = office.account("1")
    post = office.post(account, "orphan", due_in_s=100)
    office.tick()
    office.api().table(BASE, "Accounts").delete(account)
    office.change("Posts", post, Text="edited")
    office.tick()
    assert planned(office) == good
    assert "Accounts: is empty" in messages(office, post)


# Deliveries that people broke


def deliveries_rows(office: Office) -> list[dict[str, Any]]:
    return list(office.api().table(BASE, "Deliveries").all())


def told_now(office: Office) -> dict[str, set[str]]:
    """What Deliveries say, by title."""
    found: dict[str, set[str]] = {}
    for row in deliveries_rows(office):
        found.setdefault(row["fields"].get("Delivery", ""), set()).add(row["fields"].get("State", ""))
    return found


BREAKS: dict[str, Callable[[Office, dict[str, Any]], Any]] = {
    "deleted": lambda office, row: office.api().table(BASE, "Deliveries").delete(row["id"]),
    "duplicated": lambda office, row: office.add(
        "Deliveries", Key=row["fields"]["Key"], Delivery="a copy", State="Published"
    ),
    "its key emptied": lambda office, row: office.change("Deliveries", row["id"], Key=""),
    "its key changed": lambda office, row: office.change("Deliveries", row["id"], Key="mine"),
    "its post unlinked": lambda office, row: office.change("Deliveries", row["id"], Post=[], Account=[]),
    "its state overwritten": lambda office, row: office.change("Deliveries", row["id"], State="Published"),
    "updated in the year 2999": lambda office, row: office.change(
        "Deliveries", row["id"], **{"Updated at": "2999-01-01T00:00:00Z"}
    ),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_row_of_deliveries_is_mended_and_the_others_are_told(office: Office, how: str) -> None:
    account = office.account("1")
    posts = [office.post(account, f"post {number}", due_in_s=600 + number) for number in range(4)]
    office.tick()
    victim = next(row for row in deliveries_rows(office) if row["fields"]["Delivery"].endswith("post 0"))
    BREAKS[how](office, victim)
    for post in posts:
        office.change("Posts", post, Status="Draft")
    office.tick()
    told = {title: words for title, words in told_now(office).items() if "post" in title}
    assert told == {f"x @user1: post {number}": {"Not planned"} for number in range(4)}
    assert office.incidents() == set()


def test_a_request_counts_for_the_row_that_bears_it_whatever_its_key_says(office: Office) -> None:
    account = office.account("1")
    for title in ("this one", "not this one"):
        office.post(account, title, due_in_s=600)
    office.tick()
    rows = {row["fields"]["Delivery"].rpartition(": ")[2]: row for row in deliveries_rows(office)}
    key = rows["not this one"]["fields"]["Key"]
    cells = {"Key": key, "Cancel requested at": datetime.now(UTC).isoformat()}
    office.change("Deliveries", rows["this one"]["id"], **cells)
    office.tick()
    assert planned(office) == {"not this one"}


def test_a_state_that_people_removed_from_the_choices_is_told_in_words(office: Office) -> None:
    office.post(office.account("1"), "planned", due_in_s=600)
    office.post(office.account("2"), "x" * 400, due_in_s=600)
    service: Any = office.sandbox.world.services["airtable"]
    table = next(table for table in service.bases[BASE].tables.values() if table.name == "Deliveries")
    table.field("State").options["choices"] = [{"id": "sel1", "name": "Ready"}]
    office.tick()
    good, bad = sorted(
        (row["fields"] for row in deliveries_rows(office)), key=lambda cells: cells["Delivery"]
    )
    assert (good["State"], "State" in bad) == ("Ready", False)
    assert bad["Message"].startswith("Not planned. Text (400 characters as X counts)")
