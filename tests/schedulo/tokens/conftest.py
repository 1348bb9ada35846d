from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from tests.schedulo.tokens.house import House


@pytest.fixture
def house(ledger: Ledger, sandbox: RunningSandbox) -> Iterator[House]:
    made = House(ledger, sandbox)
    yield made
    made.close()
