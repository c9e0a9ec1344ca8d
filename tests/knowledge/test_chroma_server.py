"""The same library on a real Chroma server on this machine."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from knowledge.encoder import MiniLMEncoder
from knowledge.errors import IndexUnavailable
from knowledge.library import Library
from knowledge.types import Passage

# Chroma's HTTP client leaves its sockets to the garbage collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "the Chroma server ended at once"
            time.sleep(0.1)
        else:
            return
    pytest.fail("the Chroma server did not answer within 30 seconds")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--path", str(tmp_path / "server"), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)
        gc.collect()


def test_a_server_holds_packaged_and_user_passages(
    server: str, tmp_path: Path, encoder: MiniLMEncoder, user_passage: Callable[..., Passage]
):
    with Library.open(tmp_path / "a", encoder, server) as library:
        library.add([user_passage("g1", "Roses are pruned in early spring.")])
        assert library.search("roses", k=1)[0].passage.id == "g1"
        assert library.search("noisy and delayed labels", k=1)[0].passage.id == "mlsdi-16-43-2"
    with Library.open(tmp_path / "b", encoder, server) as other:
        assert other.search("roses", corpus="user") == []
    assert not (tmp_path / "a" / "chroma").exists()


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, encoder: MiniLMEncoder):
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(IndexUnavailable, match=url):
        Library.open(tmp_path, encoder, url)
