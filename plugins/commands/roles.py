"""`schedulo roles`: brings the roles of `web.roles` into Airflow, where the FAB auth manager keeps them.

It writes Airflow's own database, so it runs where Airflow's own commands do, never in a task.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from commands.failure import CommandError
from web.roles import ROLES, Permission

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    roles = subparsers.add_parser(
        "roles", help="make the roles for Airflow's login, or bring them up to date"
    )
    roles.add_argument("--dry-run", action="store_true", help="only say what would change")
    roles.set_defaults(run=_roles)


def _roles(arguments: argparse.Namespace) -> int:
    with _manager() as manager:
        for name, role in ROLES.items():
            found = manager.find_role(name)
            had = {(each.action.name, each.resource.name) for each in found.permissions} if found else set()
            more, less = sorted(role.permissions - had), sorted(had - role.permissions)
            if not arguments.dry_run and (found is None or more or less):
                _write(manager, name, role.permissions)
            print(f"{name}: {_said(found is None, more, less)}")
            for sign, changed in (("+", more), ("-", less)):
                for action, resource in changed:
                    print(f"  {sign} {action} on {resource}")
    if arguments.dry_run:
        print("Dry run, nothing was done.")
    return 0


def _said(new: bool, more: list[Permission], less: list[Permission]) -> str:
    if new:
        return f"new, {len(more)} permissions"
    if more or less:
        return f"{len(more)} permissions given, {len(less)} taken away"
    return "as it should be"


def _write(manager: Any, name: str, wanted: frozenset[Permission]) -> None:
    """The permissions of a role change in one transaction: nobody has half of them."""
    role = manager.add_role(name)
    permissions = [manager.create_permission(*permission) for permission in sorted(wanted)]
    if role is None or None in permissions:
        raise CommandError(f"The role {name} could not be written; Airflow's log says why.")
    role.permissions = permissions
    manager.session.commit()


@contextmanager
def _manager() -> Iterator[Any]:
    """Airflow's own writer of roles, on its database."""
    import sqlalchemy as sa
    from airflow import settings
    from airflow.configuration import conf

    configured = conf.get("core", "auth_manager")
    if configured != FAB:
        raise CommandError(
            f"[core] auth_manager ({configured}): it must be {FAB}, which alone knows roles like these. The "
            "operator sets AIRFLOW__CORE__AUTH_MANAGER and runs `airflow db migrate`."
        )
    settings.initialize()
    from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager
    from airflow.utils.session import create_session

    try:
        with create_session(scoped=False) as session:
            yield ApplessAirflowSecurityManager(session=session)
    except sa.exc.SQLAlchemyError as error:
        raise CommandError(
            f"Airflow's database could not be asked ({type(error).__name__}). The operator starts it, and "
            "runs `airflow db migrate` where that was not done."
        ) from None
