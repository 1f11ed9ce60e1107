"""The same packets, for a queue that does not hold them all."""

import runpy
from pathlib import Path

packets = runpy.run_path(str(Path(__file__).parent.parent / "shaped" / "in.py"))["packets"]
