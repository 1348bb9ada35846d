"""Makes an installation ready to start: both schemas, the Connections, the first login, the roles.

May run at every start: what is there stays as it is, but the roles become what this version says. Ends with
an error where a part fails, so that nothing starts on half an installation.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

SCHEMAS = (("schedulo", "db", "upgrade"), ("airflow", "db", "migrate"))
"""The ledger's first: who waits for Airflow's finds both."""
ROLES = ("schedulo", "roles")
IMPORT = ("airflow", "connections", "import")
CREATE_ADMIN = (
    "airflow",
    "users",
    "create",
    "--role",
    "Admin",
    "--firstname",
    "Schedulo",
    "--lastname",
    "Admin",
)
SERVICES = ("airtable", "instagram", "facebook", "x", "tiktok")


def connections(sandbox: str) -> dict[str, dict[str, object]]:
    """By id. For people to fill in: an empty one means the platform's own address, and no token. With the
    address of a sandbox all lead there."""
    found: dict[str, dict[str, object]] = {f"{name}_default": {"conn_type": name} for name in SERVICES}
    if sandbox:
        for name in SERVICES:
            found[f"{name}_default"]["host"] = f"{sandbox}/{name}"
        uploads = f"{sandbox}/rupload"
        found["airtable_default"] |= {"password": "patSandbox", "extra": {"base_id": "appSandbox0000001"}}
        found["instagram_default"]["extra"] = {
            "facebook_host": f"{sandbox}/facebook",
            "rupload_host": uploads,
        }
        found["facebook_default"]["extra"] = {"rupload_host": uploads}
    return found


def run(*command: str, answers: str = "") -> None:
    """Run a command to its end. Without a terminal, so that it asks for passwords on its input."""
    subprocess.run(command, input=answers, text=True, check=True, start_new_session=True)


def main() -> None:
    for command in SCHEMAS:
        run(*command)
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "connections.json"
        wanted.write_text(json.dumps(connections(os.environ.get("SANDBOX_URL", ""))))
        run(*IMPORT, str(wanted))
    run(*ROLES)
    name, email, secret = (os.environ[f"AIRFLOW_ADMIN_{part}"] for part in ("USER", "EMAIL", "PASSWORD_FILE"))
    password = Path(secret).read_text().strip()
    run(*CREATE_ADMIN, "--username", name, "--email", email, answers=f"{password}\n{password}\n")


if __name__ == "__main__":
    main()
