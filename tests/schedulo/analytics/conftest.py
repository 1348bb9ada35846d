from __future__ import annotations

import pytest

from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from tests.schedulo.analytics.stand import Stand


@pytest.fixture
def stand(ledger: Ledger, sandbox: RunningSandbox) -> Stand:
    return Stand(ledger, sandbox)
