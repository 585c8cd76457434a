"""A small Hugging Face hub on this machine, as far as making a repository and committing files goes, safetensors by
Git LFS: what huggingface_hub's own client sends is taken apart, and kept."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

COMMIT = "0" * 40


class Hub(NamedTuple):
    """A running hub: its repositories as they were asked for, the files committed, the keys that came along."""

    url: str
    made: list[dict[str, Any]]
    files: dict[str, bytes]
    keys: set[str]
    paths: list[str]
    large: dict[str, bytes]
    """Contents that came by LFS, by their SHA-256 in hexadecimal."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    wanted_key: str
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({}, 404)

    def do_POST(self) -> None:
        body = self._body()
        self.hub.keys.add(self.headers.get("Authorization", ""))
        self.hub.paths.append(self.path)
        if self.headers.get("Authorization") != f"Bearer {self.wanted_key}":
            self._answer({"error": "Invalid credentials in Authorization header"}, 401)
        elif self.path == "/api/repos/create":
            self.hub.made.append(json.loads(body))
            self._answer({"url": f"{self.hub.url}/datasets/org/data"})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            self._answer({"files": [{"path": n, "uploadMode": _mode(n), "shouldIgnore": False} for n in names]})
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            self._lfs(json.loads(body)["objects"])
        elif "/commit/" in self.path:
            self._commit(body)
        else:
            self._answer({"error": "not known"}, 404)

    def do_PUT(self) -> None:
        body = self._body()
        self.hub.large[hashlib.sha256(body).hexdigest()] = body
        self._answer({})

    def _lfs(self, objects: list[dict[str, Any]]) -> None:
        """Where to put each; the hub's storage takes no key of the hub's."""
        upload = [{**one, "actions": {"upload": {"href": f"{self.hub.url}/storage/{one['oid']}"}}} for one in objects]
        self._answer({"transfer": "basic", "objects": upload})

    def _commit(self, body: bytes) -> None:
        for line in body.decode().splitlines():
            said = json.loads(line)
            if said["key"] == "file":
                self.hub.files[said["value"]["path"]] = base64.b64decode(said["value"]["content"])
            elif said["key"] == "lfsFile":
                self.hub.files[said["value"]["path"]] = self.hub.large[said["value"]["oid"]]
        self._answer({"commitUrl": f"{self.hub.url}/org/data/commit/{COMMIT}", "commitOid": COMMIT, "success": True})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _answer(self, value: object, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at what was received."""


def _mode(name: str) -> str:
    return "lfs" if name.endswith(".safetensors") else "regular"


@contextmanager
def hub(key: str) -> Iterator[Hub]:
    """A hub that takes this key alone."""
    handler = type("Handler", (_Handler,), {"wanted_key": key})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    found = Hub(f"http://127.0.0.1:{server.server_address[1]}", [], {}, set(), [], {})
    handler.hub = found
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
