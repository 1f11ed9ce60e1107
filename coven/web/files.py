"""The page's files, as they are served: with a digest, by which a browser asks whether they are still the same, and
headers that let the page do nothing but what it needs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pps.framework import build_folder

STATIC = Path(__file__).parent / "static"
CHARTS = ("uPlot.esm.js", "uPlot.min.css")  #: of npm's uPlot, which set-up brings
MEDIA = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}  # fmt: skip

#: Nothing from elsewhere, nothing inline, and no text that becomes markup, whatever packets, logs and names say.
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "worker-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", "trusted-types coven",
))  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}  # fmt: skip


@dataclass(frozen=True)
class File:
    data: bytes
    media: str

    @property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()[:32]}"'


def files() -> dict[str, File]:
    """All of them, by the name after /page/."""
    found = {str(path.relative_to(STATIC)): path for path in STATIC.rglob("*") if path.suffix in MEDIA}
    charts = {name: build_folder() / name for name in CHARTS}
    found |= {f"charts/{name}": path for name, path in charts.items() if path.is_file()}
    served = {name: File(path.read_bytes(), MEDIA[path.suffix]) for name, path in found.items()}
    # the page asks in any case, and a 404 is a fault to who looks for them
    served.setdefault(f"charts/{CHARTS[0]}", File(b"export default null;\n", MEDIA[".js"]))
    return served
