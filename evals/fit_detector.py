"""Fits the detector's weights on labelled phrasings and reports how well they hold.

``python -m evals.fit_detector`` fits on the development parts of SEEN, measures every set, and
writes ``detector.json`` and ``evals/reports/detector.md``; ``--measure`` leaves the weights alone.
The other cases are left out of the fit: they show what a case has to expect whose phrasings and
cues nobody tuned. It encodes some 14,000 stretches: allow a quarter of an hour on two busy cores.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.judging import FEATURES, LOWERS, PARAMETERS, packaged_parameters
from evals.phrasings import SOURCES, Kind, Part, Row, rows
from knowledge.encoder import MiniLMEncoder

Floats = NDArray[np.float64]
Scorer = Callable[[Floats], Floats]
REPORT: Final = Path(__file__).parent / "reports" / "detector.md"
REGULARISATION: Final = 10.0
# An answer may meet two criteria: those of other dimensions are only presumed not met.
OTHER_WEIGHT: Final = 0.5
CUTS: Final = {"met": 0.5, "part": 0.5, "error": 0.65}
ALLOWED: Final = 0.05
SAME: Final = 0.01
SEEN: Final = ("any", "fraud")
COLUMNS: Final = (
    "set",
    "met n",
    "credited",
    "half",
    "missed",
    "unmet n",
    "credited",
    "half",
    "partial: credited",
    "half",
    "misconceptions n",
    "charged",
    "falsely",
    "contradictions charged",
    "falsely",
    "other",
)
COMPLETE: Final = FEATURES.index("complete")
CONCEPTS: Final = FEATURES.index("concepts")


def positives(model: str) -> tuple[str, ...]:
    """Labels that count as positive for a model."""
    return ("met", "partial") if model == "part" else ("met",)


def fit(found: Sequence[Row]) -> dict[str, Any]:
    """Bias and weights of the three models."""
    models = {}
    for model, cut in CUTS.items():
        x, y, importance = _examples(found, model)
        bias, coefficients = signed_logistic(x, y, importance)
        weights = {f: round(float(w), 4) for f, w in zip(FEATURES, coefficients, strict=True)}
        models[model] = {"bias": round(bias, 4), "weights": weights, "cut": cut}
    return models


def _examples(found: Sequence[Row], model: str) -> tuple[Floats, Floats, Floats]:
    """Features, truth and weight of the rows a model is fitted on."""
    kind = "misconception" if model == "error" else "positive"
    own = [r for r in found if r.kind == kind and (r.label != "other" or r.tempting)]
    x = np.asarray([r.features for r in own if r.features is not None])
    y = [float(r.label in positives(model)) for r in own if r.features is not None]
    weight = [OTHER_WEIGHT if r.label == "other" else 1.0 for r in own if r.features is not None]
    return x, np.asarray(y), np.asarray(weight)


def signed_logistic(x: Floats, y: Floats, importance: Floats) -> tuple[float, Floats]:
    """Logistic regression whose weights keep the sign that the feature's meaning gives it: more
    likeness or more of the needed concepts never lowers the strength, vague words never raise it.
    """
    from scipy.optimize import minimize

    target = np.where(y > 0, 1.0, -1.0)

    def loss(theta: Floats) -> tuple[float, Floats]:
        margins = target * (theta[0] + x @ theta[1:])
        penalty = float(theta[1:] @ theta[1:]) / (2 * REGULARISATION)
        pull = -importance * target * np.exp(-np.logaddexp(0.0, margins))
        slope = np.concatenate(([pull.sum()], x.T @ pull + theta[1:] / REGULARISATION))
        return float(importance @ np.logaddexp(0.0, -margins)) + penalty, slope

    bounds = [(None, None), *((None, 0) if f in LOWERS else (0, None) for f in FEATURES)]
    start = np.zeros(x.shape[1] + 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return float(best.x[0]), best.x[1:]


def in_place(_: Sequence[Row]) -> Scorer:
    """The weights as they are used, fitted on SEEN: only with every concept."""
    parameters = packaged_parameters()

    def score(x: Floats) -> Floats:
        strength = [parameters.strength("met", row) if row[COMPLETE] else 0.0 for row in x]
        return np.asarray(strength)

    return score


def logistic(found: Sequence[Row]) -> Scorer:
    """The same kind of model fitted anew; how much a lacking concept costs is left to it."""
    bias, weights = signed_logistic(*_examples(found, "met"))
    return lambda x: bias + x @ weights


def trees(found: Sequence[Row]) -> Scorer:
    """Boosted trees on the same features and signs, to see what a larger model would bring."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.05,
        max_leaf_nodes=8,
        l2_regularization=5.0,
        monotonic_cst=[-1 if f in LOWERS else 1 for f in FEATURES],
        random_state=0,
    )
    x, y, importance = _examples(found, "met")
    model.fit(x, y, sample_weight=importance)
    return lambda features: np.asarray(model.decision_function(features))


def left_out(found: Sequence[Row], model: Callable[[Sequence[Row]], Scorer]) -> str:
    """How a model does on the cases other than SEEN, each left out of its fit, as cells: area under
    the curve of met against unmet, and the share of met credited where ALLOWED of the unmet are."""
    from sklearn.metrics import roc_auc_score

    scores: list[float] = []
    truth: list[bool] = []
    for source in (name for name in SOURCES if name not in SEEN):
        score = model([r for r in found if r.source != source])
        for row in found:
            if row.source == source and row.kind == "positive" and row.label in ("met", "unmet"):
                truth.append(row.label == "met")
                known = row.features is not None
                scores.append(float(score(np.asarray([row.features]))[0]) if known else -99.0)
    y, s = np.asarray(truth), np.asarray(scores)
    wrong = np.sort(s[~y])[::-1]
    threshold = wrong[int(ALLOWED * len(wrong))]
    return f"{roc_auc_score(y, s):.3f} | {float((s[y] > threshold).mean()):.2f}"


def table(found: Sequence[Row]) -> str:
    """How each label was judged, as Markdown."""
    lines = ["| labelled | n | judged met | partial | unmet |", "|---|---|---|---|---|"]
    kinds: tuple[Kind, ...] = ("positive", "misconception", "contradiction")
    for kind in kinds:
        for label in ("met", "partial", "unmet", "other"):
            own = [r for r in found if r.kind == kind and r.label == label]
            own = [r for r in own if label != "other" or r.tempting]
            if own:
                cells = " | ".join(_share(own, v) for v in ("met", "partial", "unmet"))
                lines.append(f"| {label} ({kind}) | {len(own)} | {cells} |")
    return "\n".join(lines)


def by_set(found: Sequence[Row]) -> str:
    """One line a set, the fewest met credited first, as Markdown."""
    cells = {name: _cells([r for r in found if r.source == name]) for name in SOURCES}
    order = sorted(SOURCES, key=lambda name: (cells[name][1], name))
    return "\n".join(
        [
            f"| {' | '.join(COLUMNS)} |",
            "|" + "---|" * len(COLUMNS),
            *(f"| {name} | {' | '.join(cells[name])} |" for name in order),
        ]
    )


def _cells(found: Sequence[Row]) -> list[str]:
    def own(kind: Kind, label: str) -> list[Row]:
        return [r for r in found if r.kind == kind and r.label == label]

    met, unmet, partial = (own("positive", x) for x in ("met", "unmet", "partial"))
    wrong, right = own("misconception", "met"), own("misconception", "unmet")
    both, neither = own("contradiction", "met"), own("contradiction", "unmet")
    return [
        str(len(met)),
        *(_share(met, v) for v in ("met", "partial", "unmet")),
        str(len(unmet)),
        *(_share(group, v) for group in (unmet, partial) for v in ("met", "partial")),
        str(len(wrong)),
        *(_share(group, "met") for group in (wrong, right, both, neither)),
        f"{_others(found):.2f}",
    ]


def _share(found: Sequence[Row], verdict: str) -> str:
    return f"{sum(r.verdict == verdict for r in found) / len(found):.2f}" if found else ""


def _others(found: Sequence[Row]) -> float:
    """Criteria of other dimensions credited, per answer that meets its own."""
    answers = {(r.source, r.answer) for r in found if r.label == "met"}
    credited = [r for r in found if r.label == "other" and r.kind == "positive"]
    return sum(r.verdict == "met" for r in credited) / len(answers)


def missed(found: Sequence[Row]) -> str:
    """Where answers that meet a criterion were lost, the commonest first."""
    lost = [r for r in found if (r.kind, r.label) == ("positive", "met") and r.verdict != "met"]
    reasons = Counter(_why(r.features) for r in lost)
    return "\n".join(f"- {n} of {len(lost)}: {reason}" for reason, n in reasons.most_common())


def _why(features: tuple[float, ...] | None) -> str:
    if features is None:
        return "no stretch in the running: too unlike, no concept named, or taken for a rejection"
    if features[CONCEPTS] < 0.5:
        return "most of the needed concepts stand there in words that the cues do not know"
    if features[COMPLETE] == 0.0:
        return "one needed concept stands there in words that the cues do not know"
    if packaged_parameters().strength("met", features) < CUTS["met"]:
        return "every concept, but too weak on the whole"
    return "strong enough, but a question, or stronger criteria took its place"


def collect(part: Part, encoder: MiniLMEncoder) -> list[Row]:
    """Rows of every set."""
    return [row for name in SOURCES for row in rows(name, part, encoder)]


def report(dev: Sequence[Row], test: Sequence[Row]) -> str:
    """The figures as Markdown, what fails first."""
    new = [r for r in test if r.source not in SEEN]
    seen = [r for r in test if r.source in SEEN]
    return f"""# The detector on labelled phrasings

Labels: independent language-model writers who saw the criteria's statements, not the authored
phrasings. They were told to meet a statement in other words than its own and to miss it in its very
words, so likeness to the statement speaks against them here: harder than what candidates say.
The weights were fitted on the development parts of `any` and `fraud` alone; both parts of the
other twelve cases are new to the detector. `other`: criteria of other dimensions, presumed not
met (some truly are), whose concepts all stand in an answer to its own criterion; in the tables by
set how many of them are credited per answer.

## Where met answers of the twelve cases are lost (test part)

{missed(new)}

## By set, test part

{by_set(test)}

## The twelve cases, test part

{table(new)}

## `any` and `fraud`, test part

{table(seen)}

## Would other weights do better? (development parts of the twelve cases, each left out of the fit)

| model | area under the curve, met against unmet | met credited where {ALLOWED:.0%} of unmet are |
|---|---|---|
| in place, fitted on `any` and `fraud` | {left_out(dev, in_place)} |
| logistic fitted on all other sets, no concept indispensable | {left_out(dev, logistic)} |
| boosted trees fitted on all other sets | {left_out(dev, trees)} |

What the last two would credit in other dimensions, once no concept is indispensable, is not in this
table.

## By set, development part

{by_set(dev)}

## `any` and `fraud`, development part (fitted on)

{table([r for r in dev if r.source in SEEN])}
"""


def keep(models: dict[str, Any]) -> None:
    """Write the weights unless those in place are the same but for the last digits, which depend on
    the machine: every change of the file is a new version of the grader."""
    old = json.loads(PARAMETERS.read_text(encoding="utf-8"))["models"]
    if all(_alike(models[m], old[m]) for m in models):
        return
    PARAMETERS.write_text(json.dumps({"models": models}, indent=1) + "\n", encoding="utf-8")
    packaged_parameters.cache_clear()


def _alike(new: dict[str, Any], old: dict[str, Any]) -> bool:
    pairs = [(new["weights"][f], old["weights"][f]) for f in FEATURES]
    pairs += [(new[k], old[k]) for k in ("bias", "cut")]
    return all(abs(a - b) <= SAME for a, b in pairs)


def main() -> None:
    """Fit unless ``--measure``, then measure and write the report."""
    encoder = MiniLMEncoder()
    if "--measure" not in sys.argv:
        keep(fit([r for name in SEEN for r in rows(name, "dev", encoder)]))
    text = report(collect("dev", encoder), collect("test", encoder))
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
