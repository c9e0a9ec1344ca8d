"""The model-backed engine as the rest of Spar sees it: a voice for turns, a model for grades.

One is built for a process from the settings; interviews share its clients, breakers and what was
learned of its endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agent.errors import EngineError
from agent.llm.briefing import turn_prompt
from agent.llm.client import ModelClient
from agent.llm.grader import ModelGraded, grade_with_model
from agent.llm.manners import MannersBook
from agent.llm.prices import Prices, cost, load_prices, price_of
from agent.llm.types import Ask, CallRecord, Message, Usage
from agent.llm.voice import Voice
from agent.llm.wire import Endpoint, Patience
from agent.playbook import Playbook
from agent.scale import Dimension, Level
from agent.settings import Settings
from agent.transcript import Transcript

MANNERS_FILE: Final = "endpoints.json"
PROBE: Final = Ask(
    messages=(
        Message(role="system", content="You check a connection. Answer in the form asked for."),
        Message(role="user", content="Set ready to yes and word to any short word."),
    ),
    name="connection_check",
    schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["ready", "word"],
        "properties": {
            "ready": {"type": "string", "enum": ["yes", "no"]},
            "word": {"type": "string", "maxLength": 40},
        },
    },
    max_tokens=60,
)


@dataclass(frozen=True)
class ModelEngine:
    """``limit``: US dollars that one interview's turns may cost, None without a limit."""

    interviewer: ModelClient
    grader: ModelClient
    prices: Prices = field(default_factory=lambda: load_prices(None))
    limit: float | None = None

    def voice(self, rubric: str, seed: int | None) -> Voice:
        """What speaks the turns of one interview; ``rubric`` is the hash of its criteria."""
        prompt = turn_prompt()
        record = CallRecord(
            model=self.interviewer.model,
            prompt=prompt.id,
            prompt_hash=prompt.hash,
            rubric=rubric,
            seed=seed,
        )
        return Voice(self.interviewer, record, lambda usage: self.cost(self.interviewer, usage))

    def grade(
        self,
        transcript: Transcript,
        playbook: Playbook,
        level: Level,
        seed: int = 0,
        before: dict[str, Any] | None = None,
        *,
        only: Dimension | None = None,
    ) -> ModelGraded:
        """A grade by the grader's model, with what it cost; see ``agent.llm.grader``."""
        graded = grade_with_model(
            transcript, playbook, self.grader, level=level, only=only, seed=seed, before=before
        )
        calls = {
            d: c.model_copy(update={"cost": self.cost(self.grader, c.usage)})
            for d, c in graded.calls.items()
        }
        return replace(graded, calls=calls)

    def cost(self, client: ModelClient, usage: Usage) -> float | None:
        """US dollars of a call, None where no price is known."""
        price = price_of(client.model, client.endpoint.base_url, self.prices)
        return cost(usage, price)

    def priced(self) -> bool:
        """Whether the interviewer's price is known, so that a limit can be held."""
        return self.cost(self.interviewer, Usage(prompt=1)) is not None


def model_engine(settings: Settings, folder: Path | None = None) -> ModelEngine:
    """The engine of these settings; EngineError where they name no model."""
    if settings.model is None:
        raise EngineError("The openai engine needs a model: set SPAR_MODEL.")
    _checked_address(settings.openai_base_url)
    folder = folder or settings.folder
    book = MannersBook(folder / MANNERS_FILE)
    patience = Patience(
        first=settings.model_timeout,
        between=max(Patience().between, settings.model_timeout * 0.4),
        whole=settings.model_timeout + 45.0,
    )

    def client(model: str) -> ModelClient:
        endpoint = Endpoint(
            model=model, base_url=settings.openai_base_url, api_key=settings.openai_api_key
        )
        return ModelClient(endpoint, book, patience)

    return ModelEngine(
        interviewer=client(settings.model),
        grader=client(settings.grader_model or settings.model),
        prices=load_prices(folder),
        limit=settings.spend_limit,
    )


def _checked_address(base_url: str | None) -> None:
    try:
        parts = urlsplit(base_url or "https://host")
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise EngineError(f"OPENAI_BASE_URL is no address: {base_url!r}.")
