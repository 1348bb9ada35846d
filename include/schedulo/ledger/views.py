"""Makes the warehouse's views. They hold nothing, so they are made anew whenever their text has changed.

On PostgreSQL what may read a view is kept: a role that was let in stays in. Views of others that stand on
ours are never dropped; where they are in the way, the error names them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass

import sqlalchemy as sa

from schedulo.ledger.view_texts import VIEWS, View
from schedulo.ledger.warehouse import SCHEMA

PATIENCE_S = 5
"""So long an upgrade waits for a view that is being read: publishing may be waiting for the upgrade."""
LOCK_NOT_AVAILABLE = "55P03"


class ViewError(RuntimeError):
    """A view cannot be made anew; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Grant:
    view: str
    grantee: str
    privilege: str


def spelled(sql: str, dialect: str) -> str:
    """A query that spells the warehouse's names as PostgreSQL does (`analytics.posts`), for a database."""
    return sql if dialect == "postgresql" else sql.replace(f"{SCHEMA}.", f"{SCHEMA}_")


def view_of(view: View, dialect: str) -> sa.TableClause:
    """A view to select from, with the types of its columns."""
    columns = [sa.column(column.name, column.type) for column in view.columns]
    if dialect == "postgresql":
        return sa.table(view.name, *columns, schema=SCHEMA)
    return sa.table(f"{SCHEMA}_{view.name}", *columns)


def make(connection: sa.Connection) -> None:
    """Bring the views up to date; nothing is done, and no reader waits, where they are.

    :raises ViewError: a view of somebody else stands on one that must change, or somebody reads one all the
        time
    """
    postgres = connection.dialect.name == "postgresql"
    wanted = {_full_name(view, connection): _definition(view, connection) for view in VIEWS}
    note = f"What was measured of posts and accounts. Views: {_fingerprint(wanted)}"
    if _noted(connection) == note if postgres else _stored(connection) == wanted:
        return
    grants = _grants(connection) if postgres else []
    if postgres:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'")
    drop(connection)
    for definition in wanted.values():
        connection.exec_driver_sql(definition)
    if postgres:
        _comment(connection)
        for grant in grants:
            _grant(connection, grant)
        if _owns_schema(connection):  # else they are made anew by each upgrade
            connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS {_quoted(note)}")


def drop(connection: sa.Connection) -> None:
    """Drop the views, the last first. What changes a table under them must do so before."""
    found = _found(connection)
    for view in reversed(VIEWS):
        if _name(view, connection) in found:
            name = _full_name(view, connection)
            others = _dependents(connection, view)
            if others:
                raise ViewError(
                    f"{name} has to be made anew, and {', '.join(others)} stands on it. Its owner drops it; "
                    "then run `schedulo db upgrade` again, and make it again."
                )
            try:
                connection.exec_driver_sql(f"DROP VIEW {name}")
            except sa.exc.OperationalError as error:
                if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                raise ViewError(
                    f"{name} has to be made anew, and a query or an open transaction still reads it after "
                    f"{PATIENCE_S} s. Whoever runs it ends it; then run `schedulo db upgrade` again."
                ) from error


def _name(view: View, connection: sa.Connection) -> str:
    return view.name if connection.dialect.name == "postgresql" else f"{SCHEMA}_{view.name}"


def _full_name(view: View, connection: sa.Connection) -> str:
    return spelled(f"{SCHEMA}.{view.name}", connection.dialect.name)


def _found(connection: sa.Connection) -> set[str]:
    schema = SCHEMA if connection.dialect.name == "postgresql" else None
    ours = {_name(view, connection) for view in VIEWS}
    return ours & set(sa.inspect(connection).get_view_names(schema=schema))


def _definition(view: View, connection: sa.Connection) -> str:
    sql = spelled(view.sql, connection.dialect.name)
    return f"CREATE VIEW {_full_name(view, connection)} AS {sql.strip()}"


def _stored(connection: sa.Connection) -> dict[str, str]:
    """SQLite keeps the text that a view was made with."""
    found = _found(connection)
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
    return {row.name: row.sql for row in connection.execute(query) if row.name in found}


# --- PostgreSQL -------------------------------------------------------------------------------------------


def _noted(connection: sa.Connection) -> str:
    """PostgreSQL does not: what the views were made of is noted beside them."""
    if len(_found(connection)) < len(VIEWS):
        return ""
    query = sa.text("SELECT obj_description(to_regnamespace(:schema), 'pg_namespace')")
    return str(connection.execute(query, {"schema": SCHEMA}).scalar())


def _owns_schema(connection: sa.Connection) -> bool:
    """An administrator may have made it, and given only the right to make tables in it."""
    query = sa.text("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :schema")
    return bool(connection.execute(query, {"schema": SCHEMA}).scalar())


def _fingerprint(definitions: Mapping[str, str]) -> str:
    comments = [(view.comment, *(column.comment for column in view.columns)) for view in VIEWS]
    return hashlib.sha256(repr((definitions, comments)).encode()).hexdigest()[:16]


def _comment(connection: sa.Connection) -> None:
    for view in VIEWS:
        name = _full_name(view, connection)
        connection.exec_driver_sql(f"COMMENT ON VIEW {name} IS {_quoted(view.comment)}")
        for column in view.columns:
            connection.exec_driver_sql(
                f"COMMENT ON COLUMN {name}.{column.name} IS {_quoted(column.comment or '')}"
            )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _grants(connection: sa.Connection) -> list[_Grant]:
    """What roles other than the owner may do with the views."""
    if connection.dialect.name != "postgresql":
        return []
    query = sa.text(
        "SELECT c.relname, coalesce(r.rolname, ''), g.privilege_type FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) g "
        "LEFT JOIN pg_roles r ON r.oid = g.grantee "
        "WHERE n.nspname = :schema AND c.relkind = 'v' AND g.grantee <> c.relowner "
        "AND c.relname = ANY(:names)"
    )
    names = [view.name for view in VIEWS]
    rows = connection.execute(query, {"schema": SCHEMA, "names": names})
    return [_Grant(*row) for row in rows]


def _grant(connection: sa.Connection, grant: _Grant) -> None:
    view, grantee, privilege = astuple(grant)
    role = connection.dialect.identifier_preparer.quote(grantee) if grantee else "PUBLIC"
    connection.exec_driver_sql(f"GRANT {privilege} ON {SCHEMA}.{view} TO {role}")


def _dependents(connection: sa.Connection, view: View) -> list[str]:
    """Views that are not ours and read this one."""
    if connection.dialect.name != "postgresql":
        return []
    query = sa.text(
        "SELECT DISTINCT n.nspname || '.' || c.relname FROM pg_depend d "
        "JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class c ON c.oid = w.ev_class "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE d.refobjid = to_regclass(:view) AND d.classid = 'pg_rewrite'::regclass "
        "AND c.oid <> d.refobjid AND NOT (n.nspname = :schema AND c.relname = ANY(:ours)) ORDER BY 1"
    )
    values = {"view": _full_name(view, connection), "schema": SCHEMA, "ours": [one.name for one in VIEWS]}
    return list(connection.execute(query, values).scalars())
