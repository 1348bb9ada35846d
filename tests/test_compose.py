"""docker-compose.yaml is held against the programs it runs: Airflow's options and commands, our settings."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from commands import clean_airflow
from sandbox.compose import reading
from sandbox.compose.reading import services
from sandbox.compose.services import AIRFLOW, STORES, TRIGGERERS, WORKERS, Native
from sandbox.stack import ROOT
from schedulo.settings import Settings

SECRET = re.compile(r"(PASSWORD|KEY|SECRET|URL|CONN|RESULT_BACKEND)$")
NO_SECRETS = {
    "PUBLIC_URL",
    "SANDBOX_URL",
    "SCHEDULO_AIRTABLE_PING_URL",
    "SCHEDULO_MEDIA_BASE_URL",
    "SCHEDULO_SANDBOX_URL",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
}
NO_SECRETS |= {"AIRFLOW__API__BASE_URL"}
MOUNTED = re.compile(r"/run/secrets/(\w+)")
MAY_COMMIT = (*TRIGGERERS, *WORKERS)
"""Posts are sent in triggerers; workers take down, change, and renew logins of which some count once."""

# Airflow's answers come from a process of its own that has the environment of the services.
ASK = """
import json, sys
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager

ProvidersManager().initialize_providers_configuration()
options, sensitive = [], []
for section, entry in conf.configuration_description.items():
    for option, about in entry["options"].items():
        name = f"AIRFLOW__{section}__{option}".upper()
        options.append(name)
        if about.get("sensitive"):
            sensitive.append(name)
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
answer = {"options": options, "sensitive": sensitive, "refused": refused}
print("ANSWER" + json.dumps(answer | {"executor": executor, "broken": broken}))
"""


def load(name: str) -> ModuleType:
    """A script of deploy/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "deploy" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_secrets(folder: Path) -> list[str]:
    """The names of what is made there."""
    found: list[str] = load("make_secrets").make(folder, "postgres:5432", "redis:6379")
    return found


def command_lines() -> list[list[str]]:
    """All that the file, its health checks, its scripts and its guide call by name."""
    values = reading.filled_in()
    commands = [reading.command(name, values) for name in services()]
    checks = [
        reading.health_command(name, values) for name in services() if "healthcheck" in services()[name]
    ]
    prepare, maintain = load("prepare"), load("maintain")
    scripts = [
        *prepare.SCHEMAS,
        [*prepare.IMPORT, "connections.json"],
        [*prepare.CREATE_ADMIN, "--username", "admin", "--email", "admin@example.com"],
        [*clean_airflow.CLEAN, "--clean-before-timestamp", "2026-01-01T00:00:00+00:00"],
        maintain.command("30", "/opt/airflow"),
    ]
    guide = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
    told = re.findall(r"^ +docker compose exec worker (.*)$", guide, re.MULTILINE)
    return [*commands, *checks, *map(list, scripts), *map(shlex.split, told)]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    make_secrets(home / "secrets")
    native = Native({}, {"/opt/airflow": home, "/opt/schedulo": ROOT, "/run/secrets": home / "secrets"})
    settings = native.environment(reading.environment("airflow-init", reading.filled_in()))
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
    shown = reading.example() | reading.example_options()
    of_compose_itself = {"COMPOSE_PROFILES"}
    assert {variable.name for variable in reading.variables()} | of_compose_itself == set(shown)


def test_every_empty_variable_of_the_example_must_be_given() -> None:
    required = {variable.name for variable in reading.variables() if variable.required}
    assert {name for name, value in reading.example().items() if not value} <= required
    assert required == set(reading.example())


def test_no_secret_has_a_value_in_the_files() -> None:
    asked = {variable.name for variable in reading.variables()}
    assert {name for name in asked if SECRET.search(name)} <= NO_SECRETS
    for service in services().values():
        named = {name for name in service.get("environment", {}) if SECRET.search(name)}
        assert named <= NO_SECRETS, "secrets come from files"


def test_every_service_may_read_the_secrets_that_it_names_and_no_other() -> None:
    for service, about in services().items():
        text = json.dumps(
            [about.get("environment", {}), about.get("command", []), about.get("healthcheck", {})]
        )
        assert set(MOUNTED.findall(text)) == set(reading.secrets_of(service)), service


def test_every_secret_is_a_file_that_is_made_and_stays_out_of_version_control(tmp_path: Path) -> None:
    declared = reading.document()["secrets"]
    assert {about["file"] for about in declared.values()} == {f"./secrets/{name}" for name in declared}
    assert set(make_secrets(tmp_path / "secrets")) == set(declared)
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "!secrets" not in (ROOT / ".dockerignore").read_text()


def test_a_missing_secret_ends_the_start_instead_of_being_empty(tmp_path: Path) -> None:
    environment = reading.environment("worker", reading.filled_in())
    commands = {name: value for name, value in environment.items() if name.endswith("_CMD")}
    assert len(commands) == 6
    for command in commands.values():
        line = shlex.split(command.replace("/run/secrets", str(tmp_path)))
        assert subprocess.run(line, capture_output=True).returncode != 0


def test_what_airflow_takes_from_commands_it_keeps_from_view(airflow: dict[str, Any]) -> None:
    for service in services().values():
        named = {name for name in service.get("environment", {}) if name.endswith("_CMD")}
        assert {name.removesuffix("_CMD") for name in named} <= set(airflow["sensitive"])


@pytest.mark.parametrize("name", sorted(reading.example()))
def test_nothing_starts_without_a_value_for(name: str) -> None:
    whole = (ROOT / "docker-compose.yaml").read_text()
    assert reading.resolved(whole, reading.filled_in())
    with pytest.raises(reading.Missing, match=name):
        reading.resolved(whole, reading.filled_in() | {name: ""})


def test_the_default_in_the_file_is_the_one_that_the_example_names() -> None:
    options = reading.example_options()
    defaults = {variable.name: variable.default for variable in reading.variables() if variable.default}
    assert defaults.pop("SCHEDULO_MEDIA_BASE_URL") == "<PUBLIC_URL>/schedulo/media"
    assert defaults.pop("SCHEDULO_AIRTABLE_PING_URL") == "<PUBLIC_URL>/schedulo/hooks/airtable"
    assert defaults == {name: options[name] for name in defaults}


def test_every_airflow_variable_names_an_option_of_this_airflow(airflow: dict[str, Any]) -> None:
    named = {
        name.removesuffix("_CMD")
        for service in services()
        for name in services()[service].get("environment", {})
        if "__" in name
    }
    assert len(named) > 20
    assert named - set(airflow["options"]) == set()


def test_every_schedulo_variable_names_a_setting() -> None:
    fields = {
        f"SCHEDULO_{name.upper()}{end}" for name in Settings.__dataclass_fields__ for end in ("", "_FILE")
    }
    named = {name for service in services().values() for name in service.get("environment", {})}
    assert {name for name in named if name.startswith("SCHEDULO_")} - fields == set()


def test_platforms_fetch_media_from_the_public_address() -> None:
    found = reading.environment("worker", reading.filled_in())["SCHEDULO_MEDIA_BASE_URL"]
    assert found == "https://schedulo.example.com/schedulo/media"


def test_schedulo_accepts_the_settings_that_the_example_shows(tmp_path: Path) -> None:
    values = reading.filled_in() | reading.example_options()
    make_secrets(tmp_path / "secrets")
    native = Native({}, {"/run/secrets": tmp_path / "secrets"})
    read = Settings.from_env(native.environment(reading.environment("worker", values)))
    assert read.ledger_url == (tmp_path / "secrets" / "ledger_url").read_text().strip()
    own = {"airtable_timezone", "airtable_monthly_calls", "airtable_ping_url", "media_base_url"}
    own |= {"notify_operator", "notify_owner", "notify_author", "health_skip", "sla_platforms"}
    own |= {"quotas", "x_budget_usd", "self_test_account", "webhook_hosts", "mode", "sandbox_url"}
    shown = {name.removeprefix("SCHEDULO_").lower() for name in reading.example_options()}
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
    assert triggerer["ulimits"]["nofile"] == {"soft": 65536, "hard": 65536}
    capacity = int(triggerer["environment"]["AIRFLOW__TRIGGERER__CAPACITY"])
    assert capacity <= triggerer["ulimits"]["nofile"]["soft"] - 200


@pytest.mark.parametrize("name", MAY_COMMIT)
def test_whatever_may_have_sent_something_is_given_time_to_hear_of_it(name: str) -> None:
    assert reading.grace_s(name) == 90


def test_every_queue_is_served_and_the_default_one_by_two_workers() -> None:
    served = {name: services()[name]["command"] for name in WORKERS}
    queues = {name: command[command.index("--queues") + 1].split(",") for name, command in served.items()}
    assert queues == {"worker": ["default"], "worker-media": ["media", "default"]}
    named = {
        services()[name]["environment"]["SCHEDULO_MEDIA_QUEUE"]
        for name in reading.of_airflow()
        if name != "sandbox"
    }
    assert named == {"media"}


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_asked_for_its_health_by_its_own_name(name: str) -> None:
    command, check = services()[name]["command"], services()[name]["healthcheck"]["test"]
    assert command[command.index("--celery-hostname") + 1] == name
    assert check[-2:] == ["--destination", f"celery@{name}"]


def test_no_service_can_take_the_whole_machine_or_gain_rights() -> None:
    for name, service in services().items():
        assert re.fullmatch(r"(\$\{\w+:-)?\d+[gm]\}?", service["mem_limit"]), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_make_stack_runs_every_service() -> None:
    assert {*STORES, *AIRFLOW, "airflow-init", "sandbox", "maintenance"} == set(services())


def test_the_sandbox_runs_only_where_it_is_asked_for() -> None:
    profiles = {name: service["profiles"] for name, service in services().items() if "profiles" in service}
    assert profiles == {"sandbox": ["sandbox"]}
    assert reading.example_options()["COMPOSE_PROFILES"] == "sandbox"
    assert not any("sandbox" in service.get("depends_on", {}) for service in services().values())


@pytest.mark.parametrize("sandbox", ["", "http://sandbox:8090"])
def test_the_first_start_makes_a_connection_for_each_service(sandbox: str) -> None:
    made = load("prepare").connections(sandbox)
    assert set(made) == {f"{name}_default" for name in ("airtable", "instagram", "facebook", "x", "tiktok")}
    hosts = {str(about.get("host", "")) for about in made.values()}
    assert hosts == ({f"{sandbox}/{name.removesuffix('_default')}" for name in made} if sandbox else {""})


def test_all_that_runs_is_restarted() -> None:
    policies = {name: service["restart"] for name, service in services().items()}
    assert policies.pop("airflow-init") == "no"
    assert set(policies.values()) == {"unless-stopped"}


def test_every_server_has_a_health_check() -> None:
    without = {name for name, service in services().items() if "healthcheck" not in service}
    assert without == {"airflow-init", "maintenance"}


def test_nothing_of_airflow_starts_before_both_schemas_are_there() -> None:
    for name, service in reading.of_airflow().items():
        if name == "sandbox":
            continue
        wanted = {needed: about["condition"] for needed, about in service["depends_on"].items()}
        assert wanted["postgres"] == "service_healthy"
        if name != "airflow-init":
            assert wanted["airflow-init"] == "service_completed_successfully"
            assert wanted["redis"] == "service_healthy"


def test_one_port_is_open_and_only_to_this_machine() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(ports) == {"api-server"}
    [published] = ports["api-server"]
    assert reading.resolved(published, {}) == "127.0.0.1:8080:8080"


def test_media_reports_and_logs_are_shared_by_all_that_use_them() -> None:
    for name in ("api-server", *MAY_COMMIT):
        mounts = dict(mount.split(":", 1) for mount in services()[name]["volumes"])
        environment = services()[name]["environment"]
        assert mounts["media"] == environment["SCHEDULO_MEDIA_DIR"]
        assert mounts["reports"] == environment["SCHEDULO_REPORTS_DIR"]
        assert mounts["logs"] == f"{environment['AIRFLOW_HOME']}/logs"


def test_every_volume_is_declared_and_every_mounted_file_exists() -> None:
    mounts = [mount for service in services().values() for mount in service.get("volumes", [])]
    sources = [mount.split(":")[0] for mount in mounts]
    named = {source for source in sources if not source.startswith(".")}
    assert named == set(reading.document()["volumes"])
    assert [source for source in sources if source.startswith(".") and not (ROOT / source).is_file()] == []


def test_logs_of_containers_are_limited() -> None:
    for service in services().values():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_only_the_preparation_knows_the_admins_password() -> None:
    knows = [
        name for name, service in services().items() if "airflow_admin_password" in service.get("secrets", [])
    ]
    assert knows == ["airflow-init"]


def test_versions_of_the_stores_are_pinned() -> None:
    assert re.fullmatch(r"postgres:17\.\d+", services()["postgres"]["image"])
    assert re.fullmatch(r"redis:7\.\d+\.\d+", services()["redis"]["image"])
    [base] = re.findall(r"^ARG PYTHON=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-bookworm", base)


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
    services_mounts = [service.get("volumes", []) for service in reading.of_airflow().values()]
    mounts = {mount.split(":")[1] for found in services_mounts for mount in found}
    [owned] = re.findall(r"install -d -o schedulo -g 0 (.*)", dockerfile)
    assert mounts <= set(owned.split())


def test_every_package_of_the_engine_and_of_the_plugins_is_in_the_distribution() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    folders = {path.parent for top in ("include", "plugins") for path in (ROOT / top).glob("*/__init__.py")}
    assert {str(folder.relative_to(ROOT)) for folder in folders} <= packed


# --- secrets --------------------------------------------------------------------------------------------


def test_secrets_are_made_once_and_own_ones_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "redis_password").write_text("my own/word\n")
    made = make_secrets(folder)
    assert "redis_password" not in made
    assert (folder / "celery_broker_url").read_text() == "redis://:my%20own%2Fword@redis:6379/0\n"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert make_secrets(folder) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_nobody_else_of_this_machine_can_enter_the_folder_of_secrets(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_no_two_installations_have_a_secret_in_common(tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_secrets(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_text() != (tmp_path / "other" / path.name).read_text()
