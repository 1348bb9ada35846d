"""Reads docker-compose.yaml as Docker Compose does, and what its services would run without containers."""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<sign>[?-])(?P<word>[^}]*))?\}")
DATABASES = "/docker-entrypoint-initdb.d/databases.sql"


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
    asked = {
        Variable(match["name"], match["sign"] == "?", match["word"] if match["sign"] == "-" else "")
        for match in VARIABLE.finditer((ROOT / "docker-compose.yaml").read_text())
    }
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
    """A .env as an operator makes it of the example: a fresh value for each empty one."""
    fernet = ("AIRFLOW_FERNET_KEY", "SCHEDULO_VAULT_KEY")
    made = {name: secrets.token_hex(24) for name, value in example().items() if not value}
    made |= {name: urlsafe_b64encode(secrets.token_bytes(32)).decode() for name in fernet}
    made |= {"PUBLIC_URL": "https://schedulo.example.com", "AIRFLOW_ADMIN_EMAIL": "admin@example.com"}
    return example() | made


def resolved(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced. Raises `Missing`."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match["name"], "")
        if not found and match["sign"] == "?":
            raise Missing(match["name"])
        return found or (match["word"] if match["sign"] == "-" else "")

    return VARIABLE.sub(value, text).replace("$$", "$")


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


def seconds(duration: str) -> int:
    assert duration.endswith("s"), duration
    return int(duration[:-1])


@dataclass(frozen=True)
class Native:
    """How a container's text reads on this machine: its host names, its ports and its folders."""

    ports: Mapping[str, int]
    folders: Mapping[str, Path]

    def text(self, words: str) -> str:
        words = re.sub(r"(?<=[/@])(postgres|redis|api-server)(?=:\d)", "127.0.0.1", words)
        words = re.sub(r"\b\d+\b", lambda match: str(self.ports.get(match[0], match[0])), words)
        for folder, ours in self.folders.items():
            words = words.replace(folder, str(ours))
        return words

    def command(self, words: list[str]) -> list[str]:
        return [self.text(word) for word in words]

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        return {name: self.text(value) for name, value in values.items()}
