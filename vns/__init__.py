"""Ports: a backend is NAME.c, the stage in the forwarder, and NAME.py, how the keeper opens and restores it.

Here interfaces of the machine are changed, each change journalled before it is made. May import `itf`. Begin with
`af_packet.py` and `af_packet.c`; a new backend is two such files and a line in `coven/stages.c`.
"""
