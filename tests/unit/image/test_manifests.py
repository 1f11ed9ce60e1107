"""Kubernetes manifests: what the API's own schemas say of them, and that they fit the program of the container."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

kubernetes_validate = pytest.importorskip("kubernetes_validate")
ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "install" / "kubernetes"
START = (ROOT / "install/image/root/usr/lib/coven-image/pod").read_text()
VERSIONS = ("1.28", "1.32")  #: the oldest and the newest that are looked at
MULTUS = "k8s.cni.cncf.io/v1"  #: its kind is no part of Kubernetes' schemas


def documents() -> list[dict[str, Any]]:
    return [each for file in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(file.read_text())]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_would_take_them(version: str) -> None:
    kinds = []
    for each in documents():
        if each["apiVersion"] != MULTUS:
            kubernetes_validate.validate(each, version, strict=True)
            kinds.append(each["kind"])
    assert kinds == ["Namespace", "ServiceAccount", "PersistentVolumeClaim", "StatefulSet", "Service"]


def test_a_wrong_one_would_not_pass() -> None:
    wrong = next(each for each in documents() if each["kind"] == "StatefulSet")
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilites"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_pod_has_what_its_first_program_looks_for_and_is_not_privileged() -> None:
    pod = next(each for each in documents() if each["kind"] == "StatefulSet")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {"/package", "/etc/coven/tls", "/etc/coven/token", "/var/lib/coven", "/run", "/tmp"} == mounts
    for path in mounts - {"/run", "/tmp"}:
        assert path in START
    assert {each["name"] for each in container["env"]} == set(re.findall(r"\$\{(COVEN_[A-Z]+)", START))
    assert {each["name"] for each in pod["volumes"]} == {each["name"] for each in container["volumeMounts"]}
    security = container["securityContext"]
    assert security["privileged"] is False and security["readOnlyRootFilesystem"] is True
    assert {"NET_ADMIN", "NET_RAW", "BPF"} <= set(security["capabilities"]["add"])
    assert security["capabilities"]["drop"] == ["ALL"] and "SYS_ADMIN" not in security["capabilities"]["add"]


def test_the_networks_that_it_asks_for_are_there() -> None:
    defined = {each["metadata"]["name"] for each in documents() if each["apiVersion"] == MULTUS}
    pod = next(each for each in documents() if each["kind"] == "StatefulSet")["spec"]["template"]
    asked = pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"]
    assert {each.strip().split("@")[0] for each in asked.split(",")} == defined
    ports = next(each for each in pod["spec"]["containers"][0]["env"] if each["name"] == "COVEN_PORTS")["value"]
    assert {each.split("@")[1] for each in asked.replace(" ", "").split(",")} == set(re.findall(r"=(\w+)", ports))
