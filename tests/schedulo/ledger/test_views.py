"""The warehouse's views are there after `migrate`, described, and made anew only when they must be."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from schedulo.ledger import view_texts, views
from schedulo.ledger.access import statements
from schedulo.ledger.database import Ledger
from schedulo.ledger.view_texts import VIEWS, View
from schedulo.ledger.warehouse import SCHEMA

CHANGED = View(
    "account_trend", "Changed.", (sa.Column("a", sa.Integer, comment="one"),), ("a",), "SELECT 1 AS a"
)


def execute(ledger: Ledger, text: str) -> list[tuple[object, ...]]:
    with ledger.begin() as connection:
        result = connection.exec_driver_sql(text)
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.fixture
def other_role(ledger: Ledger) -> Iterator[str]:
    execute(ledger, 'CREATE ROLE "ann o\'neill"')
    yield '"ann o\'neill"'
    execute(ledger, 'DROP OWNED BY "ann o\'neill"; DROP ROLE "ann o\'neill"')


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view of the next release is another."""
    monkeypatch.setattr(
        views, "VIEWS", tuple(CHANGED if view.name == CHANGED.name else view for view in VIEWS)
    )


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_has_the_columns_that_it_describes(ledger: Ledger, view: View) -> None:
    with ledger.read() as connection:
        postgres = not ledger.is_sqlite
        name = view.name if postgres else f"{SCHEMA}_{view.name}"
        found = sa.inspect(connection).get_columns(name, schema=SCHEMA if postgres else None)
        assert [column["name"] for column in found] == [column.name for column in view.columns]
        assert all(column.comment for column in view.columns)
        rows = connection.execute(sa.select(views.view_of(view, connection.dialect.name))).all()
    assert rows == []
    if postgres:
        kinds = {column["name"]: column["type"]._type_affinity for column in found}
        assert kinds == {column.name: column.type._type_affinity for column in view.columns}


@pytest.mark.postgres
@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
def test_postgresql_tells_the_comments_to_whoever_asks(ledger: Ledger) -> None:
    with ledger.read() as connection:
        for view in VIEWS:
            inspector = sa.inspect(connection)
            query = sa.text("SELECT obj_description(to_regclass(:name), 'pg_class')")
            assert connection.execute(query, {"name": f"{SCHEMA}.{view.name}"}).scalar() == view.comment
            columns = inspector.get_columns(view.name, schema=SCHEMA)
            assert [column["comment"] for column in columns] == [column.comment for column in view.columns]


def _identities(ledger: Ledger) -> list[tuple[object, ...]]:
    """What is another one after a view was made anew."""
    if ledger.is_sqlite:
        return execute(ledger, "PRAGMA schema_version")
    return execute(ledger, "SELECT relname, oid FROM pg_class WHERE relkind = 'v' ORDER BY 1")


def test_views_that_are_up_to_date_are_left_alone(ledger: Ledger) -> None:
    before = _identities(ledger)
    ledger.migrate()
    assert _identities(ledger) == before


@pytest.mark.usefixtures("changed")
def test_a_view_whose_text_changed_is_made_anew(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.migrate()
    name = views.spelled(f"{SCHEMA}.{CHANGED.name}", ledger.engine.dialect.name)
    assert execute(ledger, f"SELECT * FROM {name}") == [(1,)]
    monkeypatch.setattr(views, "VIEWS", VIEWS)
    ledger.migrate()
    assert execute(ledger, f"SELECT percent_28d FROM {name}") == []


@pytest.mark.postgres
@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("changed")
def test_who_could_read_a_view_can_read_it_when_it_was_made_anew(
    ledger: Ledger, other_role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(ledger, f"GRANT SELECT ON {SCHEMA}.account_trend TO {other_role}")
    execute(ledger, f"GRANT SELECT ON {SCHEMA}.best_times TO PUBLIC")
    ledger.migrate()
    query = "SELECT has_table_privilege('ann o''neill', '{}', 'SELECT')"
    allowed = [view.name for view in VIEWS if execute(ledger, query.format(f"{SCHEMA}.{view.name}"))[0][0]]
    assert allowed == ["account_trend", "best_times"]
    monkeypatch.setattr(views, "VIEWS", VIEWS)
    execute(ledger, f"REVOKE SELECT ON {SCHEMA}.best_times FROM PUBLIC")
    ledger.migrate()


@pytest.mark.postgres
@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("changed")
def test_views_of_other_people_are_named_and_not_dropped(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(ledger, "CREATE VIEW public.mine AS SELECT account_key FROM analytics.account_trend")
    try:
        with pytest.raises(views.ViewError, match=r"account_trend .* public\.mine stands on it.*db upgrade"):
            ledger.migrate()
        assert execute(ledger, "SELECT * FROM public.mine") == []
    finally:
        execute(ledger, "DROP VIEW public.mine")
        monkeypatch.setattr(views, "VIEWS", VIEWS)
        ledger.migrate()


@pytest.mark.postgres
@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("changed")
def test_an_upgrade_does_not_wait_for_ever_for_somebody_who_reads(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds what it changed in the ledger until its end."""
    monkeypatch.setattr(views, "PATIENCE_S", 1)
    with ledger.read() as connection:
        connection.exec_driver_sql("SELECT * FROM analytics.account_trend")
        with pytest.raises(views.ViewError, match=r"account_trend .* still reads it after 1 s.*db upgrade"):
            ledger.migrate()
    ledger.migrate()
    monkeypatch.setattr(views, "VIEWS", VIEWS)
    ledger.migrate()


@pytest.mark.postgres
def test_a_login_that_made_neither_database_nor_schema_can_keep_a_ledger_there(fresh_postgres: str) -> None:
    admin = Ledger(fresh_postgres)
    execute(admin, "CREATE ROLE keeper LOGIN; GRANT ALL ON SCHEMA public TO keeper")
    ledger = Ledger(admin.url.set(username="keeper"))
    try:
        with pytest.raises(
            RuntimeError, match='administrator runs `CREATE SCHEMA analytics AUTHORIZATION "keeper"`'
        ):
            ledger.migrate()
        execute(admin, "CREATE SCHEMA analytics; GRANT ALL ON SCHEMA analytics TO keeper")
        ledger.migrate()
        ledger.migrate()
        assert execute(ledger, f"SELECT * FROM {SCHEMA}.best_times") == []
        with ledger.begin() as connection:
            assert 'FOR ROLE "keeper" IN SCHEMA' in statements(connection, "analyst")[-1]
    finally:
        ledger.close()
        execute(admin, "DROP OWNED BY keeper CASCADE; DROP ROLE keeper")
        admin.close()


def test_a_view_that_somebody_dropped_is_made_again(ledger: Ledger) -> None:
    name = views.spelled(f"{SCHEMA}.{VIEWS[-1].name}", ledger.engine.dialect.name)
    execute(ledger, f"DROP VIEW {name}")
    ledger.migrate()
    assert execute(ledger, f"SELECT * FROM {name}") == []


def test_every_table_that_a_view_reads_is_the_warehouses() -> None:
    """Whoever may read the views must learn nothing of the ledger by them."""
    names = {table for view in VIEWS for table in re.findall(r"(?:FROM|JOIN)\s+([a-z_.]+)", view.sql)}
    within = {"known", "added", "daily", "parts", "measured", "settled", "ranked", "usual", "cells", "placed"}
    within |= {"medians", "described", "core"}
    assert {name for name in names if "." not in name} <= within
    assert all(name.startswith("analytics.") for name in names if "." in name)
    assert view_texts.FEWEST == 3
