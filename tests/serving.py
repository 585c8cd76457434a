"""Servers for the tests of the engine `openai`: a real `vllm serve` on the CPU, and a scripted one for what
vLLM never does."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

SERVED_AS = "smol"
START_SECONDS = 300
CANARY = "sk-canary-0123456789"


class Received(NamedTuple):
    """A request as the server saw it."""

    authorization: str
    body: dict[str, Any]

    @property
    def question(self) -> str:
        """The last message's text."""
        return str(self.body["messages"][-1]["content"])


class Reply(NamedTuple):
    """What to answer. A body that is text is sent as HTML."""

    body: dict[str, Any] | str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None
    breaks: Literal["reset", "half"] | None = None
    """The connection is reset before an answer, or closed after half of it."""
    drip_seconds: float = 0
    """Pause after every tenth part of the body."""


class Scripted(NamedTuple):
    """A running scripted server, and all that it has been asked."""

    url: str
    received: list[Received]


def completion(text: str | None, finish: str = "stop", **choice: Any) -> Reply:
    """A chat completion with one choice."""
    message = {"role": "assistant", "content": text}
    return Reply(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "any",
            "choices": [{"index": 0, "message": message, "finish_reason": finish, **choice}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }
    )


def canary_code(request: Received) -> str | None:
    """What a server that constrains answers to the canary's questions; None for any other request."""
    form = request.body.get("response_format", {}).get("json_schema", {})
    if form.get("name") != "Canary":
        return None
    return json.dumps({"code": form["schema"]["properties"]["code"]["enum"][0]})


@contextmanager
def scripted(answer: Callable[[Received], Reply], port: int = 0) -> Iterator[Scripted]:
    """A server on a port of this machine (0: a free one) that answers every POST by `answer`, in threads."""
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            request = Received(self.headers.get("Authorization", ""), json.loads(self.rfile.read(size)))
            received.append(request)
            reply = answer(request)
            is_text = isinstance(reply.body, str)
            content = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
            if reply.breaks == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Type", reply.content_type or ("text/html" if is_text else "application/json"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self._write(content[: len(content) // 2] if reply.breaks else content, reply.drip_seconds)

        def _write(self, content: bytes, pause: float) -> None:
            size = max(1, len(content) // 10) if pause else max(1, len(content))
            with suppress(BrokenPipeError, ConnectionResetError):  # the client has had enough
                for start in range(0, len(content), size):
                    self.wfile.write(content[start : start + size])
                    self.wfile.flush()
                    time.sleep(pause)

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # a connection that was reset is closed already
                super().finish()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Scripted(f"http://127.0.0.1:{server.server_port}/v1", received)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def vllm_server(model: str, log: Path) -> Iterator[str]:
    """`vllm serve` with this model folder; yields the base URL once it is healthy, and leaves no process behind."""
    port = free_port()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            _serve_command(model, port),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"},
        )
    try:
        _wait_until_healthy(process, port, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _kill_group(process)


def _serve_command(model: str, port: int) -> list[str]:
    # The module behind `vllm serve`: the command itself asks for the version of a distribution called vllm, and the one
    # for CPUs has another name.
    arguments = {
        "--model": model,
        "--served-model-name": SERVED_AS,
        "--host": "127.0.0.1",
        "--port": str(port),
        "--dtype": "float32",
        "--max-model-len": "1024",
        "--block-size": "32",
        "--structured-outputs-config": json.dumps({"backend": "xgrammar", "disable_any_whitespace": True}),
    }
    flat = [word for pair in arguments.items() for word in pair]
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager", *flat]


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended: {log.read_text(errors='replace')[-2000:]}"
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
                if response.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(
        f"the server is not healthy after {START_SECONDS} s: {log.read_text(errors='replace')[-2000:]}"
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
