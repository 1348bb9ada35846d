"""Once a day drops from Airflow's database and logs what is older than AIRFLOW_KEEP_DAYS. Runs until stopped.

No DAG can do it: Airflow gives its database to no task. The ledger is left alone: it must remember at least
as long as Airflow does, or a cleared old task would not know what was published.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

CLEAN = ("airflow", "db", "clean", "--skip-archive", "--yes", "--error-on-cleanup-failure")
DAY_S = 24 * 3600.0
AGAIN_S = 3600.0
"""After a failure."""

log = logging.getLogger("maintain")


def clean_database(before: datetime) -> bool:
    """Drop older rows; False where some stay."""
    done = subprocess.run([*CLEAN, "--clean-before-timestamp", before.isoformat()], check=False)
    return done.returncode == 0


def clean_logs(folder: Path, before: datetime) -> int:
    """Delete files last written before that, and folders left empty; answers how many files."""
    deleted = 0
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            file = Path(place) / name
            with contextlib.suppress(FileNotFoundError):
                if file.lstat().st_mtime < before.timestamp():
                    file.unlink()
                    deleted += 1
        if Path(place) != folder:
            with contextlib.suppress(OSError):  # not empty
                Path(place).rmdir()
    return deleted


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    keep = timedelta(days=float(os.environ["AIRFLOW_KEEP_DAYS"]))
    folder = Path(os.environ["AIRFLOW_HOME"]) / "logs"
    while True:
        before = datetime.now(UTC) - keep
        clean = clean_database(before)
        deleted = clean_logs(folder, before)
        log.info("database %s, %d log files deleted", "cleaned" if clean else "NOT cleaned", deleted)
        time.sleep(DAY_S if clean else AGAIN_S)


if __name__ == "__main__":
    main()
