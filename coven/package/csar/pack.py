"""`coven pack`: a CSAR of a package. Equal content, equal bytes, unless it is signed."""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from coven.package.csar import hot, manifest, meta, sign, vnfd
from coven.package.csar.sign import Signer
from coven.package.descriptor import DESCRIPTOR
from coven.package.model import Descriptor
from coven.package.zips import Member, write_zip
from itf.mistakes import Mistake, Refused

PAYLOAD = "Artifacts/coven"  #: the package as its author has it
SET = "prv.coven.package"  #: its non-MANO artifact set; private ones begin with `prv.`
CHANGES, LICENSES = "ChangeLog.txt", "Licenses"
SCRIPTS = Path(__file__).with_name("scripts")
_CHANGES = re.compile(r"(changelog|changes|news)(\.(md|txt|rst))?", re.IGNORECASE)
_LICENSES = re.compile(r"(licen[cs]e|copying|notice)([.-].*)?", re.IGNORECASE)
_QCOW = struct.Struct(">4sIQIIQ")  #: magic, version, backing file's offset and length, cluster bits, size


@dataclass(frozen=True)
class Options:
    image: Path | None = None  #: of the appliance; it is described, not packed
    hot: bool = False  #: with BaseHOT/, for OpenStack-style VNFMs
    agent_port: int = vnfd.AGENT_PORT
    signer: Signer | None = None
    outer: bool = False  #: sign from outside (option 2) instead of in the manifest


def lacking(descriptor: Descriptor) -> list[Mistake]:
    """What a descriptor must say before it can become a CSAR."""
    mistakes = []
    if descriptor.provider == "unknown":
        remedy = "add provider: the name of whoever makes it"
        mistakes.append(Mistake(file=descriptor.file, field="provider", found="nothing", expected="a provider",
                                remedy=remedy))  # fmt: skip
    if descriptor.license is None:
        remedy = "add license: an SPDX expression such as MIT"
        mistakes.append(Mistake(file=descriptor.file, field="license", found="nothing", expected="a license",
                                remedy=remedy))  # fmt: skip
    return mistakes


def released(descriptor: Descriptor, newest: float) -> str:
    """vnf_release_date_time: of SOURCE_DATE_EPOCH, the descriptor, or the newest file."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None and descriptor.released is not None:
        return descriptor.released
    if epoch is not None and not re.fullmatch(r"[0-9]{1,11}", epoch):
        raise Refused(Mistake(field="SOURCE_DATE_EPOCH", found=ascii(epoch)[:40], expected="seconds since 1970"),
                      title="not packed")  # fmt: skip
    moment = int(epoch) if epoch is not None else int(newest)
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_image(path: Path, descriptor: Descriptor) -> vnfd.Image:
    """Name, size, format and digest of an image file. Raises Refused."""
    try:
        with path.open("rb") as file:
            head = file.read(_QCOW.size)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise Refused(Mistake.of(error, file=str(path), field="--image", expected="an image file"),
                      title="not packed") from None  # fmt: skip
    qcow = len(head) == _QCOW.size and head[:4] == b"QFI\xfb"
    disk = _QCOW.unpack(head)[5] if qcow else size
    return vnfd.Image(path.stem, descriptor.version, "sha-256", digest, size, "qcow2" if qcow else "raw", disk)


def build(descriptor: Descriptor, files: Mapping[str, Path], newest: float, options: Options) -> bytes:
    """The CSAR of a package whose `files` are called so in it; an outer zip when it is signed from outside.

    Raises Refused.
    """
    if mistakes := lacking(descriptor):
        raise Refused(mistakes, title="not packed")
    name = descriptor.name
    image = describe_image(options.image, descriptor) if options.image else None
    members = _members(descriptor, files, options, image)
    when = released(descriptor, newest)
    members.setdefault(CHANGES, Member(f"{descriptor.product} {descriptor.version}, {when}\n".encode()))
    inside = options.signer if not options.outer else None
    entries = {
        "Definitions": f"{vnfd.FOLDER}/{name}.yaml", "Manifest": f"{name}.mf", "Change-Log": CHANGES,
        "Licenses": LICENSES,
    }  # fmt: skip
    if any(member.startswith(f"{PAYLOAD}/tests/") for member in members):
        entries["Tests"] = f"{PAYLOAD}/tests"
    if inside is not None and inside.beside:
        entries["Certificate"] = f"{name}.cert"
        members[f"{name}.cert"] = Member(sign.certificate(inside))
    members[meta.FILE] = Member(meta.write(entries, descriptor.provider))
    text = manifest.write(
        _metadata(descriptor, when),
        [(file, "SHA-256", hashlib.sha256(member.data).hexdigest()) for file, member in sorted(members.items())],
        {SET: sorted(file for file in members if file.startswith(f"{PAYLOAD}/"))},
    )
    if inside is not None:
        text += sign.sign(text, inside)
    members[f"{name}.mf"] = Member(text)
    # those who read a package in one go begin with TOSCA.meta
    order = sorted(members, key=lambda member: (member != meta.FILE, member))
    csar = write_zip({member: members[member] for member in order})
    if options.signer is None or not options.outer:
        return csar
    stem = f"{name}-{descriptor.version}"
    outside = {f"{stem}.csar": Member(csar), f"{stem}.cms": Member(sign.sign(csar, options.signer))}
    if options.signer.beside:
        outside[f"{stem}.cert"] = Member(sign.certificate(options.signer))
    return write_zip(outside)


def _metadata(descriptor: Descriptor, when: str) -> dict[str, str]:
    return {
        "vnfd_id": descriptor.vnfd_id,
        "vnf_provider_id": descriptor.provider,
        "vnf_product_name": descriptor.product,
        "vnf_software_version": descriptor.version,
        "vnf_package_version": descriptor.version,
        "vnf_release_date_time": when,
        "vnfm_info": vnfd.VNFM,
        "compatible_specification_versions": manifest.RELEASE,
    }


def _members(
    descriptor: Descriptor, files: Mapping[str, Path], options: Options, image: vnfd.Image | None
) -> dict[str, Member]:
    """Everything but what tells of everything: TOSCA.meta and the manifest."""
    tree = vnfd.generate(descriptor, image=image, agent_port=options.agent_port)
    license = f"SPDX-License-Identifier: {descriptor.license}\n"
    members = {
        f"{vnfd.FOLDER}/{descriptor.name}.yaml": Member(vnfd.dump(tree)),
        **{f"{vnfd.FOLDER}/{file}": Member((vnfd.TYPES / file).read_bytes()) for file in vnfd.TYPE_FILES},
        vnfd.SCRIPT: Member((SCRIPTS / "configure.py").read_bytes(), executable=True),
        f"{LICENSES}/license.txt": Member(license.encode()),
    }
    if options.hot:
        members[hot.file(descriptor)] = Member(vnfd.dump(hot.generate(descriptor, image is not None)))
    if odd := [file for file in files if any(part != part.strip() for part in file.split("/"))]:
        expected = "a name that a manifest can list"
        raise Refused([Mistake(file=str(files[file]), found="a blank at an end of its name", expected=expected,
                               remedy="rename it") for file in odd], title="not packed")  # fmt: skip
    for file, path in files.items():
        member = Member.of(path)
        members[f"{PAYLOAD}/{file}"] = member
        if "/" not in file and file != DESCRIPTOR and _LICENSES.fullmatch(file):
            members[f"{LICENSES}/{file}"] = member
        elif "/" not in file and _CHANGES.fullmatch(file):
            members[CHANGES] = member
    return members
