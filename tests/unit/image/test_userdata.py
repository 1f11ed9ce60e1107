"""What user-data says to an appliance: what can be gone by is, what is wrong is told with its place."""

from __future__ import annotations

import base64
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from coven.image.boot import user_data
from coven.image.userdata import OnDisk, Vnf, Wanted, wanted

PACKAGE = base64.b64encode(b"PK\3\4 and more").decode()


def read(text: str) -> tuple[Wanted, list[str]]:
    found, mistakes = wanted(text.encode(), "user-data")
    return found, [str(mistake) for mistake in mistakes]


def test_everything_that_can_be_said() -> None:
    found, wrong = read(f"""#cloud-config
ssh_authorized_keys: [ssh-ed25519 AAAA]
coven:
  port: 443
  management: 52:54:00:00:00:01
  certificate: |
    -----BEGIN CERTIFICATE-----
  key: |
    -----BEGIN PRIVATE KEY-----
  token: sixteen-characters
  vnf:
    name: fw
    package: {PACKAGE}
    ports: {{in: 1, out: "52:54:00:00:00:03"}}
    config: {{filter: {{observe: true}}}}
""")
    assert wrong == []
    vnf = Vnf(b"PK\3\4 and more", "fw", {"in": 1, "out": "52:54:00:00:00:03"}, {"filter": {"observe": True}})
    assert found == Wanted(443, "52:54:00:00:00:01", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n",
                           "sixteen-characters", vnf)  # fmt: skip


def test_a_package_on_a_disk_and_one_in_several_lines() -> None:
    found, wrong = read("coven: {vnf: {package: {disk: cidata, file: a/fw.csar}}}")
    assert wrong == [] and found.vnf == Vnf(OnDisk("cidata", "a/fw.csar"))
    found, wrong = read(f"coven:\n  vnf:\n    package: |\n      {PACKAGE[:8]}\n      {PACKAGE[8:]}\n")
    assert wrong == [] and found.vnf == Vnf(b"PK\3\4 and more")


def test_nothing_for_us_is_nothing_wrong() -> None:
    assert read("#cloud-config\npackages: [vim]\n") == (Wanted(), [])


def test_everything_wrong_is_told_at_once_and_the_rest_holds() -> None:
    found, wrong = read("""#cloud-config
coven:
  port: 0
  management: true
  certificate: nonsense
  token: short
  prot: 1
  vnf:
    name: Not A Name
    package: "*"
    ports: {in: -1}
    more: 1
""")
    assert found == Wanted()
    assert [line.partition(": found")[0] for line in wrong] == [
        "user-data:7:3: coven.prot", "user-data:3:9: coven.port", "user-data:4:15: coven.management",
        "user-data:5:16: coven.certificate", "user-data:5:16: coven.key", "user-data:6:10: coven.token",
        "user-data:12:5: coven.vnf.more", "user-data:9:11: coven.vnf.name", "user-data:10:14: coven.vnf.package",
        "user-data:11:17: coven.vnf.ports.in",
    ]  # fmt: skip
    found, wrong = read("coven: {token: sixteen-characters, vnf: {ports: {in: 1}}}")
    assert found == Wanted(token="sixteen-characters") and len(wrong) == 1 and "coven.vnf.package" in wrong[0]
    assert read("coven: {vnf: {package: {disk: d, file: ../../etc/shadow}}}")[0] == Wanted()


def test_what_is_no_map_and_no_yaml() -> None:
    for text in ("- a\n", "coven: [", "a: b: c", "coven: 5"):
        found, wrong = read(text)
        assert found == Wanted() and wrong


@given(st.binary(max_size=200))
def test_nothing_makes_it_fail(text: bytes) -> None:
    found, mistakes = wanted(b"coven: " + text, "user-data")
    assert isinstance(found, Wanted) and all(str(mistake) for mistake in mistakes)


def test_which_file_of_cloud_init_is_read(tmp_path: Path) -> None:
    assert user_data(tmp_path) == (Wanted(), [])
    (tmp_path / "cloud-config.txt").write_text("#cloud-config\n\ncoven: {port: 444}\n")
    (tmp_path / "user-data.txt").write_text("")
    assert user_data(tmp_path) == (Wanted(), [])
    (tmp_path / "user-data.txt").write_text("Content-Type: multipart/mixed; ...")
    assert user_data(tmp_path) == (Wanted(444), [])
    (tmp_path / "user-data.txt").write_text("#cloud-config\ncoven: {port: 445}\n")
    assert user_data(tmp_path) == (Wanted(445), [])
