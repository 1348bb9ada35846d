"""Makes an installation ready to start: both schemas, the Connections' rows, the first login.

May run at every start: what is there stays as it is. Ends with an error where a part fails, so that nothing
starts on half an installation.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

SCHEMAS = (("airflow", "db", "migrate"), ("schedulo", "db", "upgrade"))
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
CONNECTIONS = {
    f"{name}_default": {"conn_type": name} for name in ("airtable", "instagram", "facebook", "x", "tiktok")
}
"""For people to fill in. An empty one means the platform's own address, and no token."""


def run(*command: str, answers: str = "") -> None:
    """Run a command to its end. Without a terminal, so that it asks for passwords on its input."""
    subprocess.run(command, input=answers, text=True, check=True, start_new_session=True)


def main() -> None:
    for command in SCHEMAS:
        run(*command)
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "connections.json"
        wanted.write_text(json.dumps(CONNECTIONS))
        run(*IMPORT, str(wanted))
    name, email, password = (os.environ[f"AIRFLOW_ADMIN_{part}"] for part in ("USER", "EMAIL", "PASSWORD"))
    run(*CREATE_ADMIN, "--username", name, "--email", email, answers=f"{password}\n{password}\n")


if __name__ == "__main__":
    main()
