"""Long answers in pages: the next one is where `Link` says (SOL013 5.4.2, alternative 2).

The marker names the last item that was sent, so that items which come or go between two pages neither hide others nor
show them twice.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from itf.mistakes import Kind, Mistake, Refused

MARKER = "nextpage_opaque_marker"
PAGE = 100  #: items


def page(
    items: Sequence[Mapping[str, Any]], marker: str | None, size: int = PAGE
) -> tuple[list[Mapping[str, Any]], str | None]:
    """The items of a page, by `id`, and the marker of the next one if there is one.

    Raises Refused with 400 for a marker that is none of ours."""
    after = None if marker is None else _read(marker)
    left = sorted((item for item in items if after is None or item["id"] > after), key=lambda item: str(item["id"]))
    shown = left[:size]
    return shown, _written(shown[-1]["id"]) if len(left) > size else None


def link(url: str, query: Sequence[tuple[str, str]], marker: str) -> str:
    """The header that leads from a page to the next one (RFC 8288); `url` without its query."""
    kept = [(name, value) for name, value in query if name != MARKER]
    return f'<{url}?{urlencode([*kept, (MARKER, marker)])}>; rel="next"'


def _written(identity: str) -> str:
    return base64.urlsafe_b64encode(identity.encode()).decode().rstrip("=")


def _read(marker: str) -> str:
    try:
        raw = base64.b64decode(marker + "=" * (-len(marker) % 4), altchars=b"-_", validate=True)
        text = raw.decode()
    except (binascii.Error, UnicodeError, ValueError):
        text = ""
    if not text or _written(text) != marker:
        mistake = Mistake(field=MARKER, found=marker[:60], expected="a marker out of a Link header")
        raise Refused(mistake, title="no such page", kind=Kind.UNREADABLE)
    return text
