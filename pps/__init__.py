"""Languages: how a VNFC is built, confined and run. A folder a language, with `framework.py` and its host in C.

May import `itf`. Begin with `framework.py` (what a language is), `host/` (the loop of every host), `c/` (the smallest
language); a new one is a folder and a line in `frameworks.py`.
"""
