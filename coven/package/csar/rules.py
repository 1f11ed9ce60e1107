"""The rules of SOL004 that reading a package goes by, and what becomes of one that is broken.

docs/packages.md shows this table; a test holds the two together. Clauses are of ETSI GS NFV-SOL 004 V2.7.1 unless
another document is named; *onboarding* is what VNFMs and validators in use were seen to refuse.
"""

from __future__ import annotations

from dataclasses import dataclass

from itf.mistakes import MOST, Mistake

#: what is remembered of one package; more than one is told at once, so that the number of all is told, too
REMEMBERED = 20 * MOST
REFUSED, WARNED = "refused", "warned"


@dataclass(frozen=True)
class Rule:
    id: str  #: also the `field` of mistakes, and the name of the test's package with this one fault
    clause: str
    what: str  #: what must hold
    strict: str = REFUSED
    lenient: str = REFUSED
    remedy: str = ""  #: unless more is known where it is found


def _table(*rows: Rule) -> dict[str, Rule]:
    return {row.id: row for row in rows}


RULES = _table(
    # TOSCA.meta, or what stands in for it
    Rule("meta-line", "4.1.2", "TOSCA.meta holds `key: value` lines in UTF-8, each key once",
         remedy="write each line as key: value"),
    Rule("meta-version", "4.1.2", "TOSCA-Meta-File-Version is 1.0", lenient=WARNED,
         remedy="TOSCA-Meta-File-Version: 1.0"),
    Rule("meta-csar-version", "4.1.2", "CSAR-Version is 1.0 or 1.1", lenient=WARNED, remedy="CSAR-Version: 1.1"),
    Rule("meta-created-by", "4.1.2", "Created-By is there", lenient=WARNED, remedy="add Created-By: with who made it"),
    Rule("meta-definitions", "4.1.2", "Entry-Definitions names the VNFD",
         remedy="add Entry-Definitions: Definitions/NAME.yaml"),
    Rule("meta-manifest", "4.1.2", "ETSI-Entry-Manifest (to 2.5.1 Entry-Manifest) names a .mf file",
         remedy="add ETSI-Entry-Manifest: NAME.mf"),
    Rule("meta-change-log", "4.3.3", "ETSI-Entry-Change-Log names the change history", lenient=WARNED,
         remedy="add ETSI-Entry-Change-Log:"),
    Rule("meta-licenses", "4.3.5", "ETSI-Entry-Licenses names the licensing information", lenient=WARNED,
         remedy="add ETSI-Entry-Licenses:"),
    Rule("meta-target", "4.1.2", "what an entry names is in the package",
         remedy="name a file of the package, or put it in"),
    Rule("meta-prefix", "4.1.2", "all entries of ETSI begin with `Entry-`, or all with `ETSI-Entry-`", lenient=WARNED,
         remedy="from 2.6.1 on it is ETSI-Entry-"),
    Rule("root-definitions", "4.1.3", "without TOSCA-Metadata: one YAML file at the root, the VNFD",
         remedy="leave one there, or add TOSCA-Metadata/TOSCA.meta"),
    Rule("root-manifest", "4.1.3", "without TOSCA-Metadata: a .mf of the VNFD's base name beside it",
         remedy="call it as the VNFD, with .mf"),
    Rule("manifest-name", "onboarding", "manifest and VNFD have one base name", lenient=WARNED,
         remedy="rename one of them"),
    # the descriptor
    Rule("vnfd-yaml", "SOL001 5", "the VNFD is YAML, a map with tosca_definitions_version",
         remedy="is it the file that was meant?"),
    Rule("vnfd-node", "SOL001 6.8.1", "a node type is derived from tosca.nodes.nfv.VNF or PNF", lenient=WARNED,
         remedy="derive the node type of the VNF or PNF"),
    Rule("vnfd-import", "SOL001 5", "files that it imports are in the package; nothing is fetched",
         remedy="put the file into the package"),
    # the manifest's metadata
    Rule("metadata-first", "4.3.2", "the manifest begins with `metadata:`", remedy="begin with metadata: and its keys"),
    Rule("metadata-key", "4.3.2", "only keys of the standard, each once", lenient=WARNED, remedy="leave it out"),
    Rule("metadata-mixed", "4.3.2", "keys of a VNF or of a PNF, not both", remedy="leave those of the other kind out"),
    Rule("metadata-missing", "4.3.2", "four keys to 2.6.1, eight with compatible_specification_versions",
         lenient=WARNED, remedy="add it"),
    Rule("metadata-time", "4.3.2", "times are as RFC 3339 has them", lenient=WARNED,
         remedy="for example 2026-01-31T12:00:00Z"),
    Rule("metadata-agrees", "4.3.2", "identity, provider, name and versions are those of the VNFD", lenient=WARNED,
         remedy="make both say the same"),
    # the manifest's body
    Rule("line", "5.3", "every line is one of the manifest's, in UTF-8", remedy="leave it out"),
    Rule("crlf", "5.3", "lines end with LF", lenient=WARNED, remedy="write it with LF alone"),
    Rule("indented", "5.3", "lines of a file begin at its margin", lenient=WARNED, remedy="begin at the margin"),
    Rule("key-case", "5.3", "`Source`, `Algorithm`, `Hash`, `Signature`, `Certificate` are spelt so", lenient=WARNED,
         remedy="with a capital first letter"),
    Rule("space", "5.3", "a space follows the colon", lenient=WARNED, remedy="put a space behind the colon"),
    Rule("order", "5.3", "Algorithm, then Hash; Signature, then Certificate", lenient=WARNED,
         remedy="change their order"),
    Rule("blank-line", "5.3", "a blank line separates files", lenient=WARNED, remedy="put a blank line before Source"),
    Rule("incomplete", "5.3", "a file has Source, Algorithm and Hash", remedy="add what lacks"),
    Rule("algorithm", "5.3", "the digest is SHA-256 or SHA-512", remedy="use SHA-256"),
    Rule("algorithm-case", "5.3", "it is spelt SHA-256 or SHA-512", lenient=WARNED, remedy="SHA-256 or SHA-512"),
    Rule("hash", "5.3", "the digest is that of the file", remedy="compute it again; was the file changed?"),
    Rule("hash-case", "onboarding", "digests are in small letters", lenient=WARNED, remedy="write it in small letters"),
    Rule("listed-twice", "5.3", "every file is listed once", remedy="leave one out"),
    Rule("listed-itself", "5.3", "the manifest does not list itself", lenient=WARNED, remedy="leave it out"),
    Rule("listed-absent", "5.3", "every listed file is there", remedy="put the file in, or take it off the list"),
    Rule("unlisted", "5.3", "every file is listed", remedy="list it, or leave it out"),
    Rule("undigested", "5.3", "every file has a digest (in a signed package under either)", lenient=WARNED,
         remedy="add Algorithm and Hash"),
    Rule("path", "5.3", "paths lead to files of the package", remedy="name it from the package's root"),
    Rule("scheme", "5.3", "what is not in the package has an http or https URI, never file:",
         remedy="put the file into the package"),
    Rule("remote", "5.3", "what is elsewhere is neither fetched nor checked", strict=WARNED, lenient=WARNED,
         remedy="put the file into the package, to have it checked"),
    Rule("set-name", "4.3.7", "non-MANO artifact sets have names in small letters", lenient=WARNED,
         remedy="small letters, digits, . - and _"),
    Rule("set-empty", "4.3.7", "a non-MANO artifact set is not empty", lenient=WARNED, remedy="leave the set out"),
    # security
    Rule("cms-last", "5.3", "at most one CMS, and nothing after it", remedy="sign again"),
    Rule("certificate-twice", "5.1", "the certificate is in the CMS or named by ETSI-Entry-Certificate, not both",
         remedy="leave it in one of them"),
    Rule("certificate-none", "5.1", "the certificate is there", remedy="sign again with the certificate"),
    Rule("certificate-stray", "4.3.6", "a certificate at the root is one that TOSCA.meta names, or called as the VNFD",
         lenient=WARNED, remedy="name it with ETSI-Entry-Certificate:, or leave it out"),
    Rule("cms-none", "5.1", "a certificate, or digests with signatures, come with a CMS",
         remedy="sign the manifest, or leave that out"),
    Rule("outer-files", "5.1", "an outer zip holds NAME.csar, NAME.cms, perhaps NAME.cert, and nothing else",
         remedy="leave it out"),
    Rule("outer-names", "5.1", "the files of an outer zip have one base name", lenient=WARNED, remedy="rename them"),
    Rule("signature", "5.1", "every signature fits what it signs, with SHA-256 or better",
         remedy="sign again: was it changed afterwards?"),
    Rule("chain", "5.1", "the certificate leads to one that the operator trusts",
         remedy="trust its CA: trust_anchors in coven.yaml, or --trust FILE"),
    Rule("validity", "5.1", "certificates are valid at the time",
         remedy="ask the provider for a package that is signed anew"),
    Rule("key-usage", "5.1", "the certificate may sign packages", remedy="sign with a certificate for signatures"),
    Rule("unsigned", "5.1", "a package is signed", strict=WARNED, lenient=WARNED, remedy="coven pack --sign signs one"),
)


class Findings:
    """What one package breaks. `mistakes` refuse it, `warnings` do not."""

    def __init__(self, label: str, strict: bool = False):
        self.label = label
        self.strict = strict
        self.mistakes: list[Mistake] = []
        self.warnings: list[Mistake] = []
        self.tolerated: list[str] = []  #: the rules that only lenient reading takes

    def broken(
        self,
        rule: str,
        file: str | None = None,
        line: int | None = None,
        *,
        found: str,
        remedy: str | None = None,
        refuse: bool = False,
    ) -> None:
        """One rule, broken at a place. `refuse`: whatever the table says."""
        row = RULES[rule]
        place = f"{self.label}:{file}" if file else self.label
        mistake = Mistake(
            file=place, line=line, field=rule, found=found, expected=row.what, remedy=remedy or row.remedy
        )
        what = REFUSED if refuse else row.strict if self.strict else row.lenient
        if what == REFUSED:
            if len(self.mistakes) < REMEMBERED:
                self.mistakes.append(mistake)
            return
        if len(self.warnings) < MOST:
            self.warnings.append(mistake)
        if row.strict == REFUSED and rule not in self.tolerated:
            self.tolerated.append(rule)

    @property
    def reading(self) -> str:
        """How it had to be read."""
        return "lenient" if self.tolerated else "strict"
