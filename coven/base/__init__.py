"""What everything above speaks with and stands on: YAML and JSON, places on disk, the terminal, refusals as RFC 7807.

Knows nothing of VNFs. May import `itf`.
"""
