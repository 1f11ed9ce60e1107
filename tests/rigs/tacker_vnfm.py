"""OpenStack Tacker as a VNFM in one process: API and conductor over an in-memory database and `fake://` messaging,
without authentication. Keystone and Heat are stubs here: they say yes, and remember the stack.

Run by the Python of the environment that Tacker is installed in: `python tests/rigs/tacker_vnfm.py FOLDER`. Prints
its URL and that of the stub when it serves; what Heat was asked for is in GET STUB/asked.
"""

# ruff: noqa: E402 - nothing may be imported before eventlet has patched it
import eventlet

eventlet.monkey_patch()

import json
import sys
import time
import uuid
from pathlib import Path

import eventlet.wsgi

# the stubs


class Cloud:
    """Keystone's password authentication, and as much of Heat as an instantiation needs."""

    def __init__(self):
        self.stacks = {}
        self.asked = []
        self.url = ""

    def __call__(self, environ, start):
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(length)) if length else {}
        status, answer, headers = self.answer(method, path, body)
        start(status, [("Content-Type", "application/json"), *headers])
        return [json.dumps(answer).encode() if answer is not None else b""]

    def answer(self, method, path, body):
        if path == "/v3":
            links = [{"rel": "self", "href": self.url + "/v3"}]
            return "200 OK", {"version": {"id": "v3.14", "status": "stable", "links": links}}, []
        if path == "/v3/auth/tokens":
            ends = [{"interface": "public", "region": "one", "region_id": "one", "url": self.url + "/heat"}]
            catalog = [{"type": "orchestration", "name": "heat", "endpoints": ends}]
            token = {"catalog": catalog, "expires_at": "2100-01-01T00:00:00.000000Z", "methods": ["password"],
                     "issued_at": "2026-01-01T00:00:00.000000Z", "project": {"id": "p", "name": "p"},
                     "user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}}}  # fmt: skip
            return "201 Created", {"token": token}, [("X-Subject-Token", "token")]
        if path == "/asked":
            return "200 OK", self.asked, []
        parts = path.strip("/").split("/")[1:]
        if method == "POST" and parts == ["stacks"]:
            self.asked.append(body)
            self.stacks[body["stack_name"]] = {**body, "id": str(uuid.uuid4())}
            return "201 Created", {"stack": {"id": self.stacks[body["stack_name"]]["id"]}}, []
        stack = self.stacks.get(parts[1])
        if stack is None:
            return "404 Not Found", {"error": "no such stack"}, []
        if method == "DELETE":
            del self.stacks[parts[1]]
            return "204 No Content", None, []
        if parts[-1] == "resources":
            return "200 OK", {"resources": self.resources(stack)}, []
        facts = {"id": stack["id"], "stack_status": "CREATE_COMPLETE", "stack_status_reason": "",
                 "parameters": {key: json.dumps(each) for key, each in stack["parameters"].items()}}  # fmt: skip
        return "200 OK", {"stack": facts}, []

    def resources(self, stack):
        import yaml

        href = f"{self.url}/heat/stacks/{stack['stack_name']}/{stack['id']}"
        return [
            {"resource_name": name, "resource_type": each["type"], "physical_resource_id": f"{stack['id']}-{name}",
             "resource_status": "CREATE_COMPLETE", "creation_time": "2026-01-01T00:00:00Z", "required_by": [],
             "links": [{"rel": "stack", "href": href}]}
            for name, each in yaml.safe_load(stack["template"])["resources"].items()
        ]  # fmt: skip


# the VNFM


def configuration(folder, port):
    file = folder / "tacker.conf"
    paste = Path(sys.prefix) / "etc" / "tacker" / "api-paste.ini"
    for name in ("csar", "store", "keys", "locks"):
        (folder / name).mkdir()
    file.write_text(f"""[DEFAULT]
auth_strategy = noauth
bind_host = 127.0.0.1
bind_port = {port}
api_paste_config = {paste}
transport_url = fake://
state_path = {folder}
use_stderr = true
[database]
connection = sqlite://
[oslo_concurrency]
lock_path = {folder}/locks
[vnf_package]
vnf_package_csar_path = {folder}/csar
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = {folder}/store
[coordination]
backend_url = file://{folder}/locks
[vim_keys]
openstack = {folder}/keys
[vnf_lcm]
endpoint_url = http://127.0.0.1:{port}
[v2_vnfm]
endpoint = http://127.0.0.1:{port}
default_graceful_termination_timeout = 0
[v2_nfvo]
use_external_nfvo = false
""")
    return file


def listen():
    return eventlet.listen(("127.0.0.1", 0))


def main(folder):
    cloud, socket = Cloud(), listen()
    cloud.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
    eventlet.spawn(eventlet.wsgi.server, socket, cloud, log_output=False)
    free = listen()
    port = free.getsockname()[1]
    free.close()

    from tacker import context, objects, service
    from tacker.common import config, topics
    from tacker.db import api as db
    from tacker.db import model_base
    from tacker.db.db_sqlalchemy import models
    from tacker.db.migration.models import head
    from tacker.sol_refactored import objects as sol_objects

    config.init(["--config-file", str(configuration(folder, port))])
    objects.register_all()
    sol_objects.register_all()
    assert models and head  # what they define is in BASE
    model_base.BASE.metadata.create_all(db.get_engine())
    # what polls a real cloud need not be waited for here
    from tacker.sol_refactored.infra_drivers.openstack import heat_utils

    heat_utils.CHECK_INTERVAL = 0.05
    conductor = service.Service.create(
        binary="tacker-conductor", topic=topics.TOPIC_CONDUCTOR,
        manager="tacker.conductor.conductor_server.Conductor", host="here",
    )  # fmt: skip
    conductor.start()
    # its own pipeline without authentication leaves out whom a request is from
    load = config.load_paste_app

    def everybody_is_admin(name):
        app = load(name)

        def answer(environ, start):
            environ["tacker.context"] = context.Context("u", str(uuid.UUID(int=1)), is_admin=True, roles=["admin"])
            return app(environ, start)

        return answer

    config.load_paste_app = everybody_is_admin
    api = service.serve_wsgi(service.TackerApiService)
    api.start()
    print(f"serving http://127.0.0.1:{port} {cloud.url}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
