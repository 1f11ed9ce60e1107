"""What is made for people and programs out of what the segment says: packets' fates in words, summaries of packets.

Reads only. May import `itf`. Begin with `explain.py`.
"""
