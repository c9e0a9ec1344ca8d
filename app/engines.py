"""Which engine runs; imports nothing heavy, so that a wrong one fails at once."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from agent.errors import EngineError, SparError
from agent.scale import OFFLINE, OPENAI, Engine
from agent.settings import Settings, load_settings

if TYPE_CHECKING:
    from agent.deps import Spending
    from agent.llm.engine import ModelEngine


def missing(settings: Settings) -> str | None:
    """What the openai engine lacks, in one sentence; None where it can run."""
    if not settings.model:
        return "The openai engine needs a model: set SPAR_MODEL."
    if settings.openai_api_key is None and not settings.openai_base_url:
        return (
            "The openai engine needs OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own."
        )
    return None


def default_engine(settings: Settings) -> Engine:
    """The openai engine where a model is set and can be reached, else the embedded one."""
    return OFFLINE if missing(settings) else OPENAI


def check_engine(name: Engine | None, settings: Settings | None = None) -> Engine:
    """The engine to use; EngineError in one sentence for one that cannot run."""
    settings = settings or load_settings()
    if name is None:
        return default_engine(settings)
    if name == OPENAI and (reason := missing(settings)) is not None:
        raise EngineError(f"{reason} The offline engine needs nothing.")
    return name


def engine_reason(settings: Settings) -> str:
    """Which engine is active, and why."""
    lacking = missing(settings)
    if lacking is None:
        where = _address(settings.openai_base_url)
        grader = settings.grader_model or settings.model
        return f"openai: {settings.model} interviews and {grader} grades, at {where}."
    if settings.model:
        return f"offline. {lacking}"
    if settings.openai_api_key is not None:
        return "offline. An OPENAI_API_KEY is set, but no SPAR_MODEL: a key alone changes nothing."
    return "offline, the embedded engine. No key is needed and nothing leaves this machine."


def _address(base_url: str | None) -> str:
    """An address for people: without the user and password it may name."""
    if base_url is None:
        return "OpenAI"
    head, at, tail = base_url.rpartition("@")
    return f"{head.partition('://')[0]}://{tail}" if at else base_url


WARN_FROM: Final = 0.8


def spending_words(spending: Spending | None) -> str:
    """The warning before an interview's spending limit goes offline; else nothing."""
    if spending is None or spending.limit is None or spending.cost is None:
        return ""
    if not WARN_FROM * spending.limit <= spending.cost < spending.limit:
        return ""
    return (
        f"${spending.cost:.3f} of this interview's ${spending.limit:.2f} are spent; at the limit "
        "it goes on offline."
    )


def used_words(spending: Spending | None) -> str:
    """What the model's turns have used, in one line; nothing where none was asked."""
    if spending is None:
        return ""
    tokens = spending.usage.prompt + spending.usage.output
    cost = f", ${spending.cost:.4f}" if spending.cost is not None else ""
    about = "about " if spending.usage.estimated else ""
    return f"The interviewer's model: {about}{tokens:,} tokens in {spending.calls} calls{cost}."


class ModelSource:
    """Gives the model-backed engine of the settings, built at its first use; another endpoint may
    take its place while the app runs. Safe between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._built: ModelEngine | None = None

    def __call__(self) -> ModelEngine:
        """The engine; EngineError in one sentence where the settings do not suffice."""
        with self._lock:
            if (reason := missing(self._settings)) is not None:
                raise EngineError(reason)
            if self._built is None:
                from agent.llm.engine import model_engine

                self._built = model_engine(self._settings)
            return self._built

    @property
    def settings(self) -> Settings:
        """The settings in use."""
        return self._settings

    def preload(self) -> None:
        """What a first turn would otherwise wait for: the client, the tokens' table."""
        from agent.tokens import count_tokens

        with contextlib.suppress(SparError):
            self().interviewer.preload()
            count_tokens("ready")

    def use(self, base_url: str, model: str) -> None:
        """Ask this model at this endpoint from now on, in this process."""
        with self._lock:
            changed: dict[str, object] = {"model": model, "grader_model": None}
            if base_url != self._settings.openai_base_url:
                # The key belongs to the endpoint it was given for.
                changed |= {"openai_base_url": base_url, "openai_api_key": None}
            self._settings = self._settings.model_copy(update=changed)
            self._built = None
