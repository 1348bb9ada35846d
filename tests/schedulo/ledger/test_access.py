"""A role for analysts reads every number on a real PostgreSQL, and is refused the ledger and every change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from schedulo.ledger import views
from schedulo.ledger.access import AccessError, grant, statements
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import metadata
from schedulo.ledger.view_texts import VIEWS
from schedulo.ledger.warehouse import ON_POSTGRESQL, SCHEMA

ROLES = ("analyst", 'an "odd" one', "ann", "weak")
RELATIONS = [f"{SCHEMA}.{view.name}" for view in VIEWS]
RELATIONS += [table.fullname for table in ON_POSTGRESQL.metadata.sorted_tables]

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)]


@pytest.fixture(autouse=True)
def no_roles(ledger: Ledger) -> Iterator[None]:
    yield
    with ledger.begin() as connection:
        for role in ROLES:
            name = '"' + role.replace('"', '""') + '"'
            if connection.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :r"), {"r": role}).first():
                connection.exec_driver_sql(f"DROP OWNED BY {name}")
                connection.exec_driver_sql(f"DROP ROLE {name}")


def let_in(ledger: Ledger, role: str = "analyst") -> list[str]:
    with ledger.begin() as connection:
        return grant(connection, role)


@contextmanager
def logged_in(ledger: Ledger, login: str = "ann", of: str = "analyst") -> Iterator[sa.Engine]:
    """A real login, as a person or a BI tool has one."""
    with ledger.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {login} LOGIN; GRANT {of} TO {login}")
    engine = sa.create_engine(ledger.url.set(username=login), poolclass=sa.NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


def refused(engine: sa.Engine, statement: str) -> bool:
    """Whether it is refused for want of rights, and nothing else."""
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    except sa.exc.ProgrammingError as error:
        return "permission denied" in str(error) or "must be owner" in str(error)
    return False


def test_an_analyst_reads_every_view_and_table_of_the_numbers(ledger: Ledger) -> None:
    let_in(ledger)
    with logged_in(ledger) as engine, engine.connect() as connection:
        for relation in RELATIONS:
            connection.exec_driver_sql(f"SELECT * FROM {relation}").all()


def test_an_analyst_is_refused_every_table_of_the_ledger(ledger: Ledger) -> None:
    let_in(ledger)
    with logged_in(ledger) as engine:
        for table in [*(table.name for table in metadata.sorted_tables), "alembic_version"]:
            assert refused(engine, f"SELECT 1 FROM {table}"), table
            assert refused(engine, f"DELETE FROM {table}"), table


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} DEFAULT VALUES",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "ALTER TABLE {} ADD COLUMN more integer",
        "DROP TABLE {}",
    ],
)
def test_an_analyst_is_refused_every_change(ledger: Ledger, statement: str) -> None:
    let_in(ledger)
    with logged_in(ledger) as engine:
        for table in ON_POSTGRESQL.metadata.sorted_tables:
            assert refused(engine, statement.format(table.fullname)), table.fullname
        assert refused(engine, f"CREATE TABLE {SCHEMA}.mine (a integer)")
        assert refused(engine, "CREATE TABLE public.mine (a integer)")
        assert refused(engine, "UPDATE analytics.posts SET title = ''")
        assert refused(engine, "DROP VIEW analytics.account_trend")


def test_what_is_made_later_can_be_read_too(ledger: Ledger) -> None:
    let_in(ledger)
    with ledger.begin() as connection:
        views.drop(connection)
        views.make(connection)
        connection.exec_driver_sql(f"CREATE TABLE {SCHEMA}.later (a integer)")
    try:
        with logged_in(ledger) as engine, engine.connect() as connection:
            for relation in [*RELATIONS, f"{SCHEMA}.later"]:
                connection.exec_driver_sql(f"SELECT * FROM {relation}").all()
    finally:
        with ledger.begin() as connection:
            connection.exec_driver_sql(f"DROP TABLE {SCHEMA}.later")


def test_letting_in_twice_is_letting_in_once_and_any_name_will_do(ledger: Ledger) -> None:
    first = let_in(ledger, 'an "odd" one')
    assert first[0] == 'CREATE ROLE "an ""odd"" one" NOLOGIN'
    assert let_in(ledger, 'an "odd" one') == first[1:]


def test_the_sql_alone_does_nothing(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        printed = statements(connection, "analyst")
        assert statements(connection, "analyst") == printed
    assert printed[0] == 'CREATE ROLE "analyst" NOLOGIN'
    assert let_in(ledger) == printed


def test_a_role_that_could_read_tokens_is_not_let_in(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE analyst; GRANT SELECT ON credentials TO analyst")
    with pytest.raises(
        AccessError, match=r"ROLE \(analyst\): it can read or change the ledger \(credentials\)"
    ):
        let_in(ledger)
    with ledger.begin() as connection:
        query = "SELECT has_schema_privilege('analyst', 'analytics', 'USAGE')"
        assert connection.exec_driver_sql(query).scalar() is False
        connection.exec_driver_sql("REVOKE ALL ON credentials FROM analyst")
        connection.exec_driver_sql("GRANT DELETE ON analytics.posts TO analyst")
    with pytest.raises(AccessError, match=r"it can write analytics\.posts"):
        let_in(ledger)
    with pytest.raises(AccessError, match="superuser"):
        let_in(ledger, "postgres")


def test_a_login_that_may_not_make_roles_is_told_who_can(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE weak LOGIN; GRANT USAGE ON SCHEMA analytics TO weak")
    weak = sa.create_engine(ledger.url.set(username="weak"), poolclass=sa.NullPool)
    with (
        weak.begin() as connection,
        pytest.raises(AccessError, match=r"may not make one.*administrator.*grant analyst --print"),
    ):
        grant(connection, "analyst")


@pytest.mark.parametrize("name", ["", " ", "public", "PUBLIC", "pg_read_all_data", "a" * 64, "none"])
def test_names_that_postgresql_keeps_for_itself_are_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(AccessError, match=r"^ROLE \(.*Choose another, such as analyst"):
        let_in(ledger, name)
