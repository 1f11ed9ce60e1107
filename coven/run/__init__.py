"""A VNF in the foreground, without an agent: `coven run`, `--watch`, `--explain`; captures for tests of packages.

May import `keeper`. Begin with `foreground.py`.
"""
