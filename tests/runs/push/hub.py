"""A stand-in for the hub: the part of its HTTP API that an upload uses, in this process.

It keeps what it is sent, and can be told to answer some requests with an error. The
addresses and bodies are those of `huggingface_hub` with Xet turned off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_the_test"


@dataclass
class Failure:
    """The next `times` requests whose line matches `pattern` are answered with `status`."""

    pattern: str
    status: int
    times: int


@dataclass
class Hub:
    """Repositories by name and branch, objects by hash, and the lines of all requests."""

    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    address: str = ""

    def requests(self, pattern: str) -> list[str]:
        """The requests whose line matches."""
        return [line for line in self.lines if re.search(pattern, line)]

    def failure(self, line: str) -> int | None:
        """The status to answer with where a failure was asked for."""
        for failure in self.failures:
            if failure.times > 0 and re.search(failure.pattern, line):
                failure.times -= 1
                return failure.status
        return None

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """The status and body of one request."""
        routes = (
            (r"POST /api/validate-yaml", self._validate),
            (r"POST /api/repos/create", self._create),
            (r"POST /api/models/(\w+/\w+)/branch/(\w+)", self._branch),
            (r"POST /api/models/(\w+/\w+)/preupload/(\w+)", self._preupload),
            (r"POST /(\w+/\w+)\.git/info/lfs/objects/batch", self._batch),
            (r"PUT /objects/(\w+)", self._put),
            (r"POST /api/models/(\w+/\w+)/commit/(\w+)", self._commit),
            (r"GET /api/models/(\w+/\w+)/tree/(\w+)", self._tree),
            (r"GET /api/models/(\w+/\w+)(?:/revision/\w+)?", self._info),
        )
        for pattern, route in routes:
            found = re.fullmatch(pattern, f"{method} {path}")
            if found is not None:
                return route(body, *found.groups())
        return 404, {"error": f"the stand-in knows no {method} {path}"}

    def _validate(self, body: bytes) -> tuple[int, Any]:
        content = json.loads(body)["content"]
        good = content.startswith("---\n") and "\n---\n" in content[4:]
        return (200, {"warnings": []}) if good else (400, {"errors": [{"message": "no YAML"}]})

    def _create(self, body: bytes) -> tuple[int, Any]:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        made = name not in self.repositories
        if made:
            self.repositories[name] = {"main": {}}
            self.private[name] = asked.get("visibility") == "private"
        return 200 if made else 409, {"url": f"{self.address}/{name}"}

    def _branch(self, body: bytes, name: str, branch: str) -> tuple[int, Any]:
        del body
        branches = self.repositories[name]
        if branch in branches:
            return 409, {"error": "the branch is there"}
        branches[branch] = dict(branches["main"])
        return 200, {}

    def _preupload(self, body: bytes, name: str, branch: str) -> tuple[int, Any]:
        there = self.repositories[name][branch]
        return 200, {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": _mode(file["path"]),
                    "shouldIgnore": False,
                    "oid": _oid(file["path"], there[file["path"]])
                    if file["path"] in there
                    else None,
                }
                for file in json.loads(body)["files"]
            ]
        }

    def _batch(self, body: bytes, name: str) -> tuple[int, Any]:
        del name
        objects = []
        for item in json.loads(body)["objects"]:
            known = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.objects:
                known["actions"] = {"upload": {"href": f"{self.address}/objects/{item['oid']}"}}
            objects.append(known)
        return 200, {"transfer": "basic", "objects": objects}

    def _put(self, body: bytes, oid: str) -> tuple[int, Any]:
        if hashlib.sha256(body).hexdigest() != oid:
            return 400, {"error": "another content"}
        self.objects[oid] = body
        return 200, {}

    def _commit(self, body: bytes, name: str, branch: str) -> tuple[int, Any]:
        files: dict[str, bytes] = {}
        gone: list[str] = []
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.objects:
                    return 400, {"error": f"{value['path']} was not uploaded"}
                files[value["path"]] = self.objects[value["oid"]]
            elif item["key"] == "deletedFile":
                gone.append(value["path"])
        there = self.repositories[name][branch]
        there.update(files)
        for path in gone:
            del there[path]
        oid = hashlib.sha1(body).hexdigest()
        return 200, {"commitUrl": f"{self.address}/{name}/commit/{oid}", "commitOid": oid}

    def _tree(self, body: bytes, name: str, branch: str) -> tuple[int, Any]:
        del body
        files = self.repositories[name][branch].items()
        return 200, [
            {"type": "file", "path": path, "size": len(content), "oid": _oid(path, content)}
            for path, content in files
        ]

    def _info(self, body: bytes, name: str) -> tuple[int, Any]:
        del body
        if name not in self.cards and name not in self.repositories:
            return 404, {"error": "Repository not found"}
        return 200, {"id": name, "sha": "0" * 40, "cardData": self.cards.get(name, {})}


def _mode(path: str) -> str:
    return "lfs" if path.endswith((".safetensors", ".gguf")) else "regular"


def _oid(path: str, content: bytes) -> str:
    """What git names a file by; large files by the hash of their content."""
    if _mode(path) == "lfs":
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub at an address of this machine, until the block ends."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            line = f"{self.command} {path}"
            hub.lines.append(line)
            status, answer = self._answer(line, path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names that http.server looks for

        def _answer(self, line: str, path: str, body: bytes) -> tuple[int, Any]:
            failed = hub.failure(line)
            if failed is not None:
                return failed, {"error": "asked for by the test"}
            # An address for an object is a secret itself: nothing else comes with it.
            open_to_all = line.startswith(("PUT /objects/", "GET "))
            if not open_to_all and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return 401, {"error": "Invalid credentials"}
            return hub.answer(self.command, path, body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
