"""CSARs at the agent: taken in, named in the answer, foreign ones refused when they are to run. Fake keepers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from coven.package.archive import pack, pack_csar
from coven.package.csar.pack import Options
from tests.rigs.agent import ROOT, Agent
from tests.rigs.csar_rig import Authority, author, edited, members, zipped
from tests.unit.package.test_csar_read import FOUR, PNF, PNF_TYPES, PNFD, package

PORTS = {"in": {"interface": "eth1"}, "out": {"interface": "eth2"}}


def test_whole_life(agent: Agent, tmp_path: Path) -> None:
    folder = author(tmp_path / "package")
    status, made = agent.ask("POST", "/v1/packages", data=pack_csar(folder))
    assert (status, made["id"], made["vnfd_id"]) == (201, "fw:1.0", "24022763-0290-532e-bbd9-1b1178cff351")
    assert (made["csar"]["kind"], made["csar"]["foreign"], made["csar"]["reading"]) == ("VNF", False, "strict")
    assert made["csar"]["metadata"]["vnf_product_name"] == "fire wall" and made["csar"]["signature"] is None
    assert [warning["field"] for warning in made["csar"]["warnings"]] == ["unsigned"]
    # the same package, whatever it comes in
    status, again = agent.ask("POST", "/v1/packages", data=pack(folder))
    assert (status, again["id"], again["csar"]) == (200, "fw:1.0", None)
    assert agent.ask("GET", "/v1/packages/fw:1.0")[1] == made
    kept = list((agent.state / "packages").iterdir())
    assert len(kept) == 1 and {path.name for path in kept[0].iterdir()} == {
        "vnf.yaml", "filter.py", "filter.schema.json", "tests"}  # fmt: skip
    assert agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw:1.0"})[0] == 201
    assert agent.operate("fw", "instantiate", {"ports": PORTS})["state"] == "COMPLETED"
    assert agent.operate("fw", "terminate")["state"] == "COMPLETED"
    assert agent.ask("DELETE", "/v1/vnfs/fw")[0] == agent.ask("DELETE", "/v1/packages/fw:1.0")[0] == 204
    assert not any((agent.state / "packages").iterdir())


def test_lenient_reading_is_named(agent: Agent, tmp_path: Path) -> None:
    files = members(pack_csar(author(tmp_path / "package")))
    untidy = zipped(edited(files, "fw.mf", lambda text: text.replace("\n", "\r\n")))
    status, made = agent.ask("POST", "/v1/packages", data=untidy)
    assert (status, made["csar"]["reading"]) == (201, "lenient")
    assert "crlf" in [warning["field"] for warning in made["csar"]["warnings"]]


def test_all_faults_are_answered(agent: Agent, tmp_path: Path) -> None:
    files = members(pack_csar(author(tmp_path / "package")))
    bad = edited(files, "fw.mf", lambda text: text.replace("Hash: ", "Hash: 0").replace("metadata:", "metadata"))
    status, problem = agent.ask("POST", "/v1/packages", data=zipped({**bad, "more": b""}))
    assert (status, problem["title"]) == (422, "package refused")
    fields = [error["field"] for error in problem["errors"]]
    assert fields.count("hash") == len(files) - 1 and {"line", "metadata-first", "unlisted"} <= set(fields)
    assert all(error["file"].startswith("package:") and error["expected"] for error in problem["errors"])
    assert not any((agent.state / "packages").iterdir())


def test_foreign_packages(agent: Agent) -> None:
    for files, name, kind in (
        (package(FOUR), "Router", "VNF"), (package(PNF, vnfd=PNFD, types=PNF_TYPES), "Antenna", "PNF"),
    ):  # fmt: skip
        status, made = agent.ask("POST", "/v1/packages", data=zipped(files))
        assert (status, made["id"], made["provider"]) == (201, f"{name}:1.0", "Acme")
        assert (made["csar"]["foreign"], made["csar"]["kind"]) == (True, kind)
        assert agent.ask("POST", "/v1/packages", data=zipped(files))[0] == 200
        vnf = name.lower()
        assert agent.ask("POST", "/v1/vnfs", {"name": vnf, "package": f"{name}:1.0"})[0] == 201
        status, problem = agent.ask("POST", f"/v1/vnfs/{vnf}/instantiate", {"ports": PORTS})
        assert status == 422 and problem["title"] == "a foreign package"
        assert f"the {kind} {name} 1.0 of Acme" in problem["detail"] and "a VNFM for it" in problem["detail"]
        assert agent.ask("GET", f"/v1/vnfs/{vnf}/config")[0] == 422
        assert agent.ask("DELETE", f"/v1/vnfs/{vnf}")[0] == 204
        assert agent.ask("DELETE", f"/v1/packages/{name}:1.0")[0] == 204
    assert not any((agent.state / "packages").iterdir())


def test_push_and_deploy(agent: Agent, tmp_path: Path) -> None:
    def coven(*words: str) -> tuple[int, str, str]:
        environment = {**os.environ, "COVEN_STATE": str(agent.state), "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-m", "coven", *words], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, timeout=300)  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    author(tmp_path / "package")
    assert coven("pack", "package")[1].startswith("fw-1.0.csar: ")
    status, out, err = coven("push", "fw-1.0.csar")
    assert status == 0 and out.splitlines()[-1].endswith("strict reading") and "no signature" in out, err
    assert coven("deploy", "fw-1.0.csar", "--in", "eth1", "--out", "eth2")[1] == "fw is STARTED (fw:1.0)\n"
    (tmp_path / "router.csar").write_bytes(zipped(package(FOUR)))
    assert coven("push", "router.csar")[0] == 0
    status, _, err = coven("run", "router.csar", "--in", "eth1")
    assert status == 1 and "the VNF Router 1.0 of Acme" in err


def test_an_agent_that_wants_signatures(tmp_path: Path) -> None:
    """`coven serve` with an operator's policy."""
    authority = Authority(tmp_path / "authority")
    signer = authority.signer()
    config = tmp_path / "coven.yaml"
    config.write_text(f"package_signatures: required\ntrust_anchors: [{authority.certificate}]\n")
    folder = author(tmp_path / "package")
    environment = {**os.environ, "COVEN_CONFIG": str(config), "PYTHONPATH": str(ROOT)}
    state = tmp_path / "state"
    with subprocess.Popen(
        [sys.executable, "-m", "coven", "serve", "--state", str(state), "--listen", "127.0.0.1:0"], cwd=ROOT,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as serving:  # fmt: skip
        agent = Agent(state)
        try:
            assert serving.stdout is not None
            agent.url = serving.stdout.readline().split()[1].rstrip(",")
            for data, expected in (
                (pack(folder), 422), (pack_csar(folder), 422),
                (pack_csar(folder, Options(signer=Authority(tmp_path / "other").signer())), 422),
                (pack_csar(folder, Options(signer=signer, outer=True)), 201),
                (pack_csar(folder, Options(signer=signer)), 200),
            ):  # fmt: skip
                status, answer = agent.ask("POST", "/v1/packages", data=data)
                assert status == expected, answer
            # who pushes need not trust the signer: that is the agent's affair
            (tmp_path / "fw.csar").write_bytes(pack_csar(folder, Options(signer=signer)))
            pushed = subprocess.run(
                [sys.executable, "-m", "coven", "push", str(tmp_path / "fw.csar"), "--state", str(state)], cwd=ROOT,
                env={**environment, "COVEN_CONFIG": "/nonexistent"}, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            assert pushed.returncode == 0, pushed.stderr
            assert answer["csar"]["signature"] == {"option": 1, "verified": True, "signers": ["CN=provider,O=Acme"]}
        finally:
            serving.terminate()
            assert serving.wait(60) == 0
