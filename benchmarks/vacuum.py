"""How long publishing waits for a writer's turn while the ledger is vacuumed, on SQLite and PostgreSQL.

A ledger with many events loses most of them; then a thread takes small write transactions without a pause, as
a sender does, while the vacuum runs. Shown: the longest and the 99th of a hundred, with and without it.

    python -m benchmarks.vacuum [--events 500000] [--whole]
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from sandbox.postgres import running_postgres
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import events
from schedulo.upkeep.vacuum import vacuum

BATCH = 5000
SENTENCE = "prepared; it waits for its second, and is a sentence of the usual length of a story's line"


def fill(ledger: Ledger, count: int) -> None:
    """Write a story and let four of five lines go."""
    ledger.migrate()
    for start in range(0, count, BATCH):
        rows = [
            {"delivery_id": f"d{number // 8}", "at_ms": number, "sentence": SENTENCE}
            for number in range(start, start + BATCH)
        ]
        with ledger.begin() as connection:
            connection.execute(sa.insert(events), rows)
    for start in range(0, count, BATCH):
        with ledger.begin() as connection:
            some = events.c.id.between(start + 1, start + BATCH)
            connection.execute(sa.delete(events).where(some, events.c.id % 5 != 0))


def waits(ledger: Ledger, work: Callable[[], None]) -> tuple[float, float, float, int]:
    """Write while `work` is done; its seconds, the longest and the 99th transaction in ms, their number."""
    took: list[float] = []
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            began = time.perf_counter()
            with ledger.begin() as connection:
                marks.mark(connection, 0, "benchmark")
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(0.001)

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.5)
    took.clear()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    done.set()
    thread.join()
    ordered = sorted(took)
    return seconds, ordered[-1], ordered[int(len(ordered) * 0.99)], len(ordered)


def show(name: str, found: tuple[float, float, float, int]) -> None:
    seconds, longest_ms, p99_ms, writes = found
    print(f"{name:<28} {seconds:5.1f} s, longest {longest_ms:.1f} ms, p99 {p99_ms:.1f} ms, {writes} writes")


def measure(ledger: Ledger, count: int) -> None:
    fill(ledger, count)
    kind = ledger.url.get_backend_name()
    show(f"{kind}: nothing else", waits(ledger, lambda: time.sleep(5)))
    show(f"{kind}: vacuum", waits(ledger, lambda: print(*vacuum(ledger), sep="\n")))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--whole", action="store_true", help="SQLite's own VACUUM as well, to compare")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        ledger = Ledger(f"sqlite:///{path}")
        measure(ledger, arguments.events)
        if arguments.whole:
            other = sqlite3.connect(path, timeout=30, isolation_level=None)
            show("sqlite: VACUUM", waits(ledger, lambda: other.execute("VACUUM").close()))
            other.close()
        ledger.close()
    with running_postgres() as url:
        ledger = Ledger(url)
        measure(ledger, arguments.events)
        ledger.close()


if __name__ == "__main__":
    main()
