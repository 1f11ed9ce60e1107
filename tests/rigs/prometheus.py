"""Prometheus as Debian packages it, out of build/prometheus, where `make setup-dev` puts it: nothing of it is
installed, and nothing started but by a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pps.framework import build_folder

MONITORING = Path(__file__).resolve().parents[2] / "docs" / "monitoring"
PORT = 9090
_GET = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())"

FOLDER = Path(os.environ.get("COVEN_PROMETHEUS", build_folder() / "prometheus"))
PROMETHEUS, PROMTOOL = FOLDER / "usr" / "bin" / "prometheus", FOLDER / "usr" / "bin" / "promtool"


class Server:
    """A Prometheus that scrapes `target` each second, in a folder of its own. `inside`: words before its command, as
    those that bring it into a namespace; its port is then nobody else's."""

    def __init__(self, folder: Path, target: str, token: Path, inside: list[str]):
        self.inside = inside
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        folder.mkdir()
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(MONITORING / "alerts.yaml")],
            "scrape_configs": [{
                "job_name": "coven", "authorization": {"credentials_file": str(token)},
                "static_configs": [{"targets": [target]}],
            }],
        }  # fmt: skip
        (folder / "prometheus.yaml").write_text(json.dumps(config))

    def __enter__(self) -> Server:
        words = [f"--config.file={self._folder / 'prometheus.yaml'}", f"--storage.tsdb.path={self._folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{PORT}", "--log.level=warn"]  # fmt: skip
        with (self._folder / "log").open("wb") as log:
            self.process = subprocess.Popen([*self.inside, str(PROMETHEUS), *words], stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def ask(self, path: str, **query: str) -> Any:
        """The data of an answer; None while it does not answer."""
        assert self.process is not None and self.process.poll() is None, self.log()
        address = f"http://127.0.0.1:{PORT}/api/v1/{path}?{urlencode(query)}"
        done = subprocess.run([*self.inside, sys.executable, "-c", _GET, address], capture_output=True, text=True)
        if done.returncode:
            return None
        answer = json.loads(done.stdout)
        assert answer["status"] == "success", (path, query, answer)
        return answer["data"]

    def query(self, text: str) -> dict[frozenset[tuple[str, str]], float]:
        """A query's samples by their labels; without any while it does not answer."""
        found = (self.ask("query", query=text) or {"result": []})["result"]
        drop = {"__name__", "instance", "job"}
        return {frozenset((k, v) for k, v in each["metric"].items() if k not in drop): float(each["value"][1])
                for each in found}  # fmt: skip
