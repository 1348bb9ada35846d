"""docker-compose.yaml is held against the programs it runs: Airflow's options and commands, our settings."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from commands import clean_airflow
from schedulo.settings import Settings
from tests import compose
from tests.compose import ROOT, Native, services

SECRET = re.compile(r"(PASSWORD|KEY|SECRET)$")
TRIGGERERS = ("triggerer-1", "triggerer-2")

# Airflow's answers come from a process of its own that has the environment of the services.
ASK = """
import json, sys
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager

ProvidersManager().initialize_providers_configuration()
options = {
    f"AIRFLOW__{section}__{option}".upper(): about.get("type")
    for section, entry in conf.configuration_description.items()
    for option, about in entry["options"].items()
}
refused = []
for line in json.loads(sys.argv[1]):
    try:
        get_parser().parse_args(line)
    except SystemExit as end:
        refused.append([line, end.code])
try:
    from airflow.executors.executor_loader import ExecutorLoader
    executor = ExecutorLoader.get_default_executor_name().module_path
    ExecutorLoader.import_executor_cls(ExecutorLoader.get_default_executor_name())
    broken = ""
except ImportError as error:
    broken = str(error)
print("ANSWER" + json.dumps({"options": options, "refused": refused, "executor": executor, "broken": broken}))
"""


def load(name: str) -> ModuleType:
    """A script of deploy/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "deploy" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command_lines() -> list[list[str]]:
    """All that the file, its health checks, its scripts and its guide call by name."""
    values = compose.filled_in()
    commands = [compose.command(name, values) for name in services()]
    checks = [
        compose.health_command(name, values) for name in services() if "healthcheck" in services()[name]
    ]
    prepare, maintain = load("prepare"), load("maintain")
    scripts = [
        *prepare.SCHEMAS,
        [*prepare.IMPORT, "connections.json"],
        [*prepare.CREATE_ADMIN, "--username", "admin", "--email", "admin@example.com"],
        [*clean_airflow.CLEAN, "--clean-before-timestamp", "2026-01-01T00:00:00+00:00"],
        maintain.command("30", "/opt/airflow"),
    ]
    guide = (ROOT / "docs" / "how-to" / "deploy-with-docker-compose.md").read_text()
    told = re.findall(r"^ +docker compose exec worker (.*)$", guide, re.MULTILINE)
    return [*commands, *checks, *map(list, scripts), *map(shlex.split, told)]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    native = Native({}, {"/opt/airflow": home, "/opt/schedulo": ROOT})
    settings = native.environment(compose.environment("airflow-init", compose.filled_in()))
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)} | settings
    lines = [line[1:] for line in command_lines() if line[0] == "airflow"]
    asked = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(lines)],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    answer: dict[str, Any] = json.loads(asked.stdout.rpartition("ANSWER")[2])
    return answer


# --- variables ------------------------------------------------------------------------------------------


def test_every_variable_is_explained_in_the_example() -> None:
    shown = compose.example() | compose.example_options()
    assert {variable.name for variable in compose.variables()} == set(shown)


def test_every_empty_variable_of_the_example_must_be_given() -> None:
    required = {variable.name for variable in compose.variables() if variable.required}
    assert {name for name, value in compose.example().items() if not value} <= required
    assert required == set(compose.example())


def test_no_secret_has_a_value_in_the_files() -> None:
    secret = {variable for variable in compose.variables() if SECRET.search(variable.name)}
    assert len(secret) >= 9
    assert [variable for variable in secret if variable.default or not variable.required] == []
    assert {compose.example()[variable.name] for variable in secret} == {""}
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]*\}", value), f"{name} is written out"


@pytest.mark.parametrize("name", sorted(compose.example()))
def test_nothing_starts_without_a_value_for(name: str) -> None:
    whole = (ROOT / "docker-compose.yaml").read_text()
    assert compose.resolved(whole, compose.filled_in())
    with pytest.raises(compose.Missing, match=name):
        compose.resolved(whole, compose.filled_in() | {name: ""})


def test_the_default_in_the_file_is_the_one_that_the_example_names() -> None:
    options = compose.example_options()
    defaults = {variable.name: variable.default for variable in compose.variables() if variable.default}
    assert defaults == {name: options[name] for name in defaults}


def test_every_airflow_variable_names_an_option_of_this_airflow(airflow: dict[str, Any]) -> None:
    named = {
        name for service in services() for name in services()[service].get("environment", {}) if "__" in name
    }
    assert len(named) > 20
    assert named - set(airflow["options"]) == set()


def test_every_schedulo_variable_names_a_setting() -> None:
    fields = {f"SCHEDULO_{name.upper()}" for name in Settings.__dataclass_fields__}
    named = {name for service in services().values() for name in service.get("environment", {})}
    assert {name for name in named if name.startswith("SCHEDULO_")} - fields == set()


def test_schedulo_accepts_the_settings_that_the_example_shows() -> None:
    values = compose.filled_in() | compose.example_options()
    read = Settings.from_env(compose.environment("worker", values))
    assert read.media_base_url == "https://schedulo.example.com/schedulo/media"
    own = {"airtable_timezone", "airtable_monthly_calls", *("ledger_url", "vault_key", "home")}
    own |= {"notify_operator", "notify_owner", "notify_author", "health_skip", "sla_platforms"}
    own |= {"quotas", "x_budget_usd", "self_test_account"}
    shown = {name.removeprefix("SCHEDULO_").lower() for name in compose.example_options()}
    for name in (shown & set(Settings.__dataclass_fields__)) - own:
        assert getattr(read, name) == getattr(Settings(), name), f"{name}: the example shows another default"


# --- commands -------------------------------------------------------------------------------------------


def test_every_airflow_command_line_is_understood(airflow: dict[str, Any]) -> None:
    assert airflow["refused"] == []


def test_the_executor_fits_the_installed_celery(airflow: dict[str, Any]) -> None:
    assert airflow["executor"].endswith(".CeleryExecutor")
    assert airflow["broken"] == ""


def test_every_schedulo_command_line_is_understood() -> None:
    from commands.main import parser

    lines = [line[1:] for line in command_lines() if line[0] == "schedulo"]
    assert len(lines) > 3
    for line in lines:
        assert callable(parser().parse_args(line).run)


# --- services -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRIGGERERS)
def test_triggerer_is_given_time_to_stop_and_files_to_open(name: str) -> None:
    triggerer = services()[name]
    assert compose.seconds(triggerer["stop_grace_period"]) == 90
    assert triggerer["ulimits"]["nofile"] == {"soft": 65536, "hard": 65536}
    capacity = int(triggerer["environment"]["AIRFLOW__TRIGGERER__CAPACITY"])
    assert capacity <= triggerer["ulimits"]["nofile"]["soft"] - 200


def test_all_that_runs_is_restarted() -> None:
    policies = {name: service["restart"] for name, service in services().items()}
    assert policies.pop("airflow-init") == "no"
    assert set(policies.values()) == {"unless-stopped"}


def test_every_server_has_a_health_check() -> None:
    without = {name for name, service in services().items() if "healthcheck" not in service}
    assert without == {"airflow-init", "maintenance"}


def test_nothing_of_airflow_starts_before_both_schemas_are_there() -> None:
    for name, service in compose.of_airflow().items():
        wanted = {needed: about["condition"] for needed, about in service["depends_on"].items()}
        assert wanted["postgres"] == "service_healthy"
        if name != "airflow-init":
            assert wanted["airflow-init"] == "service_completed_successfully"
            assert wanted["redis"] == "service_healthy"


def test_one_port_is_open_and_only_to_this_machine() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(ports) == {"api-server"}
    [published] = ports["api-server"]
    assert compose.resolved(published, {}) == "127.0.0.1:8080:8080"


def test_media_reports_and_logs_are_shared_by_all_that_use_them() -> None:
    for name in ("worker", "api-server", *TRIGGERERS):
        mounts = dict(mount.split(":", 1) for mount in services()[name]["volumes"])
        environment = services()[name]["environment"]
        assert mounts["media"] == environment["SCHEDULO_MEDIA_DIR"]
        assert mounts["reports"] == environment["SCHEDULO_REPORTS_DIR"]
        assert mounts["logs"] == f"{environment['AIRFLOW_HOME']}/logs"


def test_every_volume_is_declared_and_every_mounted_file_exists() -> None:
    sources = [mount.split(":")[0] for service in services().values() for mount in service["volumes"]]
    named = {source for source in sources if not source.startswith(".")}
    assert named == set(compose.document()["volumes"])
    assert [source for source in sources if source.startswith(".") and not (ROOT / source).is_file()] == []


def test_logs_of_containers_are_limited() -> None:
    for service in services().values():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_only_the_preparation_knows_the_admins_password() -> None:
    knows = [
        name
        for name, service in services().items()
        if "AIRFLOW_ADMIN_PASSWORD" in service.get("environment", {})
    ]
    assert knows == ["airflow-init"]


def test_versions_of_the_stores_are_pinned() -> None:
    assert re.fullmatch(r"postgres:1[67](\.\d+)?", services()["postgres"]["image"])
    assert re.fullmatch(r"redis:7\.\d+", services()["redis"]["image"])


# --- image ----------------------------------------------------------------------------------------------


def copies() -> list[tuple[str, str]]:
    """Source and target of each file that the Dockerfile takes from the repository."""
    lines = [
        line.split()[1:] for line in (ROOT / "Dockerfile").read_text().splitlines() if line[:5] == "COPY "
    ]
    return [(source, words[-1]) for words in lines if words[0][:2] != "--" for source in words[:-1]]


def test_the_image_does_not_run_as_root() -> None:
    *_, last = re.findall(r"^USER (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert int(last.partition(":")[0]) > 0


def test_the_images_sources_exist_and_reach_its_build() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for source, _ in copies():
        assert (ROOT / source).exists(), f"{source} is not there"
        assert source.split("/")[0] in kept, f"{source} is ignored"
    assert ".env" not in kept


def test_the_image_has_what_the_services_name_and_owns_what_they_mount() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    targets = {f"/opt/schedulo/{target.rstrip('/').removeprefix('./')}" for _, target in copies()}
    named = re.findall(r"/opt/schedulo/\w+", (ROOT / "docker-compose.yaml").read_text())
    assert set(named) <= targets
    mounts = {mount.split(":")[1] for name in compose.of_airflow() for mount in services()[name]["volumes"]}
    [owned] = re.findall(r"install -d -o schedulo -g 0 (.*)", dockerfile)
    assert mounts <= set(owned.split())


def test_every_package_of_the_engine_and_of_the_plugins_is_in_the_distribution() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    folders = {path.parent for top in ("include", "plugins") for path in (ROOT / top).glob("*/__init__.py")}
    assert {str(folder.relative_to(ROOT)) for folder in folders} <= packed
