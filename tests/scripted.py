"""A scripted server that speaks OpenAI's chat completions over a real loopback socket.

``with ScriptedServer(queue(Says("{}"), rate_limited(2))) as server:`` and point any client at
``server.base_url``. A brain decides each reply from its request; the server adds what its kind of
endpoint can and cannot do. Replies and faults stand in ``tests.scripted_faults``.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from agent.llm.types import RUNGS, Rung
from tests.scripted_faults import (
    Brain,
    ClosesEarly,
    Empty,
    Fault,
    Json,
    NoAnswer,
    Request,
    Resets,
    Says,
    Stalls,
    Status,
    Truncated,
    error,
)
from tests.scripted_wire import Dialect, Reply, refusal

_PING_EVERY: Final = 0.2
_JOIN_WITHIN: Final = 5.0


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""

    def do_GET(self) -> None:
        request = self.server.script.note(self.path, self._headers(), {})
        if self.path != "/v1/models":
            return self._no_such(request)
        models = [
            {"id": name, "object": "model", "created": 1727346142, "owned_by": "scripted"}
            for name in self.server.script.models
        ]
        return self._status(Status(200, {"object": "list", "data": models}), request)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        with self.server.script.busy():
            request = self.server.script.note(self.path, self._headers(), body)
            if self.path != "/v1/chat/completions":
                return self._no_such(request)
            return self._play(self.server.script.answer(request), request)

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _no_such(self, request: Request) -> None:
        message = f"Invalid URL ({self.command} {self.path})"
        self._status(Status(404, error(message, "invalid_request_error")), request)

    def _play(self, step: Says | Fault, request: Request) -> None:
        match step:
            case Says():
                self._say(request, step)
            case Truncated():
                self._say(request, Says(step.text, finish="length"))
            case Status():
                self._status(step, request)
            case Empty():
                self._say(request, Says(""), choices=step.choices)
            case Resets() | ClosesEarly() | Stalls():
                self._break(request, step)
            case NoAnswer():
                self._hold(pings=False)
            case _:
                raise TypeError(f"a brain answered {step!r}")

    def _say(self, request: Request, says: Says, *, choices: bool = True) -> None:
        reply = self._reply(request, says)
        if not request.streams:
            self._pause(says.first_delay)
            whole = reply.whole() if choices else reply.whole() | {"choices": []}
            return self._status(Status(200, whole), request)
        self._start()
        if choices:
            self._send(reply, says, None)
            for chunk in reply.closing():
                self._event(chunk)
        else:
            self._event(reply.without_choice())
        self._chunk(b"data: [DONE]\n\n")
        return self._chunk(b"")

    def _break(self, request: Request, fault: Resets | ClosesEarly | Stalls) -> None:
        streaming = fault.after_pieces is not None and request.streams
        reply = self._reply(request, fault.says)
        if streaming:
            self._start()
            self._send(reply, fault.says, fault.after_pieces)
        elif fault.after_pieces is not None:
            body = json.dumps(reply.whole()).encode()
            self._head(200, "application/json", {"Content-Length": str(len(body))})
            self.wfile.write(body[: len(body) // 2])
        self.close_connection = True
        if isinstance(fault, Resets):
            self._reset()
        elif isinstance(fault, Stalls):
            self._hold(pings=fault.pings and streaming)
        elif fault.clean and streaming:
            self._chunk(b"")

    def _reply(self, request: Request, says: Says) -> Reply:
        script = self.server.script
        return Reply(request, says, next(script.numbers), script.forced_finish)

    def _start(self) -> None:
        self._head(200, "text/event-stream; charset=utf-8", {"Transfer-Encoding": "chunked"})

    def _send(self, reply: Reply, says: Says, until: int | None) -> None:
        self._pause(says.first_delay)
        self._event(reply.opening())
        for number, chunk in enumerate(itertools.islice(reply.pieces(), until)):
            if number:
                self._pause(says.delay)
            self._event(chunk)

    def _pause(self, seconds: float) -> None:
        if seconds and self.server.script.closing.wait(seconds):
            raise ConnectionAbortedError("the server closes")

    def _event(self, data: Json) -> None:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        self._chunk(f"data: {text}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        """One chunk of the body in one packet; an empty one ends the body."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _status(self, status: Status, request: Request) -> None:
        kind, body = status.content(request)
        self._head(status.code, kind, {"Content-Length": str(len(body))} | dict(status.headers))
        self.wfile.write(body)

    def _head(self, code: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        every = {"Content-Type": kind, "x-request-id": f"req_{next(self.server.script.numbers)}"}
        for name, value in (every | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()

    def _reset(self) -> None:
        """RST: closing with a linger time of 0 throws the connection away."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # holds the descriptor open
        self.connection.close()

    def _hold(self, *, pings: bool) -> None:
        """Wait until the client goes, or the server closes (which shuts this socket)."""
        self.close_connection = True
        self.connection.settimeout(_PING_EVERY if pings else None)
        while True:
            try:
                self.connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                self._chunk(b": ping\n\n")
            else:
                return


class _Server(ThreadingHTTPServer):
    """Keeps its threads and sockets, so that closing it can end them."""

    daemon_threads = True
    request_queue_size = 256  # of connections that wait to be accepted

    def __init__(self, script: ScriptedServer) -> None:
        self.script = script
        self._open: list[tuple[threading.Thread, socket.socket]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the host's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._open.append((thread, request))
        thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may go at any time; anything else is told when the server closes."""
        found = sys.exception()
        if found is not None and not isinstance(found, ConnectionError | TimeoutError):
            self.script.failed(found)

    def end(self) -> None:
        """Close every connection and wait for its thread."""
        for _, connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _JOIN_WITHIN
        for thread, _ in self._open:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread, _ in self._open):
            raise RuntimeError("a brain does not come back: its thread outlives the server")


class ScriptedServer:
    """A server whose replies a brain decides, listening as soon as it is made.

    ``supports``: the ways to structure that its model knows, ``dialect``: how a missing one shows.
    ``refuses_params``: request parameters answered with 400. ``forced_finish``: the finish_reason
    of a call of the tool that tool_choice names; OpenAI itself has been seen to say "stop" there.
    Requests that the server refuses by itself do not reach the brain.
    """

    def __init__(
        self,
        brain: Brain,
        *,
        models: Sequence[str] = ("gpt-4o-mini",),
        supports: Collection[Rung] = frozenset(RUNGS),
        dialect: Dialect = "openai",
        refuses_params: Collection[str] = frozenset(),
        forced_finish: str = "tool_calls",
    ) -> None:
        self.models, self.forced_finish = models, forced_finish
        self.numbers = itertools.count(1)
        self.closing = threading.Event()
        self._brain = brain
        self._refusal = functools.partial(
            refusal, supports=supports, dialect=dialect, refuses=refuses_params
        )
        self._requests: list[Request] = []
        self._failures: list[BaseException] = []
        self._replying = 0
        self._state = threading.Condition()
        self._server = _Server(self)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def requests(self) -> list[Request]:
        """What came so far."""
        with self._state:
            return list(self._requests)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        self._end()

    def close(self) -> None:
        """End every connection and thread; raises what a brain raised."""
        self._end()
        with self._state:
            failures, self._failures = self._failures, []
        if failures:
            raise failures[0]

    def wait_idle(self, within: float = 5.0) -> bool:
        """Wait until no reply is under way; False where that takes longer."""
        with self._state:
            return self._state.wait_for(lambda: not self._replying, within)

    def note(self, path: str, headers: Mapping[str, str], body: Json) -> Request:
        """A request came (called by a connection)."""
        request = Request(path, headers, body, time.monotonic())
        with self._state:
            self._requests.append(request)
        return request

    def answer(self, request: Request) -> Says | Fault:
        """What is said to it (called by a connection); a brain that fails shows as a 418."""
        try:
            return self._refusal(request) or self._brain(request)
        except Exception as found:
            self.failed(found)
            return Status(418, error(f"the script broke: {found}", "script_error"))

    def failed(self, found: BaseException) -> None:
        """The script is at fault (called by a connection)."""
        with self._state:
            self._failures.append(found)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """A reply is under way (called by a connection)."""
        with self._state:
            self._replying += 1
        try:
            yield
        finally:
            with self._state:
                self._replying -= 1
                self._state.notify_all()

    def _end(self) -> None:
        if self.closing.is_set():
            return
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.end()


def no_reader_left() -> None:
    """Fails where a thread of the client still reads a reply."""
    reading = [t for t in threading.enumerate() if t.name == "spar-model"]
    for thread in reading:
        thread.join(5)
    assert not any(t.is_alive() for t in reading)
