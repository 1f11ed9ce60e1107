"""The rules of SOL004 that reading a package goes by, and what becomes of one that is broken.

docs/packages.md shows this table; a test holds the two together. Clauses are of ETSI GS NFV-SOL 004 V2.7.1 unless
another document is named; *onboarding* is what VNFMs and validators in use were seen to refuse.
"""

from __future__ import annotations

from dataclasses import dataclass

from coven.errors import MOST, Mistake

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


def _table(*rows: Rule) -> dict[str, Rule]:
    return {row.id: row for row in rows}


RULES = _table(
    # TOSCA.meta, or what stands in for it
    Rule("meta-line", "4.1.2", "TOSCA.meta holds `key: value` lines in UTF-8, each key once"),
    Rule("meta-version", "4.1.2", "TOSCA-Meta-File-Version is 1.0", lenient=WARNED),
    Rule("meta-csar-version", "4.1.2", "CSAR-Version is 1.0 or 1.1", lenient=WARNED),
    Rule("meta-created-by", "4.1.2", "Created-By is there", lenient=WARNED),
    Rule("meta-definitions", "4.1.2", "Entry-Definitions names the VNFD"),
    Rule("meta-manifest", "4.1.2", "ETSI-Entry-Manifest (to 2.5.1 Entry-Manifest) names a .mf file"),
    Rule("meta-change-log", "4.3.3", "ETSI-Entry-Change-Log names the change history", lenient=WARNED),
    Rule("meta-licenses", "4.3.5", "ETSI-Entry-Licenses names the licensing information", lenient=WARNED),
    Rule("meta-target", "4.1.2", "what an entry names is in the package"),
    Rule("meta-prefix", "4.1.2", "all entries of ETSI begin with `Entry-`, or all with `ETSI-Entry-`", lenient=WARNED),
    Rule("root-definitions", "4.1.3", "without TOSCA-Metadata: one YAML file at the root, the VNFD"),
    Rule("root-manifest", "4.1.3", "without TOSCA-Metadata: a .mf of the VNFD's base name beside it"),
    Rule("manifest-name", "onboarding", "manifest and VNFD have one base name", lenient=WARNED),
    # the descriptor
    Rule("vnfd-yaml", "SOL001 5", "the VNFD is YAML, a map with tosca_definitions_version"),
    Rule("vnfd-node", "SOL001 6.8.1", "a node type is derived from tosca.nodes.nfv.VNF or PNF", lenient=WARNED),
    Rule("vnfd-import", "SOL001 5", "files that it imports are in the package; nothing is fetched"),
    # the manifest's metadata
    Rule("metadata-first", "4.3.2", "the manifest begins with `metadata:`"),
    Rule("metadata-key", "4.3.2", "only keys of the standard, each once", lenient=WARNED),
    Rule("metadata-mixed", "4.3.2", "keys of a VNF or of a PNF, not both"),
    Rule("metadata-missing", "4.3.2", "four keys to 2.6.1, eight with compatible_specification_versions",
         lenient=WARNED),
    Rule("metadata-time", "4.3.2", "times are as RFC 3339 has them", lenient=WARNED),
    Rule("metadata-agrees", "4.3.2", "identity, provider, name and versions are those of the VNFD", lenient=WARNED),
    # the manifest's body
    Rule("line", "5.3", "every line is one of the manifest's, in UTF-8"),
    Rule("crlf", "5.3", "lines end with LF", lenient=WARNED),
    Rule("indented", "5.3", "lines of a file begin at its margin", lenient=WARNED),
    Rule("key-case", "5.3", "`Source`, `Algorithm`, `Hash`, `Signature`, `Certificate` are spelt so", lenient=WARNED),
    Rule("space", "5.3", "a space follows the colon", lenient=WARNED),
    Rule("order", "5.3", "Algorithm, then Hash; Signature, then Certificate", lenient=WARNED),
    Rule("blank-line", "5.3", "a blank line separates files", lenient=WARNED),
    Rule("incomplete", "5.3", "a file has Source, Algorithm and Hash"),
    Rule("algorithm", "5.3", "the digest is SHA-256 or SHA-512"),
    Rule("algorithm-case", "5.3", "it is spelt SHA-256 or SHA-512", lenient=WARNED),
    Rule("hash", "5.3", "the digest is that of the file"),
    Rule("hash-case", "onboarding", "digests are in small letters", lenient=WARNED),
    Rule("listed-twice", "5.3", "every file is listed once"),
    Rule("listed-itself", "5.3", "the manifest does not list itself", lenient=WARNED),
    Rule("listed-absent", "5.3", "every listed file is there"),
    Rule("unlisted", "5.3", "every file is listed"),
    Rule("undigested", "5.3", "every file has a digest (in a signed package under either)", lenient=WARNED),
    Rule("path", "5.3", "paths lead to files of the package"),
    Rule("scheme", "5.3", "what is not in the package has an http or https URI, never file:"),
    Rule("remote", "5.3", "what is elsewhere is neither fetched nor checked", strict=WARNED, lenient=WARNED),
    Rule("set-name", "4.3.7", "non-MANO artifact sets have names in small letters", lenient=WARNED),
    Rule("set-empty", "4.3.7", "a non-MANO artifact set is not empty", lenient=WARNED),
    # security
    Rule("cms-last", "5.3", "at most one CMS, and nothing after it"),
    Rule("certificate-twice", "5.1", "the certificate is in the CMS or named by ETSI-Entry-Certificate, not both"),
    Rule("certificate-none", "5.1", "the certificate is there"),
    Rule("certificate-stray", "4.3.6", "a certificate at the root is one that TOSCA.meta names", lenient=WARNED),
    Rule("cms-none", "5.1", "a certificate, or digests with signatures, come with a CMS"),
    Rule("outer-files", "5.1", "an outer zip holds NAME.csar, NAME.cms, perhaps NAME.cert, and nothing else"),
    Rule("outer-names", "5.1", "the files of an outer zip have one base name", lenient=WARNED),
    Rule("signature", "5.1", "every signature fits what it signs, with SHA-256 or better"),
    Rule("chain", "5.1", "the certificate leads to one that the operator trusts"),
    Rule("validity", "5.1", "certificates are valid at the time"),
    Rule("key-usage", "5.1", "the certificate may sign packages"),
    Rule("unsigned", "5.1", "a package is signed", strict=WARNED, lenient=WARNED),
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
        mistake = Mistake(file=place, line=line, field=rule, found=found, expected=row.what, remedy=remedy)
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
