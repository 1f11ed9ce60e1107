"""Gives a VNF its configuration after it was instantiated: PATCH /vnfconfig/v1/configuration (SOL002 9).

A VNFM runs this for `instantiate_end` with the parameters of the request: the address of the VNF's agent, the token,
the configuration. They come as JSON or as Tacker pickles them on standard input, or in environment variables of
their names. Without an address or a configuration there is nothing to do. Needs Python's standard library alone.
"""

from __future__ import annotations

import json
import os
import pickle
import ssl
import sys
import urllib.error
import urllib.request
from typing import Any

NAMES = ("agent", "token", "ca", "configuration")
TIMEOUT = 30  # seconds


def parameters(given: bytes) -> dict[str, Any]:
    """The additional parameters of an instantiation request, whoever hands it over."""
    found: dict[str, Any] = {name: os.environ[name] for name in NAMES if name in os.environ}
    if not given:
        return found
    try:
        request = json.loads(given)
    except ValueError:
        # Tacker's own way; what it pickles comes from the VNFM that runs this
        inputs = pickle.loads(given)
        request = inputs["request"]
        request = request.to_dict() if hasattr(request, "to_dict") else request
    if isinstance(request, dict):
        found.update(request.get("additionalParams") or request.get("additional_parameters") or request)
    return found


def configure(agent: str, token: str | None, ca: str | None, configuration: Any) -> int:
    if isinstance(configuration, str):
        configuration = json.loads(configuration)
    body = json.dumps({"vnfConfigurationData": {"vnfSpecificData": configuration}}).encode()
    headers = {"Content-Type": "application/merge-patch+json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    url = agent.rstrip("/") + "/vnfconfig/v1/configuration"
    request = urllib.request.Request(url, body, headers, method="PATCH")
    context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:
        return int(answer.status)


def main() -> int:
    pickled = not sys.stdin.isatty()
    found = parameters(sys.stdin.buffer.read() if pickled else b"")
    if found.get("agent") and found.get("configuration"):
        try:
            configure(found["agent"], found.get("token"), found.get("ca"), found["configuration"])
        except urllib.error.HTTPError as error:
            print("the agent answers", error.code, error.read().decode(errors="replace")[:500], file=sys.stderr)
            return 1
        except (OSError, ValueError) as error:
            print("not configured:", error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
