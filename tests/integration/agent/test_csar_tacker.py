"""A real VNFM takes our packages: OpenStack Tacker onboards a signed CSAR, instantiates its VNF, takes it down.

Tacker is installed, 460 MB, into an environment of its own under build/ when it is not there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from coven.package.archive import is_descriptor, pack_csar
from coven.package.csar.pack import Options
from tests.rigs.csar_rig import Authority, author, edited, members, zipped

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / "build" / "tacker"
VERSION = "16.0.0"
SECONDS = 120.0

pytestmark = pytest.mark.long


def installed() -> Path:
    """The Python with Tacker."""
    python, done = HOME / "venv" / "bin" / "python", HOME / f"installed-{VERSION}"
    if not done.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"tacker=={VERSION}"], check=True)
        done.touch()
    return python


class Vnfm:
    def __init__(self, folder: Path):
        folder.mkdir()
        self.log = folder.parent / "tacker.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(installed()), str(ROOT / "tests" / "rigs" / "tacker_vnfm.py"), str(folder)],
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving "), self.log.read_text()[-4000:]
        _, self.url, self.cloud = line.split()

    def ask(self, method: str, path: str, body: Any = None, data: bytes | None = None) -> tuple[int, Any]:
        url = path if path.startswith("http") else self.url + path
        headers = {"Version": "2.0.0", "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/zip"
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, data, headers, method=method), timeout=SECONDS
            ) as answer:
                text = answer.read()
                place = answer.headers.get("Location")
                return answer.status, {"place": place} if place and not text else json.loads(text or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def until(self, path: str, key: str, *ends: str) -> Any:
        limit = time.monotonic() + SECONDS
        while time.monotonic() < limit:
            status, found = self.ask("GET", path)
            assert status == 200, found
            if found[key] in ends:
                return found
            time.sleep(0.1)
        raise AssertionError((found, self.log.read_text()[-4000:]))

    def onboard(self, csar: bytes) -> Any:
        """The package as Tacker has it in the end."""
        status, made = self.ask("POST", "/vnfpkgm/v1/vnf_packages", {"userDefinedData": {}})
        assert status == 201, made
        path = f"/vnfpkgm/v1/vnf_packages/{made['id']}"
        status, said = self.ask("PUT", f"{path}/package_content", data=csar)
        assert status == 202, said
        return self.until(path, "onboardingState", "ONBOARDED", "CREATED")

    def operate(self, path: str, body: Any) -> Any:
        status, begun = self.ask("POST", path, body)
        assert status == 202, begun
        return self.until(begun["place"], "operationState", "COMPLETED", "FAILED_TEMP", "FAILED", "ROLLED_BACK")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def vnfm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vnfm]:
    vnfm = Vnfm(tmp_path_factory.mktemp("vnfm") / "state")
    yield vnfm
    vnfm.close()


@pytest.fixture
def agent() -> Iterator[tuple[str, list[tuple[str, str, str | None, Any]]]]:
    """What the VNF's agent would be: where it is, and what it was asked for."""
    asked: list[tuple[str, str, str | None, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.command, self.path, self.headers.get("Authorization"), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def instantiation(vnfm: Vnfm, additional: dict[str, Any]) -> dict[str, Any]:
    return {
        "flavourId": "default",
        "extVirtualLinks": [
            {"id": f"link-{name}", "resourceId": f"network-{name}",
             "extCps": [{"cpdId": f"{name}_cp", "cpConfig": {"one": {"cpProtocolData": [
                 {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": {"ipAddresses": [
                     {"type": "IPV4", "numDynamicAddresses": 1}]}}]}}}]}
            for name in ("in", "out", "management")
        ],
        "vimConnectionInfo": {"vim": {
            "vimId": "0e7de9a5-ef15-4b59-a1c8-8fd4bb7a2f14", "vimType": "ETSINFV.OPENSTACK_KEYSTONE.V_3",
            "interfaceInfo": {"endpoint": f"{vnfm.cloud}/v3"},
            "accessInfo": {"username": "u", "password": "p", "project": "p", "region": "one", "userDomain": "Default",
                           "projectDomain": "Default"}}},
        "additionalParams": additional,
    }  # fmt: skip


def test_onboarded_instantiated_terminated_deleted(
    vnfm: Vnfm, tmp_path: Path, agent: tuple[str, list[tuple[str, str, str | None, Any]]]
) -> None:
    url, asked = agent
    image = tmp_path / "appliance.qcow2"
    image.write_bytes(bytes(1000))
    signer = Authority(tmp_path / "authority").signer()
    options = Options(image=image, hot=True, signer=signer)
    csar = pack_csar(author(tmp_path / "package"), options)
    package = vnfm.onboard(csar)
    assert package["onboardingState"] == "ONBOARDED", vnfm.log.read_text()[-4000:]
    assert package["vnfdId"] == "24022763-0290-532e-bbd9-1b1178cff351"
    assert (package["vnfProvider"], package["vnfProductName"]) == ("Acme", "fire wall")
    assert (package["vnfSoftwareVersion"], package["vnfdVersion"]) == ("1.0", "1.0")

    status, vnf = vnfm.ask("POST", "/vnflcm/v2/vnf_instances", {"vnfdId": package["vnfdId"], "vnfInstanceName": "fw"})
    assert (status, vnf["instantiationState"]) == (201, "NOT_INSTANTIATED"), vnf
    path = f"/vnflcm/v2/vnf_instances/{vnf['id']}"
    wanted = {"filter": {"block": [23, 25]}}
    additional = {"agent": url, "token": "secret", "configuration": wanted}
    done = vnfm.operate(f"{path}/instantiate", instantiation(vnfm, additional))
    assert done["operationState"] == "COMPLETED", (done.get("error"), vnfm.log.read_text()[-4000:])
    _, vnf = vnfm.ask("GET", path)
    assert vnf["instantiationState"] == "INSTANTIATED"
    [vnfc] = vnf["instantiatedVnfInfo"]["vnfcResourceInfo"]
    assert vnfc["vduId"] == "appliance"
    assert {each["cpdId"] for each in vnfc["vnfcCpInfo"]} == {"in_cp", "out_cp", "management_cp"}
    _, stacks = vnfm.ask("GET", f"{vnfm.cloud}/asked")
    nfv = stacks[-1]["parameters"]["nfv"]
    assert {name: each["network"] for name, each in nfv["CP"].items()} == {
        f"{name}_cp": f"network-{name}" for name in ("in", "out", "management")
    }
    assert nfv["VDU"]["appliance"]["vcImageId"] == "appliance"
    # what runs after an instantiation gives the VNF its configuration
    assert asked == [("PATCH", "/vnfconfig/v1/configuration", "Bearer secret",
                      {"vnfConfigurationData": {"vnfSpecificData": wanted}})]  # fmt: skip

    done = vnfm.operate(f"{path}/terminate", {"terminationType": "FORCEFUL"})
    assert done["operationState"] == "COMPLETED", (done.get("error"), vnfm.log.read_text()[-4000:])
    assert vnfm.ask("DELETE", path) == (204, None)
    assert vnfm.ask("GET", path)[0] == 404


def test_without_a_configuration_there_is_nothing_to_do(vnfm: Vnfm, tmp_path: Path) -> None:
    folder = author(tmp_path / "package")
    (folder / "vnf.yaml").write_text((folder / "vnf.yaml").read_text().replace('"1.0"', '"2.0"'))
    package = vnfm.onboard(pack_csar(folder, Options(hot=True)))
    assert package["onboardingState"] == "ONBOARDED", vnfm.log.read_text()[-4000:]
    _, vnf = vnfm.ask("POST", "/vnflcm/v2/vnf_instances", {"vnfdId": package["vnfdId"]})
    path = f"/vnflcm/v2/vnf_instances/{vnf['id']}"
    done = vnfm.operate(f"{path}/instantiate", instantiation(vnfm, {}))
    assert done["operationState"] == "COMPLETED", (done.get("error"), vnfm.log.read_text()[-4000:])
    assert vnfm.operate(f"{path}/terminate", {"terminationType": "FORCEFUL"})["operationState"] == "COMPLETED"


def test_every_example_is_onboarded(vnfm: Vnfm) -> None:
    descriptors = sorted(path for path in (ROOT / "packages").glob("*/*.yaml") if is_descriptor(path))
    states = {
        f"{path.parent.name}/{path.name}": vnfm.onboard(pack_csar(path, Options(hot=True)))["onboardingState"]
        for path in descriptors
    }
    assert len(states) == 21 and set(states.values()) == {"ONBOARDED"}, states


def test_a_package_with_a_wrong_digest_is_refused(vnfm: Vnfm, tmp_path: Path) -> None:
    """So that its taking the good one means something."""
    files = members(pack_csar(author(tmp_path / "package")))
    bad = zipped(edited(files, "ChangeLog.txt", lambda text: text + "more\n"))
    assert vnfm.onboard(bad)["onboardingState"] == "CREATED"
