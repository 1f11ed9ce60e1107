"""The client sits behind `out`, the other side behind `in`: nothing may depend on the port of arrival."""

import runpy
from pathlib import Path

client_and_node = runpy.run_path(str(Path(__file__).parent.parent / "skype" / "in.py"))["packets"]


def packets():
    return client_and_node(near="out", far="in")
