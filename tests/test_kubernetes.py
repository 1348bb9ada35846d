"""deploy/helm and deploy/kubernetes are held against docker-compose.yaml, which `make stack` runs, against
the values that the chart knows, and against the schemas of Kubernetes."""

from __future__ import annotations

import json
import re
import resource
import shlex
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sandbox.compose import reading
from sandbox.stack import ROOT
from tests import manifests
from tests.manifests import container, environment, named, objects, pods, values, workers
from tests.test_compose import load, make_secrets

SECRETS = "/etc/schedulo/secrets"
RELEASE = "schedulo"
GUIDE = (ROOT / "docs" / "how-to" / "deploy-on-kubernetes.md").read_text()
ADMIN = {"AIRFLOW_ADMIN_USER", "AIRFLOW_ADMIN_EMAIL", "AIRFLOW_ADMIN_PASSWORD_FILE"}
OF_THE_CHART = {"apiServer": "api-server", "scheduler": "scheduler", "dagProcessor": "dag-processor"}
"""Services that have one command, by their section of the values."""
OWN = {"watch": "watch", "prepare": "airflow-init"}
"""Services of the compose file, by the component that does the same here."""
OLDEST, NEWEST = "1.30", "1.37"
"""Versions of Kubernetes."""


def of_compose(service: str) -> dict[str, str]:
    """A service's environment as it reads in the cluster."""
    found = reading.environment(service, reading.filled_in())
    return {
        name: value.replace("/run/secrets", SECRETS).replace("//api-server:", f"//{RELEASE}-api-server:")
        for name, value in found.items()
    }


def command(service: str) -> list[str]:
    return reading.command(service, reading.filled_in())


def check(service: str) -> list[str]:
    return reading.health_command(service, reading.filled_in())


def bytes_of(limit: str) -> int:
    [(number, unit)] = re.findall(r"^(\d+)([gm]|[GM]i)$", limit)
    return int(number) * {"m": 2**20, "g": 2**30}[unit[0].lower()]


def memory(service: str) -> int:
    text = str(reading.services()[service]["mem_limit"])
    return bytes_of(reading.resolved(text, reading.filled_in()))


# --- the chart ------------------------------------------------------------------------------------------


def unknown(given: Any, known: Any, path: str = "") -> list[str]:
    """The values that the chart would not read."""
    if known == "any" or known is None:
        return [] if known == "any" or not isinstance(given, dict) else [path]
    if isinstance(known, list):
        return [name for one in given for name in unknown(one, known[0], path)]
    found = []
    for name, value in given.items():
        where = f"{path}.{name}".lstrip(".")
        found += unknown(value, known[name], where) if name in known else [where]
    return found


def test_every_value_is_one_of_the_charts() -> None:
    chart = yaml.safe_load((ROOT / "tests" / "airflow_chart.yaml").read_text())
    assert unknown(values(), chart["values"]) == []
    assert unknown({"triggerer": {"replica": 2}}, chart["values"]) == ["triggerer.replica"]
    assert chart["chart"] in (ROOT / "deploy" / "helm" / "values.yaml").read_text()
    assert set(re.findall(r"--version (\S+)", GUIDE)) == {chart["chart"]}


def test_the_chart_is_told_the_airflow_that_the_image_has() -> None:
    pinned = re.search(r"^apache-airflow==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert values()["airflowVersion"] == pinned[1]


def test_the_chart_and_the_rest_run_one_image() -> None:
    [image] = yaml.safe_load((manifests.FOLDER / "image" / "kustomization.yaml").read_text())["images"]
    assert {container(name)["image"] for name in pods()} == {image["name"]}
    assert values()["images"]["airflow"] == {"repository": image["newName"], "tag": image["newTag"]}


def test_the_chart_brings_no_database_no_password_and_no_user() -> None:
    for name in ("postgresql", "redis", "createUserJob", "migrateDatabaseJob"):
        assert values()[name]["enabled"] is False, name
    assert not any(values()["enableBuiltInSecretEnvVars"].values())
    names = [value for name, value in values().items() if name.endswith("SecretName")]
    names += values()["data"].values()
    assert set(names) == {"schedulo-secrets"}


# --- the same as with Docker Compose ---------------------------------------------------------------------


def test_the_environment_is_that_of_docker_compose() -> None:
    assert environment() == of_compose("worker")
    assert [one["configMapRef"]["name"] for one in yaml.safe_load(values()["extraEnvFrom"])] == [
        "schedulo-environment"
    ]
    for name in pods():
        assert container(name)["envFrom"] == [{"configMapRef": {"name": "schedulo-environment"}}], name


def test_what_one_service_alone_is_told_is_that_of_docker_compose() -> None:
    [told] = values()["apiServer"]["env"]
    assert {told["name"]: told["value"]}.items() == (
        of_compose("api-server").items() - of_compose("worker").items()
    )
    prepare = {one["name"]: one["value"] for one in container("prepare")["env"]}
    assert prepare == {name: of_compose("airflow-init")[name] for name in ADMIN}


def test_the_commands_are_those_of_docker_compose() -> None:
    for section, service in OF_THE_CHART.items():
        assert values()[section]["args"] == command(service), section
    for component, service in OWN.items():
        assert container(component)["args"] == command(service), component
    assert tuple(container("maintenance")["args"]) == tuple(load("maintain").command("30", "/opt/airflow"))
    assert reading.environment("maintenance", reading.filled_in())["AIRFLOW_KEEP_DAYS"] == "30"


def test_a_triggerer_starts_with_as_many_files_as_with_docker_compose() -> None:
    shell, option, line = values()["triggerer"]["args"]
    raised, started = line.split(" && exec ")
    assert shlex.split(started) == command("triggerer-1")
    files = reading.services()["triggerer-1"]["ulimits"]["nofile"]["soft"]
    assert raised == f"ulimit -n {files}"
    said = subprocess.run([shell, option, f"{raised} && ulimit -n"], capture_output=True, text=True)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= files:
        assert said.stdout == f"{files}\n"
    else:
        assert said.returncode != 0
        assert "cannot modify limit" in said.stderr


def test_the_queues_are_those_of_docker_compose_and_each_is_served_by_the_same_kind_of_worker() -> None:
    served = {}
    for one in workers():
        *start, queues = one["args"]
        assert start == ["airflow", "celery", "worker", "--queues"]
        assert one["queue"] == queues, "what the chart scales by is what the worker serves"
        served[one["name"]] = [*start, queues]
    without_names = {name: command(name)[:5] for name in ("worker", "worker-media")}
    assert served == {"main": without_names["worker"], "media": without_names["worker-media"]}
    assert values()["workers"]["celery"]["enableDefault"] is False


def test_whatever_may_have_sent_something_is_given_the_same_time_to_stop() -> None:
    assert values()["triggerer"]["terminationGracePeriodSeconds"] == reading.grace_s("triggerer-1")
    for one in workers():
        assert one["terminationGracePeriodSeconds"] == reading.grace_s("worker"), one["name"]


def test_the_limits_of_memory_are_those_of_docker_compose() -> None:
    limits = {
        service: values()[section]["resources"]["limits"]
        for section, service in (OF_THE_CHART | {"triggerer": "triggerer-1"}).items()
    }
    names = {"main": "worker", "media": "worker-media"}
    limits |= {names[one["name"]]: one["resources"]["limits"] for one in workers()}
    limits |= {OWN.get(name, name): container(name)["resources"]["limits"] for name in pods()}
    assert {service: bytes_of(limit["memory"]) for service, limit in limits.items()} == {
        service: memory(service) for service in limits
    }
    assert limits["worker-media"]["cpu"] == reading.resolved(
        str(reading.services()["worker-media"]["cpus"]), reading.filled_in()
    )


def test_the_checks_are_those_of_docker_compose() -> None:
    assert values()["scheduler"]["livenessProbe"]["command"] == check("scheduler")
    assert values()["scheduler"]["startupProbe"]["command"] == check("scheduler")
    assert values()["dagProcessor"]["livenessProbe"]["command"] == check("dag-processor")
    assert values()["triggerer"]["livenessProbe"]["command"] == check("triggerer-1")
    assert container("watch")["livenessProbe"]["exec"]["command"] == check("watch")
    for one in workers():
        _, _, line = one["livenessProbe"]["command"]
        assert shlex.split(line.removeprefix("exec "))[:-1] == check("worker")[:-1], one["name"]
        assert line.endswith("celery@$(hostname)"), "a pod's name is its worker's"
    for section, service in (OF_THE_CHART | {"triggerer": "triggerer-1"}).items():
        asked = reading.services()[service]["healthcheck"]
        probe = values()[section]["livenessProbe"]
        assert f"{probe['timeoutSeconds']}s" == asked["timeout"], section
        assert f"{probe['periodSeconds']}s" == asked["interval"], section


# --- secrets and folders ---------------------------------------------------------------------------------


def secret_volumes() -> dict[str, dict[str, Any]]:
    """The Secret as each kind of pod sees it; `chart`: all of the chart's."""
    found = {"chart": values()["volumes"]} | {name: pod["spec"]["volumes"] for name, pod in pods().items()}
    return {name: one["secret"] for name, volumes in found.items() for one in volumes if "secret" in one}


def test_every_pod_gets_the_secrets_of_its_service_as_files_and_no_other() -> None:
    services = {"chart": "worker", "watch": "watch", "maintenance": "maintenance", "prepare": "airflow-init"}
    assert set(secret_volumes()) == set(services)
    for name, volume in secret_volumes().items():
        assert {item["key"] for item in volume["items"]} == set(reading.secrets_of(services[name])), name
        assert all(item["path"] == item["key"] for item in volume["items"])
        assert volume["secretName"] == "schedulo-secrets"
        assert volume["defaultMode"] == 0o440


def test_the_guide_makes_every_secret_that_a_pod_asks_for(tmp_path: Path) -> None:
    made = set(make_secrets(tmp_path))
    asked = {item["key"] for volume in secret_volumes().values() for item in volume["items"]}
    assert asked <= made
    assert set(re.findall(r"--from-file=secrets/(\w+)", GUIDE)) == asked


def test_nothing_secret_is_written_down() -> None:
    told = json.dumps([values(), objects()])
    assert re.findall(r"://[^/\s\"]*:[^/\s\"]*@", told) == []
    assert [about for about in objects() if about["kind"] == "Secret"] == []
    names = {name for name in environment() if re.search(r"(PASSWORD|_KEY|SECRET|CONN|LEDGER_URL)$", name)}
    assert names == set(), "secrets come from files"


def test_what_is_shared_is_mounted_where_the_environment_says() -> None:
    mounts = {one["name"]: one["mountPath"] for one in values()["volumeMounts"]}
    assert mounts == {
        "schedulo-secrets": SECRETS,
        "schedulo-media": environment()["SCHEDULO_MEDIA_DIR"],
        "schedulo-reports": environment()["SCHEDULO_REPORTS_DIR"],
    }
    claims = {about["metadata"]["name"]: about["spec"] for about in objects() if "Claim" in about["kind"]}
    used = [one["persistentVolumeClaim"]["claimName"] for one in values()["volumes"][1:]]
    used.append(values()["logs"]["persistence"]["existingClaim"])
    assert set(claims) == set(used)
    assert all(spec["accessModes"] == ["ReadWriteMany"] for spec in claims.values())


def test_every_mount_of_a_pod_has_its_volume_and_the_rest_of_it_is_read_only() -> None:
    for name, pod in pods().items():
        mounted = {mount["name"] for mount in container(name)["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}, name
        assert container(name)["securityContext"]["readOnlyRootFilesystem"] is True


def test_no_pod_runs_as_root_gains_rights_or_speaks_to_kubernetes() -> None:
    of_pods = [pod["spec"]["securityContext"] for pod in pods().values()]
    assert all(rights == values()["securityContexts"]["pod"] for rights in of_pods)
    user, group = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]
    assert (of_pods[0]["runAsUser"], of_pods[0]["runAsGroup"]) == (int(user), int(group))
    assert of_pods[0]["runAsNonRoot"] is True
    for name in pods():
        rights = dict(container(name)["securityContext"])
        del rights["readOnlyRootFilesystem"]
        assert rights == values()["securityContexts"]["containers"], name
        assert pods()[name]["spec"]["automountServiceAccountToken"] is False
    for section in ("apiServer", "scheduler", "dagProcessor", "triggerer"):
        assert values()[section]["serviceAccount"]["automountServiceAccountToken"] is False, section
    assert values()["workers"]["celery"]["serviceAccount"]["automountServiceAccountToken"] is False
    assert values()["rbac"]["create"] is False


# --- objects ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_one_of_kubernetes(version: str) -> None:
    assert len(objects()) > 10
    for about in objects():
        kubernetes_validate.validate(about, version, strict=True)


def test_what_is_misspelt_is_refused_by_that() -> None:
    wrong = json.loads(json.dumps(named("Deployment", "schedulo-watch")))
    wrong["spec"]["replica"] = wrong["spec"].pop("replicas")
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_every_file_is_part_of_a_kustomization() -> None:
    for folder in manifests.KUSTOMIZATIONS:
        about = yaml.safe_load((folder / "kustomization.yaml").read_text())
        files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        assert set(about["resources"]) == files
        assert about["namespace"] == RELEASE
        assert all((folder / component / "kustomization.yaml").is_file() for component in about["components"])


def test_one_of_two_is_always_there() -> None:
    assert values()["triggerer"]["replicas"] >= 2
    assert values()["apiServer"]["replicas"] >= 2
    assert sum("default" in one["queue"].split(",") and one["replicas"] for one in workers()) >= 2
    for about in (values()["triggerer"], values()["workers"]["celery"]):
        assert about["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budgets = [about["spec"] for about in objects() if about["kind"] == "PodDisruptionBudget"]
    guarded = {spec["selector"]["matchLabels"]["component"] for spec in budgets}
    assert guarded == {"triggerer", "worker", "api-server"}
    assert {spec["maxUnavailable"] for spec in budgets} == {1}


def test_policies_and_budgets_speak_of_the_release_that_the_guide_installs() -> None:
    assert f"helm upgrade --install {RELEASE} " in GUIDE
    selectors = [
        about["spec"].get("podSelector") or about["spec"]["selector"]
        for about in objects()
        if about["kind"] in ("NetworkPolicy", "PodDisruptionBudget")
    ]
    assert {selector["matchLabels"]["release"] for selector in selectors} == {RELEASE}
    assert {pod["metadata"]["labels"]["release"] for pod in pods().values()} == {RELEASE}
    address = environment()["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert address.startswith(f"http://{RELEASE}-api-server:")


def test_the_api_servers_port_is_the_one_that_is_let_in() -> None:
    [rule] = named("NetworkPolicy", "schedulo-api-server")["spec"]["ingress"]
    port = str(rule["ports"][0]["port"])
    assert port == values()["apiServer"]["args"][values()["apiServer"]["args"].index("--port") + 1]
    assert f":{port}/" in environment()["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]


def test_the_ingress_and_the_environment_name_one_host() -> None:
    [host] = values()["ingress"]["apiServer"]["hosts"]
    assert host["tls"]["enabled"] is True
    assert environment()["AIRFLOW__API__BASE_URL"] == f"https://{host['name']}"
    assert environment()["SCHEDULO_MEDIA_BASE_URL"].startswith(f"https://{host['name']}/")


# --- the guide -------------------------------------------------------------------------------------------


def told() -> list[list[str]]:
    """The guide's commands, each as its words."""
    lines = re.sub(r"\\\n +", "", GUIDE)
    return [shlex.split(line) for line in re.findall(r"^ {4,}((?:kubectl|helm) .*)$", lines, re.MULTILINE)]


def deployments() -> dict[str, str]:
    """Containers by the Deployments that there are, ours and the chart's."""
    found = {about["metadata"]["name"]: "" for about in objects() if about["kind"] == "Deployment"}
    found |= {f"{RELEASE}-{name}": name for name in (*OF_THE_CHART.values(), "triggerer")}
    return found | {f"{RELEASE}-worker-{one['name']}": "worker" for one in workers()}


def test_the_guide_calls_what_there_is_by_its_name() -> None:
    from commands.main import parser

    asked = 0
    for words in told():
        assert words[0] == "helm" or "-n" not in words or words[words.index("-n") + 1] == RELEASE
        for folder in (words[at + 1] for at, word in enumerate(words) if word in ("-k", "-f")):
            assert (ROOT / folder).exists(), folder
        if "exec" in words:
            inside = words.index("--")
            [target] = [word.removeprefix("deploy/") for word in words[:inside] if word.startswith("deploy/")]
            own = words[words.index("-c") + 1] if "-c" in words[:inside] else ""
            assert deployments()[target] == own, target
            if words[inside + 1] == "schedulo":
                assert callable(parser().parse_args(words[inside + 2 :]).run)
                asked += 1
    assert asked > 3


def test_the_guide_waits_for_everything_that_uses_the_ledger() -> None:
    [components] = re.findall(r"component in \(([^)]*)\)", GUIDE)
    of_the_chart = {*OF_THE_CHART.values(), "triggerer", "worker"}
    assert set(components.split(",")) == of_the_chart | {"watch"}
