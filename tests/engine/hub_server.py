"""A small hub on 127.0.0.1 that answers as the real one does, and can be told to misbehave.

Small files are served where they are asked for, with git's blob SHA-1 as their ETag. Large ones (safetensors) are
redirected to another path, with their SHA-256 in X-Linked-Etag.
"""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_test_token"


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    range: str | None
    sent: int = 0


@dataclass
class Hub:
    """Repositories (id -> directory) and how to misbehave."""

    repos: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    cut_after: dict[str, int] = field(default_factory=dict)
    """File name -> bytes after which the connection is cut, once."""
    corrupt: set[str] = field(default_factory=set)
    """File names of which one byte is changed, once."""
    down: bool = False
    """Closes every connection without an answer."""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def start(self) -> "ThreadingHTTPServer":
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def downloads(self, name: str) -> list[Asked]:
        """GET requests for the bytes of a file."""
        return [asked for asked in self.asked if asked.method == "GET" and asked.path.endswith(f"/{name}")]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        if self.hub.down:
            self.close_connection = True
            return
        self.asked = Asked(self.command, self.path, self.headers.get("Range"))
        self.hub.asked.append(self.asked)
        parts = self.path.split("?")[0].strip("/").removeprefix("datasets/").split("/")
        if parts[:2] == ["api", "models"]:
            self._info("/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main")
        elif parts[0] == "cdn":
            self._file(self.hub.repos["/".join(parts[1:3])] / parts[3], body)
        elif len(parts) >= 5 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), "/".join(parts[4:]), body)
        else:
            self._status(404)

    def _refused(self, repo: str) -> bool:
        if repo not in self.hub.repos:
            self._status(404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return True
        if repo in self.hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._status(
                401, {"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to model {repo} is restricted."}
            )
            return True
        return False

    def _info(self, repo: str, revision: str) -> None:
        if self._refused(repo):
            return
        if revision not in ("main", COMMIT):
            self._status(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
            return
        names = sorted(path.name for path in self.hub.repos[repo].iterdir())
        info = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
        self._status(200, {"Content-Type": "application/json"}, json.dumps(info).encode())

    def _resolve(self, repo: str, name: str, body: bool) -> None:
        if self._refused(repo):
            return
        path = self.hub.repos[repo] / name
        if not path.is_file():
            self._status(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        elif name.endswith(".safetensors"):
            data = path.read_bytes()
            headers = {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Linked-Size": str(len(data))}
            headers |= {"X-Repo-Commit": COMMIT, "Location": f"{self.hub.url}/cdn/{repo}/{name}"}
            self._status(302, headers)
        else:
            self._file(path, body)

    def _file(self, path: Path, body: bool) -> None:
        data = path.read_bytes()
        git_sha1 = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        headers = {"ETag": f'"{git_sha1}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if path.name in self.hub.corrupt and body:
            self.hub.corrupt.discard(path.name)
            data = data[:-1] + bytes([data[-1] ^ 1])
        status, start = 200, 0
        if self.asked.range:
            start = int(self.asked.range.removeprefix("bytes=").removesuffix("-"))
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        data = data[start:]
        self._head(status, headers, len(data))
        if body:
            self._send(path.name, data)

    def _send(self, name: str, data: bytes) -> None:
        cut = self.hub.cut_after.pop(name, None)
        sent = data if cut is None else data[:cut]
        self.asked.sent = len(sent)
        self.wfile.write(sent)
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()

    def _status(self, status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        self._head(status, headers or {}, len(content))
        if self.command == "GET":
            self.wfile.write(content)

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
