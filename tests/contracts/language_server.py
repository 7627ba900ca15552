"""A client for the YAML language server, over its standard input and output.

The server is the npm package `yaml-language-server`, which editors run. The environment
variable YAML_LANGUAGE_SERVER names its script or its command; without it, a command of
that name is looked for.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

Message = dict[str, Any]


def command() -> list[str] | None:
    """How to start the server, or None where it is not installed."""
    named = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
    node = shutil.which("node")
    if named is None or node is None or not Path(named).is_file():
        return None
    return [node, str(Path(named).resolve()), "--stdio"]


class Session:
    """One conversation with a server. Positions count from 0, as the protocol does."""

    def __init__(self, to_server: IO[bytes], from_server: IO[bytes]) -> None:
        self._to = to_server
        self._from = from_server
        self._numbers = itertools.count(1)
        self._diagnostics: dict[str, list[Message]] = {}
        self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": None,
                "capabilities": {
                    "textDocument": {
                        "completion": {"completionItem": {"snippetSupport": True}},
                        "publishDiagnostics": {},
                    }
                },
            },
        )
        self.notify("initialized", {})
        settings = {"validate": True, "completion": True, "hover": True}
        self.notify("workspace/didChangeConfiguration", {"settings": {"yaml": settings}})

    def open(self, uri: str, text: str) -> None:
        """Show a file to the server."""
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def completions(self, uri: str, line: int, character: int) -> list[str]:
        """The labels that the server offers at a place."""
        result = self.request("textDocument/completion", _at(uri, line, character))
        items = result["items"] if isinstance(result, dict) else result or []
        return [str(item["label"]) for item in items]

    def hover(self, uri: str, line: int, character: int) -> str:
        """The text that the server shows for a place."""
        result = self.request("textDocument/hover", _at(uri, line, character))
        return str(result["contents"]["value"]) if result else ""

    def diagnostics(self, uri: str) -> list[Message]:
        """What the server finds in a file; waits until it has looked."""
        while uri not in self._diagnostics:
            self._handle(self._read())
        return self._diagnostics[uri]

    def request(self, method: str, parameters: Message) -> Any:
        """Ask, and wait for the answer."""
        number = next(self._numbers)
        self._write({"id": number, "method": method, "params": parameters})
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._handle(message)

    def notify(self, method: str, parameters: Message) -> None:
        """Tell, without an answer."""
        self._write({"method": method, "params": parameters})

    def _handle(self, message: Message) -> None:
        if message.get("method") == "textDocument/publishDiagnostics":
            found = message["params"]
            self._diagnostics[found["uri"]] = found["diagnostics"]
        elif "id" in message and "method" in message:
            # The server asks for settings; an empty answer leaves what it was told.
            items = message.get("params", {}).get("items", [])
            self._write({"id": message["id"], "result": [None for _ in items] or None})

    def _write(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._to.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._to.flush()

    def _read(self) -> Message:
        length = 0
        while line := self._from.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise RuntimeError("the server ended")
        message: Message = json.loads(self._from.read(length))
        return message


def _at(uri: str, line: int, character: int) -> Message:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}


@contextmanager
def session(arguments: list[str]) -> Iterator[Session]:
    """A server that is stopped at the end."""
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Session(process.stdin, process.stdout)
    finally:
        process.kill()
        process.communicate()
