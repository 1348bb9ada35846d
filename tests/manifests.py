"""Reads deploy/helm and deploy/kubernetes, and runs what is there as processes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from sandbox.compose.services import Composed, Native
from sandbox.stack import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS = (FOLDER, FOLDER / "prepare")


@cache
def values() -> dict[str, Any]:
    """What the chart is given."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "helm" / "values.yaml").read_text())
    return found


@cache
def objects() -> list[dict[str, Any]]:
    """All that the kustomizations name."""
    found = []
    for folder in KUSTOMIZATIONS:
        for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
            found += list(yaml.safe_load_all((folder / name).read_text()))
    return found


def named(kind: str, name: str) -> dict[str, Any]:
    [found] = [about for about in objects() if (about["kind"], about["metadata"]["name"]) == (kind, name)]
    return found


def environment() -> dict[str, str]:
    """The environment of every container."""
    found: dict[str, str] = named("ConfigMap", "schedulo-environment")["data"]
    return found


def pods() -> dict[str, dict[str, Any]]:
    """The pod templates that are not the chart's, by component."""
    found = {}
    for about in objects():
        spec = about.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            template = spec["template"]
            found[template["metadata"]["labels"]["component"]] = template
    return found


def container(component: str) -> dict[str, Any]:
    """The only one of its pod."""
    [found] = pods()[component]["spec"]["containers"]
    return found


def workers() -> Iterator[dict[str, Any]]:
    """The worker sets, each with what it has from all."""
    for own in values()["workers"]["celery"]["sets"]:
        yield values()["workers"]["celery"] | own


READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount -o remount,bind,ro /
exec "$@"
"""
"""Nothing but the folder `$0` can be written to."""


def as_pod(stack: Composed, component: str, service: str) -> tuple[list[str], dict[str, str]]:
    """The command and environment of a pod of ours, as they read on this machine; its root is read-only.

    :param service: the one of the compose file whose folders it gets
    """
    about, native = container(component), stack.native(service)
    secrets = {"/etc/schedulo/secrets": stack.home / "secrets"}
    native = Native(native.ports, dict(native.folders) | secrets)
    given = environment() | {one["name"]: one["value"] for one in about.get("env", [])}
    told = {name: value.replace("schedulo-api-server", "api-server") for name, value in given.items()}
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(stack.home), *native.command(about["args"])]
    temporary = {"TMPDIR": str(native.folders["/tmp"])}
    return command, stack.env(**native.environment(told)) | temporary
