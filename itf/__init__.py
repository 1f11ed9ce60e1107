"""The ground: the segment's layout, rings, the forwarder, how packets are read; mistakes and limits by name.

Knows nothing of VNFs, packages or languages, and imports nothing of ours. Begin with `segment.h`, every shared struct,
then `ring.h`, `stage.h`, `forwarder.c`; in Python with `segment.py` and `mistakes.py`.
"""
