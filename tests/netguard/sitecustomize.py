"""Refuses every connection that would leave this machine.

``tests/conftest.py`` loads this file for pytest's own process and puts its folder on
PYTHONPATH, where Python runs it at start-up in every process that a test starts.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

# What was tried in this process, newest last; conftest fails the test that tried it.
blocked: list[str] = []


class NetworkBlockedError(RuntimeError):
    """A test tried to leave the machine. Not an OSError: no retry loop may swallow it."""


def _is_local(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host is None or host in {"", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _check(host: object, what: str) -> None:
    if not _is_local(host):
        blocked.append(f"{what} {host}")
        raise NetworkBlockedError(
            f"tests may only talk to this machine, not {what} {host!r}; "
            "use a scripted double, a mock transport or a server on 127.0.0.1"
        )


def _guard_address(original: Callable[..., Any]) -> Callable[..., Any]:
    """Guard a socket method whose last argument is the address."""

    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1] if args else None
        if self.family in {socket.AF_INET, socket.AF_INET6} and isinstance(address, tuple):
            _check(address[0], "connect to")
        return original(self, *args)

    return guarded


def install() -> None:
    """Put the guard in place, once in a process."""
    if getattr(socket, "_spar_guard", False):
        return
    socket._spar_guard = True  # type: ignore[attr-defined]
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _guard_address(getattr(socket.socket, name)))
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        # A literal address asks no server; connecting to it is checked above.
        _check(host, "look up")
        return look_up(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


install()
