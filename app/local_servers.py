"""Looking for a model server on this machine, on the usual ports; only when asked to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

USUAL: Final[tuple[tuple[str, int], ...]] = (
    ("Ollama", 11434),
    ("LM Studio", 1234),
    ("llama.cpp", 8080),
    ("vLLM", 8000),
    ("LiteLLM", 4000),
)
TIMEOUT: Final = 1.5
MAX_MODELS: Final = 50


@dataclass(frozen=True)
class Found:
    """A server that answered as an OpenAI-compatible endpoint does."""

    name: str
    base_url: str
    models: tuple[str, ...]


def look(ports: tuple[tuple[str, int], ...] = USUAL) -> tuple[Found, ...]:
    """The servers that answer on the loopback interface, in the order of ``ports``."""
    with ThreadPoolExecutor(max_workers=len(ports)) as pool:
        return tuple(f for f in pool.map(lambda p: _ask(*p), ports) if f is not None)


def _ask(name: str, port: int) -> Found | None:
    import httpx

    url = f"http://127.0.0.1:{port}/v1"
    try:
        # The environment's proxies have no business on the loopback interface.
        with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
            answer = client.get(f"{url}/models")
            models = _names(answer.json()) if answer.status_code == httpx.codes.OK else ()
    except (httpx.HTTPError, ValueError):
        return None
    return Found(name, url, models) if models else None


def _names(body: Any) -> tuple[str, ...]:
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        return ()
    ids = [r.get("id") for r in rows if isinstance(r, dict)]
    return tuple(i for i in ids if isinstance(i, str))[:MAX_MODELS]
