"""Fits the detector's weights on the labelled phrasings and reports how well they hold.

``python -m evals.fit_detector`` prints cross-validated figures on the development part (folds by
criterion) and figures on the test part, which is never fitted on, and writes ``detector.json`` and
``evals/reports/detector.md``. ``--measure`` only measures the weights in place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.judging import FEATURES, LOWERS, PARAMETERS
from evals.phrasings import SOURCES, Row, rows
from knowledge.encoder import MiniLMEncoder

Floats = NDArray[np.float64]
REPORT: Final = Path(__file__).parent / "reports" / "detector.md"
REGULARISATION: Final = 10.0
FOLDS: Final = 5
OTHER_WEIGHT: Final = 0.5
CUTS: Final = {"met": 0.5, "part": 0.5, "error": 0.65}


def positives(model: str) -> tuple[str, ...]:
    """Labels that count as positive for a model."""
    return ("met", "partial") if model == "part" else ("met",)


def fit(found: Sequence[Row]) -> dict[str, Any]:
    """Bias and weights of the three models."""
    models = {}
    for model in CUTS:
        own = [r for r in found if r.negative == (model == "error") and not r.blocked]
        x = np.asarray([r.features for r in own])
        y = np.asarray([r.label in positives(model) for r in own])
        bias, coefficients = signed_logistic(x, y, _sample_weights(own))
        weights = {f: round(float(w), 4) for f, w in zip(FEATURES, coefficients, strict=True)}
        models[model] = {
            "bias": round(bias, 4),
            "weights": weights,
            "cut": CUTS[model],
        }
    return models


def _sample_weights(found: Sequence[Row]) -> Floats:
    """``other`` rows are only presumed wrong (an answer may meet two criteria) and count less."""
    return np.asarray([OTHER_WEIGHT if r.label == "other" else 1.0 for r in found])


def signed_logistic(x: Floats, y: Floats, importance: Floats) -> tuple[float, Floats]:
    """Logistic regression whose weights keep the sign that the feature's meaning gives it: more
    likeness or more of the needed concepts never lowers the strength, vague words never raise it.
    """
    from scipy.optimize import minimize

    target = np.where(y, 1.0, -1.0)

    def loss(theta: Floats) -> float:
        margins = target * (theta[0] + x @ theta[1:])
        penalty = float(theta[1:] @ theta[1:]) / (2 * REGULARISATION)
        return float(importance @ np.logaddexp(0.0, -margins)) + penalty

    bounds = [(None, None), *((None, 0) if f in LOWERS else (0, None) for f in FEATURES)]
    best = minimize(loss, np.zeros(x.shape[1] + 1), method="L-BFGS-B", bounds=bounds)
    return float(best.x[0]), best.x[1:]


def cross_validated(found: Sequence[Row]) -> float:
    """Area under the curve of the ``met`` model, folds by criterion."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    own = [r for r in found if not r.negative]
    x = np.asarray([r.features for r in own])
    y = np.asarray([r.label == "met" for r in own])
    importance = _sample_weights(own)
    scores = np.zeros(len(own))
    for train, held in GroupKFold(FOLDS).split(x, y, [r.criterion for r in own]):
        bias, weights = signed_logistic(x[train], y[train], importance[train])
        scores[held] = bias + x[held] @ weights
    return float(roc_auc_score(y, scores))


def table(found: Sequence[Row]) -> str:
    """How each label was judged, as Markdown."""
    lines = ["| labelled | n | judged met | partial | unmet |", "|---|---|---|---|---|"]
    for negative in (False, True):
        for label in ("met", "partial", "unmet", "other"):
            own = [r for r in found if r.negative == negative and r.label == label]
            if own:
                shares = [
                    sum(r.verdict == v for r in own) / len(own) for v in ("met", "partial", "unmet")
                ]
                cells = " | ".join(f"{s:.2f}" for s in shares)
                name = f"{label} ({'misconception' if negative else 'positive'})"
                lines.append(f"| {name} | {len(own)} | {cells} |")
    return "\n".join(lines)


def collect(part: Any) -> list[Row]:
    """Rows of every set."""
    encoder = MiniLMEncoder()
    return [row for name in SOURCES for row in rows(name, part, encoder)]


def main() -> None:
    """Fit unless ``--measure``, then measure and write the report."""
    if "--measure" not in sys.argv:
        models = fit(collect("dev"))
        PARAMETERS.write_text(json.dumps({"models": models}, indent=1) + "\n", encoding="utf-8")
        from agent.judging import packaged_parameters

        packaged_parameters.cache_clear()
    dev, test = collect("dev"), collect("test")
    text = (
        "# The detector on labelled phrasings\n\n"
        "Labels: independent language-model writers who saw the criteria's statements, not the "
        "authored phrasings. `other`: criteria of other dimensions whose concepts all stand in an "
        "answer to its own criterion, presumed not met (some truly are).\n\n"
        f"Cross-validated area under the curve (development part, folds by criterion): "
        f"{cross_validated(dev):.3f}\n\n"
        f"## Development part (fitted on)\n\n{table(dev)}\n\n"
        f"## Test part (never fitted on)\n\n{table(test)}\n"
    )
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
