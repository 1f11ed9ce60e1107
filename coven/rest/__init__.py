"""HTTP: routes as a table, the schemas that are published and that judge requests, answers. May import `agent`.

Begin with `api.py`; `openapi.py` has the schemas, `routes.py` says what a route is.
"""
