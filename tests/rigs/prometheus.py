"""Prometheus as Debian packages it, out of build/prometheus, where `make setup-dev` puts it: nothing of it is
installed, and nothing started but by a test."""

from __future__ import annotations

import os
from pathlib import Path

from pps.framework import build_folder

FOLDER = Path(os.environ.get("COVEN_PROMETHEUS", build_folder() / "prometheus"))
PROMETHEUS, PROMTOOL = FOLDER / "usr" / "bin" / "prometheus", FOLDER / "usr" / "bin" / "promtool"
