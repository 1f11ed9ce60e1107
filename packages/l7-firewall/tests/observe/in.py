"""The same packets as in the case `skype`."""

import runpy
from pathlib import Path

packets = runpy.run_path(str(Path(__file__).parent.parent / "skype" / "in.py"))["packets"]
