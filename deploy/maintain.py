"""Once a day has `schedulo clean-airflow` drop what is older than AIRFLOW_KEEP_DAYS. Runs until stopped."""

from __future__ import annotations

import logging
import os
import subprocess
import time

CLEAN = ("schedulo", "clean-airflow")
DAY_S = 24 * 3600.0
AGAIN_S = 3600.0
"""After a failure."""

log = logging.getLogger("maintain")


def command(keep_days: str, home: str) -> list[str]:
    """What is run."""
    return [*CLEAN, "--keep-days", keep_days, "--logs", f"{home}/logs"]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    while True:
        done = subprocess.run(
            command(os.environ["AIRFLOW_KEEP_DAYS"], os.environ["AIRFLOW_HOME"]), check=False
        )
        log.info("done" if done.returncode == 0 else "NOT done; tried again in an hour")
        time.sleep(AGAIN_S if done.returncode else DAY_S)


if __name__ == "__main__":
    main()
