"""Where a platform is and who we are to it: what an Airflow Connection says, as plain data.

The sender has no Airflow, so whoever knows the Connection hands it this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One platform's addresses and app. Secrets are not shown by `repr`."""

    bases: Mapping[str, str]
    """Base URL of each service (`Request.service`), without a slash at the end."""
    app_id: str = ""
    app_secret: str = field(default="", repr=False)
    account_id: str = ""
    """The platform's id of the one account of a Connection that carries a token of its own."""
    token: str = field(default="", repr=False)
