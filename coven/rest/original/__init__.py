"""The management interface of the original COVEN prototype, so that what was written for it drives this agent
(docs/coven.md).

`codes.py` what its calls answer, `shelf.py` its packages, `script.py` its YAML, `translation.py` that as a package of
ours, `platform.py` what the calls mean, `http.py` and `words.py` its two wires.
"""
