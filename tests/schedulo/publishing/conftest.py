from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from tests.schedulo.publishing.stage import Stage


@pytest.fixture
def stage(ledger: Ledger, sandbox: RunningSandbox) -> Iterator[Stage]:
    stage = Stage(ledger, sandbox)
    yield stage
    stage.close()
