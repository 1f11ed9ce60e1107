"""The same packets for another configuration."""

import runpy
from pathlib import Path

packets = runpy.run_path(str(Path(__file__).parent.parent / "default" / "in.py"))["packets"]
