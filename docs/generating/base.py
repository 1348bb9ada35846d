"""The base: what Schedulo makes in Airtable and looks for."""

from __future__ import annotations

from generating.markdown import page, table
from schedulo.airtable import schema
from schedulo.airtable.base import NEEDED_SCOPES


def base_schema() -> str:
    parts = [
        "What `schedulo airtable create` makes and `schedulo airtable check` looks for. People and their "
        "apps write *Accounts* and *Posts*; Schedulo writes *Deliveries*, where people write their requests, "
        "and the [numbers](../how-to/read-the-numbers.md) of *Accounts*. Other names: a "
        "[mapping file](../how-to/connect-a-real-base-and-accounts.md"
        "#other-names).",
        f"The token needs the scopes {', '.join(f'`{scope}`' for scope in NEEDED_SCOPES)}; to create tables, "
        "`schema.bases:write` as well; for [changes within seconds](../how-to/airtable-in-seconds.md), "
        "`webhook:manage`.",
    ]
    for each in schema.TABLES:
        rows = [
            (
                field.name + ("" if field.required else " (optional)"),
                f"`{field.type}`" + (f" to {field.link}" if field.link else ""),
                field.by,
                field.description,
                ", ".join(field.choices),
            )
            for field in each.fields
        ]
        parts += [f"## {each.name}", each.description, table(_BASE_HEAD, rows)]
    accepted = sorted(
        {
            (str(f.type), f.by.value, ", ".join(f"`{t}`" for t in f.accepted))
            for t in schema.TABLES
            for f in t.fields
        }
    )
    parts += [
        "## Types that serve as well",
        "A base of your own may use another type, where Schedulo can work with it.",
        table(
            ("type", "written by", "these serve"), [(f"`{kind}`", by, types) for kind, by, types in accepted]
        ),
        "## What the States mean",
        f"The words of the field *State*, and *{schema.NOT_PLANNED}* for a post with a problem: "
        "[states](states.md).",
    ]
    return page("The base", "include/schedulo/airtable/schema.py", *parts)


_BASE_HEAD = ("field", "type", "written by", "what it is", "choices")
