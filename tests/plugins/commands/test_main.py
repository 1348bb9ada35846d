"""The command `schedulo` as a whole."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_reader_that_has_read_enough_ends_a_command_without_a_word() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "commands.main", "vault", "key"]
    asked = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (asked.returncode, asked.stderr) == (1, "")
