"""The command `schedulo` as a whole."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from commands.main import main
from sandbox.stack import free_port
from schedulo.settings import settings


def test_a_reader_that_has_read_enough_ends_a_command_without_a_word() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "commands.main", "vault", "key"]
    asked = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (asked.returncode, asked.stderr) == (1, "")


@pytest.mark.parametrize(
    "arguments", [["quotas"], ["hold", "everything", "--reason", "a trial"], ["errors"], ["accounts", "list"]]
)
def test_a_ledger_that_does_not_answer_is_said_in_a_sentence_without_its_address(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"postgresql://ada:sesame@127.0.0.1:{free_port()}/ledger")
    settings.cache_clear()
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("The ledger or Airflow's database does not answer (OperationalError)")
    assert "sesame" not in said
    settings.cache_clear()
