"""Which role may do what."""

from __future__ import annotations

from generating.markdown import page, table
from web.calls import ANYBODY, CALLS
from web.roles import ROLES


def roles_page() -> str:
    return page(
        "Roles",
        "web.roles, web.calls",
        "What `schedulo roles` makes, and what each role may do "
        "([how to use them](../how-to/who-may-do-what.md)). *Admin* is Airflow's own.",
        table(("role", "for"), ((name, role.about) for name, role in ROLES.items())),
        "## Calls",
        "Pages of ours, and the calls of Airflow's REST API in which the roles differ. What is not allowed "
        "is answered with 403, without a login with 401.",
        table(
            ("to", "call", *ANYBODY),
            (
                (
                    call.about,
                    f"`{call.method} {call.path.partition('?')[0]}`",
                    *("yes" if role in call.may else "" for role in ANYBODY),
                )
                for call in CALLS
            ),
        ),
        "## Permissions",
        "In the words of Airflow's FAB auth manager.",
        table(
            ("role", "may", "on"),
            (
                (name, f"`{action}`", ", ".join(f"`{it}`" for it in resources))
                for name, role in ROLES.items()
                for action, resources in _by_action(role.permissions)
            ),
        ),
    )


def _by_action(permissions: frozenset[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for action, resource in sorted(permissions):
        found.setdefault(action, []).append(resource)
    return list(found.items())
