"""Test cases of packages, and what `coven check` finds without a packet. May import `run`. Begin with `runner.py`."""
