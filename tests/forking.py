"""Running work in forked children of a process that has imported everything and opened nothing."""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

WORKERS: Final = 2
Task = TypeVar("Task")


def forked(work: Callable[[], Any]) -> tuple[int | None, Any]:
    """Run ``work`` in a forked child: the signal that killed it (None: none), and its result."""
    assert threading.active_count() == 1
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(work(), pipe)
            code = 0
        finally:
            if error := sys.exception():
                sys.excepthook(type(error), error, error.__traceback__)
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status), None
    if status:
        raise RuntimeError(f"a child failed with status {status}")
    return None, pickle.loads(content)


def shared(work: Callable[[Task], Any], tasks: Sequence[Task], folder: Path) -> Iterator[Any]:
    """The results of all tasks, done by two children side by side; they pass through JSON."""
    children = []
    for worker in range(WORKERS):
        path = folder / f"worker-{worker}.json"
        child = os.fork()
        if child == 0:
            code = 1
            try:
                rows = [work(task) for task in tasks[worker::WORKERS]]
                path.write_text(json.dumps(rows), encoding="utf-8")
                code = 0
            finally:
                if error := sys.exception():
                    sys.excepthook(type(error), error, error.__traceback__)
                os._exit(code)
        children.append((child, path))
    for child, path in children:
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        yield from json.loads(path.read_text(encoding="utf-8"))
