"""What is looked at from outside of Airflow's scheduler: a scheduler that is dead tells nobody.

A process of its own (`schedulo watch`) looks every minute at what makes posts go out, and at what only
Airflow's own database knows. It opens the incidents that `check_health` would, under the same names: whoever
is first, people are told once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schedulo.delivery import lateness, workflows
from schedulo.health import outside
from schedulo.health.checks import without
from schedulo.health.findings import Means, Status
from schedulo.health.history import note
from schedulo.health.inside import BEGUN, PUBLISHING, WATCHED, silence
from schedulo.ledger import marks


@dataclass(frozen=True, slots=True)
class Facts:
    """What only Airflow's own database knows."""

    broken_files: Mapping[str, str] = field(default_factory=dict)
    """Dag files that cannot be read: their paths, each with the class of its error."""
    at_work_since: Mapping[str, int] = field(default_factory=dict)
    """By Dag: when the oldest of its runs that are not done was made, in ms."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    lines: list[str]
    """What changed, as sentences for the log."""
    stands_still: bool
    """No run of publishing begins: nobody but this process tells people."""


def look(means: Means, facts: Facts | None) -> Seen:
    """Look once, and open and close incidents. Raises what the ledger raises where it is not there.

    :param facts: None where Airflow's database does not tell
    """
    found = list(outside.airflow(means))
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        _, begun_ms = marks.read(connection, BEGUN)
        publishing = silence(connection, now_ms, PUBLISHING, begun_ms or now_ms)
    found = [*without([*found, publishing], means.settings.health_skip)]
    lines = note(means.ledger, [item for item in found if item.name != "skip"])
    stands_still = publishing.status is Status.RED
    with means.ledger.begin() as connection:
        now_ms = means.ledger.now_ms(connection)
        if stands_still:  # else the tick sees to it
            lateness.tell(connection, now_ms, means.settings)
        if facts is not None:
            lines += workflows.files(connection, now_ms, facts.broken_files)
            for dag_id, late_ms in workflows.told_late(connection).items():
                if facts.at_work_since.get(dag_id, now_ms) >= late_ms:
                    workflows.ended(connection, now_ms, dag_id)
        marks.mark(connection, now_ms, WATCHED)
    return Seen(lines, stands_still)
