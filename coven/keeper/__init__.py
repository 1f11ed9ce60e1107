"""One running VNF and the process that holds it: segment, ports, forwarder, hosts.

May import `package`, `pps`, `vns`, `nshp`, `agents`; others see of it `client`, `plan`, `events`, `recovery`. Begin
with `main.py`, its operations, and `life/vnf.py`, its states; then `forwarder/running.py`, `hosts/running.py` and
`ports/running.py`.
"""
