"""A network of namespaces to try packages in, its exercises, and the demo. May import `cases`.

Begin with `network.py`.
"""
