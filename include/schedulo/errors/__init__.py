"""The catalogue of errors: what each means, what is done about it, what people are told, who acts.

`kinds` holds the kinds; one table a platform (`meta`, `x`, `tiktok`, `airtable`) maps what the service
answers to a kind. `diagnose` looks an answer up. Other modules raise and catch; they never decide by code.
"""

from schedulo.errors.kinds import KINDS, Actor, Diagnosis, Kind, KindInfo, PlatformError, Scope, Strategy
from schedulo.errors.lookup import Phase, Rule, diagnose

__all__ = [
    "KINDS",
    "Actor",
    "Diagnosis",
    "Kind",
    "KindInfo",
    "Phase",
    "PlatformError",
    "Rule",
    "Scope",
    "Strategy",
    "diagnose",
]
