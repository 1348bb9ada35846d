"""What `make up` leaves for a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sandbox.demo.__main__ import _exports, _write
from sandbox.stack import Stack


def test_a_shell_that_reads_it_gives_commands_to_that_installation(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "a home", "http://127.0.0.1:1", environment={"SCHEDULO_ODD": "it's $HOME `x`"})
    _write(tmp_path / "up.env", _exports(stack.env()))
    assert (tmp_path / "up.env").stat().st_mode & 0o777 == 0o600
    script = '. "$0"; python -c "import json, os, sys; print(json.dumps([sys.executable, dict(os.environ)]))"'
    asked = subprocess.run(
        ["/bin/sh", "-c", script, tmp_path / "up.env"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    python, found = json.loads(asked.stdout)
    assert Path(python).parent == Path(sys.executable).parent
    ours = {name: value for name, value in stack.env().items() if name.startswith(("AIRFLOW", "SCHEDULO_"))}
    assert ours.items() <= found.items()
