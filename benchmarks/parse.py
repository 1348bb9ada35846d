"""How long each DAG file takes to import, in a fresh interpreter that has `airflow.sdk` already.

That is what the DAG processor sees: it forks for each parse from a process that has Airflow loaded.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from sandbox.stack import ROOT, Stack

TIMES = 5
SCRIPT = """
import sys, time
import airflow.sdk
sys.path[:0] = sys.argv[2:]
code = compile(open(sys.argv[1]).read(), sys.argv[1], "exec")
began = time.perf_counter()
exec(code, {"__name__": "dag_file", "__file__": sys.argv[1]})
print(time.perf_counter() - began)
"""


def measure(stack: Stack) -> dict[str, float]:
    """Seconds by DAG file, the median of some runs."""
    found = {}
    for path in sorted((ROOT / "dags").glob("*.py")):
        command = [sys.executable, "-c", SCRIPT, str(path), str(ROOT / "plugins"), str(ROOT / "dags")]
        seconds = []
        for _ in range(TIMES):
            done = subprocess.run(command, env=stack.env(), capture_output=True, text=True, check=True)
            seconds.append(float(done.stdout.splitlines()[-1]))
        found[path.name] = statistics.median(seconds)
    return found
