"""The app that people plan in, as its developer builds it: calls of the contract by curl, each answer held
against the contract."""

from __future__ import annotations

import copy
import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "docs" / "reference" / "bubble.openapi.yaml"
STARTS = {
    "publishNow": "publish_now",
    "rehearse": "rehearse_posts",
    "retry": "retry_deliveries",
    "cancel": "cancel_posts",
    "hold": "emergency_stop",
    "takeDown": "take_down_posts",
    "resolve": "resolve_delivery",
}
"""The workflow of each call that starts one."""


class Contract:
    """The calls of the OpenAPI file, by their operation ids."""

    def __init__(self) -> None:
        self.whole = yaml.safe_load(CONTRACT.read_text())
        self.calls: dict[str, tuple[str, str, dict[str, Any]]] = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in self.whole["paths"].items()
            for method, operation in methods.items()
        }

    def hold_answer(self, name: str, status: int, answer: Any) -> None:
        """Raise unless the call may be answered so."""
        responses = self.calls[name][2]["responses"]
        assert str(status) in responses, f"{name} is answered with {status}, which it does not say: {answer}"
        self._hold(self._of(responses[str(status)]), answer)

    def hold_body(self, name: str, body: Any) -> None:
        """Raise unless the call takes such a body."""
        self._hold(self.calls[name][2]["requestBody"], body)

    def _hold(self, media: Any, value: Any) -> None:
        schema = self._of(media["content"]["application/json"]["schema"])
        OAS30Validator(schema, format_checker=oas30_format_checker).validate(value)

    def _of(self, part: Any) -> Any:
        """A part of the contract with what it refers to in its place."""
        if isinstance(part, list):
            return [self._of(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            found = self.whole
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            return self._of(copy.deepcopy(found))
        return {name: self._of(value) for name, value in part.items()}


@dataclass
class App:
    """An app with a login."""

    url: str
    username: str
    password: str
    contract: Contract = field(default_factory=Contract)
    made: set[str] = field(default_factory=set)
    """The calls that were answered well."""
    token: str = ""

    def call(
        self, name: str, body: Any = None, query: dict[str, Any] | None = None, **names: str
    ) -> tuple[int, Any]:
        """Make a call of the contract with curl: its status and its answer, which has to be as it says."""
        method, path, _operation = self.contract.calls[name]
        asked = f"?{urlencode(query, doseq=True)}" if query else ""
        command = ["curl", "-sS", "-X", method, f"{self.url}{path.format(**names)}{asked}"]
        command += ["-w", "\n%{http_code}", "--max-time", "60"]
        if self.token:
            command += ["-H", f"Authorization: Bearer {self.token}"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        for attempt in range(6):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            text, _, status = done.stdout.rpartition("\n")
            if status != "500" or "Database error" not in text:
                break
            time.sleep(1.0 + attempt)  # SQLite was locked for longer than Airflow waits
        answer = json.loads(text)
        self.contract.hold_answer(name, int(status), answer)
        if int(status) < 300:
            if body is not None:
                self.contract.hold_body(name, body)
            self.made.add(name)
        return int(status), answer

    def log_in(self) -> None:
        status, answer = self.call("getToken", {"username": self.username, "password": self.password})
        assert status == 201
        self.token = answer["access_token"]

    def start(self, name: str, id_: str, conf: Any) -> tuple[int, Any]:
        """Ask for something by an id of our own."""
        return self.call(name, {"dag_run_id": id_, "logical_date": None, "conf": conf})

    def ask(self, name: str, id_: str, conf: Any, patience_s: float = 300.0) -> Any:
        """The same, and what became of it once its run is over."""
        status, answer = self.start(name, id_, conf)
        assert status == 200, answer
        deadline = time.monotonic() + patience_s
        while True:
            status, answer = self.call("getRequest", workflow=STARTS[name], id=id_)
            assert status == 200, answer
            if answer["state"] in ("success", "failed"):
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"{id_} is {answer['state']} after {patience_s:.0f} s")
            time.sleep(1.0)

    def delivery_rests(self, id_: str, patience_s: float = 300.0) -> Any:
        """How a delivery stands once nothing more happens to it."""
        deadline = time.monotonic() + patience_s
        while True:
            _status, answer = self.call("getDelivery", id=id_)
            if answer["rests"]:
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"{id_} is {answer['state']} after {patience_s:.0f} s")
            time.sleep(1.0)
