"""Lets a role of PostgreSQL read the warehouse, and nothing else. SQLite has no roles.

The views belong to whoever owns the ledger and read the warehouse's tables only, so whoever may read them
learns nothing of tokens, or of what is planned.
"""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import metadata
from schedulo.ledger.warehouse import ON_POSTGRESQL, SCHEMA

MAX_NAME_BYTES = 63
WRITES = "INSERT, UPDATE, DELETE, TRUNCATE"


class AccessError(RuntimeError):
    """A role cannot be let in, or must not be; the message says what to do."""


def statements(connection: sa.Connection, role: str) -> list[str]:
    """The SQL that lets a role in; for its owner, or an administrator of the database.

    Running it again changes nothing. What is made in the schema later may be read as well.

    :param role: its name; made where there is none, without a login of its own
    :raises AccessError: the name cannot be used, or this is not PostgreSQL
    """
    if connection.dialect.name != "postgresql":
        raise AccessError(
            "SQLite has no roles: whoever can open the file can read and write all of it. Hand out a copy "
            "that holds the numbers alone: `schedulo analytics copy FILE`."
        )
    _check(role)
    name = _quoted(role)
    owner = connection.execute(
        sa.text("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(:table)"),
        {"table": f"{SCHEMA}.posts"},
    ).scalar_one()
    found = [] if _exists(connection, role) else [f"CREATE ROLE {name} NOLOGIN"]
    return [
        *found,
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {name}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {_quoted(owner)} IN SCHEMA {SCHEMA} "
        f"GRANT SELECT ON TABLES TO {name}",
    ]


def grant(connection: sa.Connection, role: str) -> list[str]:
    """Let a role in; answers what was done, as SQL. It is one transaction with what the caller does.

    :raises AccessError: it cannot be made, or it could read or write more than the numbers
    """
    done = statements(connection, role)
    if not _exists(connection, role) and not _may_make_roles(connection):
        raise AccessError(
            f"ROLE ({role}): there is none, and the ledger's login may not make one. An administrator of the "
            f"database runs what `schedulo analytics grant {role} --print` prints."
        )
    for statement in done:
        connection.exec_driver_sql(statement)
    _refuse_the_mighty(connection, role)
    return done


def _check(role: str) -> None:
    rule = ""
    if not role.strip() or "\x00" in role:
        rule = "it must have a name"
    elif len(role.encode()) > MAX_NAME_BYTES:
        rule = f"PostgreSQL takes {MAX_NAME_BYTES} bytes at the most"
    elif role.lower() in ("public", "none") or role.lower().startswith("pg_"):
        rule = "PostgreSQL keeps this name for itself; with public, everybody would be let in"
    if rule:
        raise AccessError(f"ROLE ({role}): {rule}. Choose another, such as analyst.")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _exists(connection: sa.Connection, role: str) -> bool:
    query = sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role")
    return connection.execute(query, {"role": role}).first() is not None


def _may_make_roles(connection: sa.Connection) -> bool:
    query = sa.text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    return bool(connection.execute(query).scalar())


def _refuse_the_mighty(connection: sa.Connection, role: str) -> None:
    """A role that can do more already is none for analysts, whatever is granted here."""
    may = sa.text("SELECT has_table_privilege(:role, to_regclass(:table), :what)")

    def can(table: sa.Table, what: str) -> bool:
        values = {"role": role, "table": table.fullname, "what": what}
        return bool(connection.execute(may, values).scalar())

    open_ = [table.name for table in metadata.sorted_tables if can(table, f"SELECT, {WRITES}")]
    written = [table.fullname for table in ON_POSTGRESQL.metadata.sorted_tables if can(table, WRITES)]
    if open_ or written:
        what = f"read or change the ledger ({', '.join(open_)})" if open_ else f"write {', '.join(written)}"
        raise AccessError(
            f"ROLE ({role}): it can {what}, by being a superuser, the owner or a member of another role. "
            "Nothing was granted. Choose another role, or have its rights taken away."
        )
