"""The Management Agent: packages, VNFs and operations in a store, and a keeper for each VNF that is instantiated.

May import `package` and the doors of `keeper`; touches no interface itself. Begin with `lifecycle.py`, what may be
asked and when; `operations.py`, how that is carried out and rolled back; `store.py`, its memory.
"""
