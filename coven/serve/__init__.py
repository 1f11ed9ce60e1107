"""The server around the API: waitress, TLS, limits of connections. May import `rest`. Begin with `server.py`."""
