"""A publisher in an operating-system process of its own, for the tests of what two of them do at once.

    python other_process.py '{"ledger": URL, "sandbox": URL, "settings": {...}, "run_id": ..., "map_index": 0,
                              "ti_id": ..., "broken": ["fence"], "freeze": true}'

It prints `ready`, waits for a line, works on its instance and prints how that ended. With `freeze` it stops
itself (SIGSTOP) between the fence and the first byte, where a process may lose the processor at any time.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schedulo.flow import Response
from schedulo.ledger.database import Ledger
from schedulo.media import MediaStore
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.publisher import Publisher
from schedulo.settings import Settings
from schedulo.transport.commits import Committer, Prepared
from schedulo.transport.window import Window
from tests.schedulo.publishing.stage import wire_to

_really_commit = Committer.commit


async def _frozen_before(committer: Committer, prepared: Prepared, window: Window) -> Response:
    # To this very thread: one sent to the process may reach another first, and this one would go on.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    return await _really_commit(committer, prepared, window)


def main(told: Mapping[str, Any]) -> None:
    if told.get("freeze"):
        Committer.commit = _frozen_before  # type: ignore[method-assign]
    publisher = Publisher(
        Ledger(told["ledger"]),
        wire_to(told["sandbox"], MediaStore(Path("/nonexistent"))),
        Settings(**told["settings"]),
        CONVERSATIONS,
        lambda _media: None,
        broken=frozenset(told.get("broken", ())),
    )
    print("ready", flush=True)
    sys.stdin.readline()
    ending = publisher.work_on(told["run_id"], told["map_index"], told["ti_id"]).result(60)
    print(ending.end, flush=True)
    publisher.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
