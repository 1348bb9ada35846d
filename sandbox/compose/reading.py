"""Reads docker-compose.yaml and .env.example as Docker Compose does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from sandbox.stack import ROOT

VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<sign>[?-])(?P<word>[^{}]*))?\}")
"""`${NAME}`, `${NAME:-default}`, `${NAME:?must be given}`; of nested ones the innermost."""


class Missing(Exception):
    """Docker Compose would refuse to start: the named variable has no value."""


@dataclass(frozen=True)
class Variable:
    name: str
    required: bool
    default: str


@cache
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document()["services"]
    return found


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    return found


def of_airflow() -> dict[str, dict[str, Any]]:
    """The services that run our own image."""
    return {name: service for name, service in services().items() if "build" in service}


def variables() -> set[Variable]:
    """What the file asks of .env: `${...}`, and names without a value in an environment."""
    asked: set[Variable] = set()

    def note(match: re.Match[str]) -> str:
        sign, word = match["sign"], match["word"]
        asked.add(Variable(match["name"], sign == "?", word if sign == "-" else ""))
        return f"<{match['name']}>"

    _replaced((ROOT / "docker-compose.yaml").read_text(), note)
    passed = {
        name for service in services().values() for name, value in _environment(service) if value is None
    }
    return asked | {Variable(name, required=False, default="") for name in passed}


def example() -> dict[str, str]:
    """The variables that .env.example sets."""
    return _lines(r"(\w+)=(.*)")


def example_options() -> dict[str, str]:
    """The variables that .env.example shows behind a `#`."""
    return _lines(r"#(\w+)=(.*)")


def _lines(pattern: str) -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(match.groups() for line in lines if (match := re.fullmatch(pattern, line)))


def filled_in() -> dict[str, str]:
    """A .env as an operator makes it of the example."""
    made = example() | {
        "PUBLIC_URL": "https://schedulo.example.com",
        "AIRFLOW_ADMIN_EMAIL": "admin@example.com",
    }
    assert all(made.values()), "the example has a variable without a value that nothing is known for"
    return made


def resolved(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced. Raises `Missing`."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match["name"], "")
        if not found and match["sign"] == "?":
            raise Missing(match["name"])
        return found or (match["word"] if match["sign"] == "-" else "")

    return _replaced(text, value).replace("$$", "$")


def _replaced(text: str, value: Callable[[re.Match[str]], str]) -> str:
    while (replaced := VARIABLE.sub(value, text)) != text:
        text = replaced
    return text


def environment(service: str, values: Mapping[str, str]) -> dict[str, str]:
    """The service's environment; names without a value are passed on where `values` has them."""
    found = {}
    for name, value in _environment(services()[service]):
        if value is not None:
            found[name] = resolved(str(value), values)
        elif name in values:
            found[name] = values[name]
    return found


def _environment(service: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(service.get("environment", {}).items())


def command(service: str, values: Mapping[str, str]) -> list[str]:
    return [resolved(str(word), values) for word in services()[service]["command"]]


def health_command(service: str, values: Mapping[str, str]) -> list[str]:
    kind, *words = services()[service]["healthcheck"]["test"]
    words = [resolved(word, values) for word in words]
    return ["sh", "-c", *words] if kind == "CMD-SHELL" else words


def grace_s(service: str) -> int:
    """How long Docker Compose waits between asking a service to stop and killing it."""
    duration = str(services()[service].get("stop_grace_period", "10s"))
    assert duration.endswith("s"), duration
    return int(duration[:-1])


def healthy_before(service: str) -> list[str]:
    """The services that Docker Compose sees healthy before it starts this one."""
    needed = services()[service].get("depends_on", {})
    return [name for name, about in needed.items() if about["condition"] == "service_healthy"]


def secrets_of(service: str) -> list[str]:
    """The secrets that the service may read."""
    return list(services()[service].get("secrets", []))
