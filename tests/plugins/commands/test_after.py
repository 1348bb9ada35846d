"""The commands `schedulo take-down` and `schedulo edit`, as an operator types them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from commands.main import main
from schedulo.ledger.tables import amendments
from schedulo.model import State
from tests.plugins.commands.test_by_hand import books as books  # the same ledger, found by the environment
from tests.schedulo.delivery.conftest import Books

Captured = pytest.CaptureFixture[str]


def requests(books: Books) -> list[tuple[str, str]]:
    with books.ledger.read() as connection:
        return [(row.delivery_id, row.verb) for row in connection.execute(sa.select(amendments))]


def test_a_take_down_is_asked_for_and_says_when_it_is_done(books: Books, capsys: Captured) -> None:
    id_ = books.add(state=State.PUBLISHED, remote_id="17", label="x @acme: hello")
    assert main(["take-down", "--delivery", id_, "--dry-run"]) == 0
    assert "1 of 1 deliveries would be taken down" in capsys.readouterr().out
    assert requests(books) == []
    assert main(["take-down", "--delivery", id_]) == 0
    told = capsys.readouterr().out
    assert "x @acme: hello: it is out, and is to be taken down" in told
    assert "The next run of look_after_posts does it" in told
    assert requests(books) == [(id_, "take_down")]
    assert "by ann with `schedulo take-down`" in books.story(id_)


def test_what_a_platform_cannot_do_is_said_and_nothing_is_asked(books: Books, capsys: Captured) -> None:
    id_ = books.add(state=State.PUBLISHED, remote_id="17")
    assert main(["edit", "--delivery", id_]) == 0
    assert "refused, X cannot change a post" in capsys.readouterr().out
    assert requests(books) == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "Nothing chooses the posts"),
        (["--account", "x:1"], "Nothing chooses the posts"),
        (["--delivery", "nobody"], "nobody knows them"),
        (["--post", "row 7"], "must be a list of record ids"),
    ],
)
def test_a_request_that_names_nothing_does_nothing(
    books: Books, capsys: Captured, arguments: list[str], why: str
) -> None:
    books.add(state=State.PUBLISHED, remote_id="17")
    assert main(["take-down", *arguments]) == 1
    assert why in capsys.readouterr().err
    assert requests(books) == []
