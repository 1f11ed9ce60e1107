"""The `coven` command. May import everything. Begin with `parser.py`, then `commands.py`."""
