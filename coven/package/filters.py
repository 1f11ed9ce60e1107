"""pcap-filter expressions as classic BPF, compiled by libpcap for the two kinds of packet there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cffi

from coven.package.filter_words import refuse_names, refuse_tags
from itf.segment import C

Instruction = tuple[int, int, int, int]  #: code, jt, jf, k

_ffi = cffi.FFI()
_ffi.cdef(
    """
    struct bpf_insn { unsigned short code; unsigned char jt, jf; unsigned int k; };
    struct bpf_program { unsigned int bf_len; struct bpf_insn *bf_insns; };
    typedef ... pcap_t;
    pcap_t *pcap_open_dead(int linktype, int snaplen);
    int pcap_compile(pcap_t *, struct bpf_program *, const char *, int optimize, unsigned int netmask);
    char *pcap_geterr(pcap_t *);
    void pcap_freecode(struct bpf_program *);
    void pcap_close(pcap_t *);
    unsigned int bpf_filter(const struct bpf_insn *, const unsigned char *, unsigned int, unsigned int);
    """
)
_DLT_EN10MB, _DLT_RAW = 1, 12
_NETMASK_UNKNOWN = 0xFFFFFFFF
_SNAPLEN = 65535
NEVER: tuple[Instruction, ...] = ((0x06, 0, 0, 0),)  #: `ret #0`


@dataclass(frozen=True)
class Match:
    """What matches Ethernet frames, and what matches bare IP packets."""

    ethernet: tuple[Instruction, ...]
    ip: tuple[Instruction, ...]


ASKED_MOST = 1000  #: characters


@lru_cache(maxsize=1)
def _libpcap() -> Any:
    return _ffi.dlopen("libpcap.so.0.8")


def _compile(link_type: int, expression: str) -> tuple[Instruction, ...]:
    lib = _libpcap()
    handle = lib.pcap_open_dead(link_type, _SNAPLEN)
    if handle == _ffi.NULL:
        raise MemoryError
    program = _ffi.new("struct bpf_program *")
    try:
        if lib.pcap_compile(handle, program, expression.encode(), 1, _NETMASK_UNKNOWN) < 0:
            raise ValueError(_ffi.string(lib.pcap_geterr(handle)).decode("utf-8", "replace"))
        cells = [program.bf_insns[i] for i in range(program.bf_len)]
        code = tuple((cell.code, cell.jt, cell.jf, cell.k) for cell in cells)
        lib.pcap_freecode(program)
        return code
    finally:
        lib.pcap_close(handle)


@lru_cache(maxsize=256)
def compile_match(expression: str) -> Match:
    """Raises ValueError with libpcap's own words for what is no pcap-filter expression, with ours for names of hosts
    and networks, and for tags (`filter_words.Tagged`, which has a remedy).

    One that means nothing for packets without an Ethernet header (`ether host`, `arp`) never matches those.
    """
    if "\0" in expression:
        raise ValueError("a NUL byte")
    refuse_names(expression)
    refuse_tags(expression)
    ethernet = _compile(_DLT_EN10MB, expression)
    try:
        ip = _compile(_DLT_RAW, expression)
    except ValueError:
        ip = NEVER
    return Match(ethernet, ip)


def compile_asked(expression: str) -> Match:
    """The same of what somebody asks of a running VNF, whose keeper has others to answer: libpcap takes seconds for
    thousands of characters."""
    if len(expression) > ASKED_MOST:
        raise ValueError(f"{len(expression)} characters, at most {ASKED_MOST} here")
    return compile_match(expression)


def matches(expression: str, frame: bytes, link: int = C.LINK_ETHERNET) -> bool:
    """Whether a frame (by default of Ethernet) matches. Raises ValueError like `compile_match`."""
    compiled = compile_match(expression)
    program = compiled.ethernet if link == C.LINK_ETHERNET else compiled.ip if link == C.LINK_IP else NEVER
    cells = [{"code": c, "jt": jt, "jf": jf, "k": k} for c, jt, jf, k in program]
    code = _ffi.new("struct bpf_insn[]", cells)
    return bool(_libpcap().bpf_filter(code, frame, len(frame), len(frame)))
