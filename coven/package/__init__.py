"""VNF packages: what `vnf.yaml` says and where it is wrong; archives, ETSI's among them; scaffolds.

Nothing here runs anything of a package. May import `base`, `pps`, `itf`. Begin with `descriptor.py`, which reads, and
`model.py`, what is read; `csar/` is SOL004 and SOL001.
"""
