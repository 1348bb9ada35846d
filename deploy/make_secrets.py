"""Makes the secrets of docker-compose.yaml, each a file in secrets/: keys and passwords by chance, and the
addresses of databases and queue that hold them.

Needs Python alone. May run at any time: what is there stays as it is, so a secret of your own is a file that
you write. Where a password is replaced, delete the addresses that hold it and run this again.
"""

from __future__ import annotations

import argparse
import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote


def fernet_key() -> str:
    return urlsafe_b64encode(os.urandom(32)).decode()


BY_CHANCE = {
    "postgres_password": secrets.token_hex,
    "airflow_db_password": secrets.token_hex,
    "ledger_db_password": secrets.token_hex,
    "redis_password": secrets.token_hex,
    "airflow_fernet_key": fernet_key,
    "airflow_api_secret_key": secrets.token_hex,
    "airflow_jwt_secret": secrets.token_hex,
    "airflow_admin_password": secrets.token_urlsafe,
    "vault_key": fernet_key,
    "media_key": secrets.token_hex,
}
"""What is made of nothing."""
ADDRESSES = {
    "airflow_db_url": ("airflow_db_password", "postgresql+psycopg2://airflow:{}@{postgres}/airflow"),
    "celery_result_backend": ("airflow_db_password", "db+postgresql://airflow:{}@{postgres}/airflow"),
    "celery_broker_url": ("redis_password", "redis://:{}@{redis}/0"),
    "ledger_url": ("ledger_db_password", "postgresql://schedulo:{}@{postgres}/schedulo"),
}
"""What is made of a password, and how."""


def make(folder: Path, postgres: str, redis: str) -> list[str]:
    """Make what is missing; answers the names. `postgres` and `redis` are `host:port`."""
    # Others may not enter the folder. The files in it are open: containers read them as users of their own.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []
    for name, value in BY_CHANCE.items():
        if not (folder / name).exists():
            _write(folder / name, value())
            made.append(name)
    for name, (password, pattern) in ADDRESSES.items():
        if not (folder / name).exists():
            known = quote((folder / password).read_text().strip(), safe="")
            _write(folder / name, pattern.format(known, postgres=postgres, redis=redis))
            made.append(name)
    return made


def _write(path: Path, value: str) -> None:
    path.write_text(value + "\n")
    path.chmod(0o644)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parents[1] / "secrets")
    parser.add_argument("--postgres", default="postgres:5432", metavar="HOST:PORT")
    parser.add_argument("--redis", default="redis:6379", metavar="HOST:PORT")
    options = parser.parse_args()
    made = make(options.folder, options.postgres, options.redis)
    print(f"{len(made)} secrets made in {options.folder}" if made else f"{options.folder} has all secrets")


if __name__ == "__main__":
    main()
