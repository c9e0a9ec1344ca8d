"""Fits the weights by which a fact is matched to a question: ``python -m evals.fit_clarify``.

The data are questions written without sight of how they are matched (``datasets/clarify``), half of
them not answered by any fact. Every figure is for a case left out of the fit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import yaml
from sklearn.linear_model import LogisticRegression

from agent.casebook import packaged
from agent.matching import FEATURES, PARAMETERS, Matcher
from agent.prototypes import Phrases
from agent.questions import asks_in
from knowledge.encoder import Encoder, MiniLMEncoder

DATASETS: Final = Path(__file__).parent / "datasets" / "clarify"
REPORT: Final = Path(__file__).parent / "reports" / "clarify.md"
IN_PLAY: Final = 4  # the facts most like a question are what it could be taken for
STRENGTH: Final = 1.0
# The share of unanswerable questions that may be told something, and offered something.
TOLD_WRONGLY: Final = 0.15
OFFERED_WRONGLY: Final = 0.4


class Asked(NamedTuple):
    """One question beside every fact of its sheet: ``features`` is (facts, features), ``right``
    the index of the fact that answers it or None."""

    case: str
    features: np.ndarray[Any, np.dtype[np.float64]]
    right: int | None


def load(case_id: str, encoder: Encoder) -> list[Asked]:
    """The labelled questions of a case as features."""
    case = packaged().load(case_id)
    matcher = Matcher(case.facts, Phrases(encoder, [packaged().vectors(case_id)]))
    ids = [f.id for f in case.facts]
    rows = yaml.safe_load((DATASETS / f"{case_id}.yaml").read_text(encoding="utf-8"))
    found = []
    for row in rows["questions"]:
        asks = asks_in(row["question"])
        text = asks[0].span.text if asks else row["question"]
        features = matcher.features(text, encoder.encode([text])[0])
        right = ids.index(row["fact"]) if row["fact"] is not None else None
        found.append(Asked(case_id, np.asarray(features), right))
    return found


def fit(asked: Sequence[Asked]) -> LogisticRegression:
    """The model of whether a fact answers a question, over the facts that are in play."""
    inputs, labels = [], []
    for row in asked:
        for i in np.argsort(-row.features[:, 0])[:IN_PLAY]:
            inputs.append(row.features[i])
            labels.append(int(i) == row.right)
    return LogisticRegression(C=STRENGTH, max_iter=2_000).fit(inputs, labels)


def out_of_case(asked: Sequence[Asked]) -> list[tuple[float, bool, bool]]:
    """Per question, by a model that has not seen its case: probability of the best fact, whether
    it is the right one, whether there is one."""
    found = []
    for case in sorted({row.case for row in asked}):
        model = fit([row for row in asked if row.case != case])
        for row in (r for r in asked if r.case == case):
            likely = model.predict_proba(row.features)[:, 1]
            best = int(likely.argmax())
            found.append((float(likely[best]), best == row.right, row.right is not None))
    return found


def main() -> None:
    """Fit, choose the thresholds out of case, write the weights and the report."""
    encoder = MiniLMEncoder()
    cases = sorted(p.stem for p in DATASETS.glob("*.yaml"))
    asked = [row for case_id in cases for row in load(case_id, encoder)]
    judged = out_of_case(asked)
    unanswerable = np.asarray([p for p, _, has in judged if not has])
    tell = round(float(np.quantile(unanswerable, 1 - TOLD_WRONGLY)), 3)
    offer = round(float(np.quantile(unanswerable, 1 - OFFERED_WRONGLY)), 3)
    model = fit(asked)
    weights = {name: round(float(w), 4) for name, w in zip(FEATURES, model.coef_[0], strict=True)}
    bias = round(float(model.intercept_[0]), 4)
    data = {"bias": bias, "weights": weights, "tell": tell, "offer": offer}
    PARAMETERS.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    REPORT.write_text(_report(judged, tell, offer, len(cases)), encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"))


def _report(
    judged: Sequence[tuple[float, bool, bool]], tell: float, offer: float, cases: int
) -> str:
    answerable = [(p, right) for p, right, has in judged if has]
    other = [p for p, _, has in judged if not has]
    told = sum(p >= tell for p, right in answerable if right)
    wrong = sum(p >= tell for p, right in answerable if not right)
    offered = sum(offer <= p < tell for p, right in answerable if right)
    lines = [
        "# Clarifying questions",
        "",
        f"{len(judged)} questions over {cases} cases, written by a language model that saw the",
        "fact sheets and not how questions are matched; half of them no fact answers, most of",
        "those on purpose close to one. Figures are for a model that has not seen the question's",
        "case; its two thresholds were chosen on the same figures.",
        "",
        "| question | n | right one told | right one offered | wrong one told | left open |",
        "|---|---|---|---|---|---|",
        _row("a fact answers it", len(answerable), told, offered, wrong),
    ]
    free = len(other)
    said = sum(p >= tell for p in other)
    maybe = sum(offer <= p < tell for p in other)
    lines.append(
        f"| no fact answers it | {free} | | {maybe / free:.2f} | {said / free:.2f} | "
        f"{(free - said - maybe) / free:.2f} |"
    )
    return "\n".join(lines) + "\n"


def _row(name: str, n: int, told: int, offered: int, wrong: int) -> str:
    left = n - told - offered - wrong
    return (
        f"| {name} | {n} | {told / n:.2f} | {offered / n:.2f} | {wrong / n:.2f} | {left / n:.2f} |"
    )


if __name__ == "__main__":
    main()
