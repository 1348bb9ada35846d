"""What Airflow's own plugin loader makes of the plugins folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

ASK = """
import json, sys
from airflow import plugins_manager
from airflow._shared.module_loading import find_path_from_directory
from airflow.configuration import conf

folder = conf.get("core", "plugins_folder")
files = sorted(find_path_from_directory(folder, ".airflowignore", "glob"))
plugins_manager.ensure_plugins_loaded()
apps, _ = plugins_manager.get_fastapi_plugins()
ours = {
    name: str(module.__file__)
    for name, module in sys.modules.items()
    if str(getattr(module, "__file__", None) or "").startswith(folder)
}
print("ANSWER" + json.dumps({
    "files": files,
    "modules": ours,
    "errors": plugins_manager.get_import_errors(),
    "apps": [app["url_prefix"] for app in apps],
    "heavy": [
        name
        for name in sys.modules
        if name in ("PIL", "av") or name.startswith("web.") and name != "web.guard"
    ],
}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The loader's answer, from a process of its own with an empty Airflow home."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "PYTHONPATH": str(ROOT / "include"),
    }
    run = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, cwd=home, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    answer: dict[str, Any] = json.loads(run.stdout.rpartition("ANSWER")[2])
    return answer


def test_only_the_plugin_itself_is_loaded(loaded: dict[str, Any]) -> None:
    assert loaded["files"] == [str(ROOT / "plugins" / "schedulo_plugin.py")]


def test_no_module_is_known_under_a_bare_name(loaded: dict[str, Any]) -> None:
    assert "schedulo_plugin" in loaded["modules"]
    for name, file in loaded["modules"].items():
        path = Path(file).relative_to(ROOT / "plugins").with_suffix("")
        assert name == ".".join(path.parts).removesuffix(".__init__")


def test_the_plugin_loads_without_errors(loaded: dict[str, Any]) -> None:
    assert loaded["errors"] == {}


def test_the_media_route_is_mounted(loaded: dict[str, Any]) -> None:
    assert "/schedulo/media" in loaded["apps"]


def test_loading_it_imports_nothing_heavy(loaded: dict[str, Any]) -> None:
    assert loaded["heavy"] == []
