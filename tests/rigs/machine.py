"""The appliance image under qemu without KVM: a management interface by user networking, `in` and `out` as taps in the
namespaces of a client and a server, a serial console whose lines are kept, the power to be cut."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coven.cli.client import Address, Client
from coven.lab.network import ADDRESS, Place
from itf.mistakes import Refused
from tests.rigs import metadata

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x400454CA, 0x0002, 0x1000, 0x4000, 0x0100
#: by which the user-data of the tests may mean them: in the order of PCI addresses, management first
MACS = {"management": "52:54:00:20:00:01", "in": "52:54:00:20:00:02", "out": "52:54:00:20:00:03"}
IMAGE = os.environ.get("COVEN_IMAGE", "")
needs_image = pytest.mark.skipif(not IMAGE, reason="no image: make test-image builds it and runs this")
#: as Nova lists ports (network_data.json), those of the VNF without a fixed address
NETWORKS: dict[str, Any] = {
    "links": [
        {"id": f"tap-{name}", "vif_id": f"vif-{name}", "type": "ovs", "mtu": 1500, "ethernet_mac_address": mac}
        for name, mac in MACS.items()
    ],
    "networks": [{"id": "network0", "type": "ipv4_dhcp", "link": "tap-management", "network_id": "n-1"}],
    "services": [],
}
BOOT_SECONDS = 900  #: without KVM, on a core that others use, too
TAP = "eth0"


def tap(place: Place, queues: int) -> list[int]:
    """A tap in a namespace, with offloads; its descriptors, one for each queue."""
    libc = ctypes.CDLL(None, use_errno=True)
    found: list[int] = []

    def inside() -> None:  # a thread has a namespace of its own
        with open(f"/proc/{place.pid}/ns/net") as space:
            if libc.setns(space.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if queues > 1 else 0)
        for _ in range(queues):
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", TAP.encode(), flags))
            found.append(fd)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert len(found) == queues, f"no tap in {place.name}"
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def fat(file: Path, label: str, contents: dict[str, bytes], size: int = 16 << 20) -> Path:
    """A disk that is one FAT file system."""
    with file.open("wb") as stream:
        stream.truncate(size)
    subprocess.run(["/usr/sbin/mkfs.vfat", "-n", label, file], check=True, capture_output=True)
    folders = {f"::{parent}": None for name in contents for parent in reversed(Path(name).parents[:-1])}
    for folder in folders:
        subprocess.run(["mmd", "-i", file, folder], check=True)
    for name, content in contents.items():
        subprocess.run(["mcopy", "-i", file, "-", f"::{name}"], input=content, check=True)
    return file


class Machine:
    """One appliance with so many processors, and as many queues of each interface that is a VNF's. Its disks stay when
    the power is cut."""

    def __init__(self, folder: Path, image: Path, processors: int = 1):
        self.folder, self.processors = folder, processors
        self.places = {name: Place(name) for name in ("client", "server")}
        self.process: subprocess.Popen[bytes] | None = None
        self.disks: list[Path] = []
        self.options: list[str] = []
        self.network = ""  #: of the management interface: more options
        self.console = ""
        self.token = "a-token-for-tests-only"
        self.boot_disk(image)
        self.key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        for name, place in self.places.items():
            place.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", check=False)
            self._tap(name)

    def boot_disk(self, image: Path, name: str = "disk") -> None:
        """A disk that begins as the image and is 2 GiB large takes the first place."""
        disk = self.folder / f"{name}.qcow2"
        words = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.resolve()), "-F", "qcow2", disk, "2G"]
        subprocess.run([str(word) for word in words], check=True)
        self.disks.insert(0, disk)

    def firmware(self, folder: Path = Path("/usr/share/OVMF")) -> None:
        """From now on it boots with UEFI."""
        variables = self.folder / "variables.fd"
        shutil.copy(folder / "OVMF_VARS_4M.fd", variables)
        for file, options in ((folder / "OVMF_CODE_4M.fd", ",readonly=on"), (variables, "")):
            self.options += ["-drive", f"if=pflash,format=raw,file={file}{options}"]

    def _tap(self, name: str) -> None:
        place = self.places[name]
        self.taps = {**getattr(self, "taps", {}), name: tap(place, self.processors)}
        place.run("ip", "addr", "add", f"{ADDRESS[name]}/24", "dev", TAP)
        place.run("ip", "link", "set", TAP, "up")

    def _tap_fds(self) -> list[int]:
        return [fd for fds in self.taps.values() for fd in fds]

    def seed(self, user_data: str) -> None:
        """What cloud-init is to find, as NoCloud wants it."""
        key = self.key.with_suffix(".pub").read_text().strip()
        text = user_data.replace("SSH_KEY", key).replace("TOKEN", self.token)
        about = "instance-id: i-1\nlocal-hostname: vnf\n"
        self._disk(fat(self.folder / "seed.img", "CIDATA", {"user-data": text.encode(), "meta-data": about.encode()}))

    def openstack(self, user_data: str, **more: bytes) -> dict[str, bytes]:
        """What OpenStack tells a machine, by path, the key beside the user-data. `more`: other files."""
        key = self.key.with_suffix(".pub").read_text().strip()
        about = {"uuid": "5e1a7c52-0001-4000-8000-000000000001", "hostname": "vnf", "name": "vnf",
                 "public_keys": {"mine": key}}  # fmt: skip
        said = {"meta_data.json": json.dumps(about), "network_data.json": json.dumps(NETWORKS),
                "user_data": user_data.replace("TOKEN", self.token)}  # fmt: skip
        return {**{f"openstack/latest/{name}": text.encode() for name, text in said.items()}, **more}

    def config_drive(self, user_data: str, **more: bytes) -> None:
        """OpenStack tells it by a disk (Nova's documentation, "Config drives")."""
        self._disk(fat(self.folder / "seed.img", "config-2", self.openstack(user_data, **more)))

    def metadata_service(self, user_data: str) -> None:
        """OpenStack tells it over HTTP at 169.254.169.254 (Nova's documentation, "Metadata service"): whoever asks
        there is answered by a process of metadata.py."""
        served = self.folder / "metadata"
        for name, content in self.openstack(user_data).items():
            (served / name).parent.mkdir(parents=True, exist_ok=True)
            (served / name).write_bytes(content)
        answer = shlex.join([sys.executable, metadata.__file__, str(served)]).replace(",", ",,")
        self.network = (",net=169.254.169.0/24,host=169.254.169.2,dns=169.254.169.3,dhcpstart=169.254.169.15"
                        f",guestfwd=tcp:169.254.169.254:80-cmd:{answer}")  # fmt: skip
        self.options += ["-smbios", "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova"]

    def _disk(self, file: Path) -> None:
        self.options += ["-drive", f"file={file},if=virtio,format=raw,readonly=on"]

    def power_on(self) -> None:
        self.ports = {"api": free_port(), "ssh": free_port()}
        forwards = f"hostfwd=tcp:127.0.0.1:{self.ports['api']}-:8443,hostfwd=tcp:127.0.0.1:{self.ports['ssh']}-:22"
        words = [
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", str(self.processors),
            "-m", "1024", "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio",
            "-monitor", f"unix:{self.folder / 'monitor'},server=on,wait=off",
            "-netdev", f"user,id=management,ipv6=off,restrict=on{self.network},{forwards}",
            "-device", f"virtio-net-pci,netdev=management,mac={MACS['management']},addr=3",
        ]  # fmt: skip
        for number, (port, end) in enumerate((("in", "client"), ("out", "server"))):
            words += ["-netdev", f"tap,id={port},fds={':'.join(map(str, self.taps[end]))}"]
            # a vector for each queue's two directions, one for configuration, one for control
            several = f",mq=on,vectors={2 * self.processors + 2}" if self.processors > 1 else ""
            words += ["-device", f"virtio-net-pci,netdev={port},mac={MACS[port]},addr={4 + number}{several}"]
        for number, disk in enumerate(self.disks):
            words += ["-drive", f"file={disk},if=none,id=disk{number},format=qcow2,cache=writeback"]
            words += ["-device", f"virtio-blk-pci,drive=disk{number},bootindex={number}"]
        words += self.options
        self.console = ""
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=self._tap_fds(),
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with (self.folder / "console.log").open("ab") as log:
            while data := process.stdout.read1(4096):  # type: ignore[attr-defined]
                log.write(data)
                log.flush()
                self.console += data.decode(errors="replace")

    def said(self, pattern: str, seconds: float = BOOT_SECONDS) -> re.Match[str]:
        """Wait until the console has said it."""
        until = time.monotonic() + seconds
        while not (found := re.search(pattern, self.console)):
            assert self.process is not None and self.process.poll() is None, f"qemu ended: {self.console[-2000:]}"
            assert time.monotonic() < until, f"no {pattern} on the console: {self.console[-3000:]}"
            time.sleep(0.2)
        return found

    def api(self) -> Client:
        """The API, trusted by the fingerprint that the console told."""
        fingerprint = self.said(r"certificate SHA-256 ([0-9a-f]{64})")[1]
        client = Client(Address(f"https://127.0.0.1:{self.ports['api']}", self.token, fingerprint))

        def answers() -> bool:
            try:
                return bool(client.get("/v1/agent"))
            except Refused:
                return False

        self.eventually(answers, "an answer of the API")
        return client

    def eventually(self, so: Callable[[], Any], what: str, seconds: float = BOOT_SECONDS) -> Any:
        until = time.monotonic() + seconds
        while not (found := so()):
            assert time.monotonic() < until, f"no {what}; the console: {self.console[-3000:]}"
            time.sleep(0.5)
        return found

    def ssh(self, command: str, check: bool = True) -> str:
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes",
                   "ConnectTimeout=60"]  # fmt: skip
        words = ["ssh", "-i", str(self.key), "-p", str(self.ports["ssh"]), *(f"-o{each}" for each in options)]
        done = subprocess.run([*words, "admin@127.0.0.1", command], capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def cut_power(self) -> None:
        """Nothing is told to the machine, nothing is written any more that it has not handed to its disk."""
        if self.process is None:
            return
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.folder / "monitor"))
            monitor.sendall(b"quit\n")
            self.process.wait(30)
        self._reader.join()
        self.process = None

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for fd in self._tap_fds():
            os.close(fd)
        for place in self.places.values():
            place.close()


@contextmanager
def machine_of(name: str, factory: pytest.TempPathFactory, processors: int = 1) -> Iterator[Machine]:
    """One with the image, not powered on yet; its folder is COVEN_IMAGE_LOGS/NAME, where that is said."""
    logs = os.environ.get("COVEN_IMAGE_LOGS")
    folder = Path(logs, name) if logs else factory.mktemp(name)
    folder.mkdir(parents=True, exist_ok=True)
    machine = Machine(folder, Path(IMAGE), processors)
    try:
        yield machine
    finally:
        machine.close()
