"""The packets of `passes`; what the component keeps to itself is dropped when its time is over."""

import runpy
from pathlib import Path

packets = runpy.run_path(str(Path(__file__).parent.parent / "passes" / "in.py"))["packets"]
