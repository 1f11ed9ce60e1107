"""The page: static files, sessions that begin with a token, and one stream of what it shows."""
