"""What a model's sentence must pass before it is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.content import case_ids, load_case, load_rubric
from agent.llm.guard import MAX_CHARS, MAX_WORDS, Guard, Refusal
from agent.llm.secrets import Secrets
from agent.llm.splitting import split_ready
from agent.llm.wording import terms
from agent.sentences import sentences
from agent.types import Case, Criterion
from agent.wording import phrases

FRAUD = "fraud-checkout"
# Every so many criteria are looked at where a guard has to be built for each line.
STEP = 6
PROMPT = "Design the system that decides for each payment whether to let it through."
PLAIN = Guard(allowed=(PROMPT,))


def kind(refusal: Refusal | None) -> str | None:
    return refusal.kind if refusal is not None else None


# --- split_ready ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ready", "rest"),
    [
        ("One. Two", ["One. "], "Two"),
        ("One.", [], "One."),
        ("One. ", [], "One. "),
        ("Why? Because! So", ["Why? ", "Because! "], "So"),
        ("It is 0.5 here. And 1,000.25 there", ["It is 0.5 here. "], "And 1,000.25 there"),
        (
            "Take e.g. the card, i.e. the token. Now",
            ["Take e.g. the card, i.e. the token. "],
            "Now",
        ),
        ("Dr. Who vs. the Daleks. Next", ["Dr. Who vs. the Daleks. "], "Next"),
        ("Cards, devices, etc. are known. Then", ["Cards, devices, etc. are known. "], "Then"),
        ("Cards, devices, etc. Then what", ["Cards, devices, etc. "], "Then what"),
        ("Well... maybe so. Yes", ["Well... maybe so. "], "Yes"),
        ("Well... Maybe so", ["Well... "], "Maybe so"),
        ("Hm… and then", [], "Hm… and then"),
        ('You said "it depends." On what', ['You said "it depends." '], "On what"),
        ('"Who owns it?" you asked. Right', ['"Who owns it?" you asked. '], "Right"),
        ("Really?! Go on", ["Really?! "], "Go on"),
        ("延迟多久？然后呢。 好", ["延迟多久？", "然后呢。 "], "好"),
        ("他说“好。”然后", ["他说“好。”"], "然后"),
        ("Что дальше? Потом", ["Что дальше? "], "Потом"),
        ("ماذا بعد؟ ثم", ["ماذا بعد؟ "], "ثم"),
        ("Das ist z.B. so. Gut", ["Das ist z.B. so. "], "Gut"),
        ("1. What is it? Two", ["1. What is it? "], "Two"),
        ("It is 5. What now", ["It is 5. "], "What now"),
        ("See node.js first. Then", ["See node.js first. "], "Then"),
        ("", [], ""),
    ],
)
def test_split_ready(text: str, ready: list[str], rest: str) -> None:
    assert split_ready(text) == (ready, rest)


WORDS = 'Go on . ? ! ... … " ” ) e.g etc Dr 0.5 1 。 ？ 好 说 what What , « * A ؟'
PIECES = st.lists(st.sampled_from([*WORDS.split(), " ", "  ", "\n"]), max_size=40).map("".join)
TEXTS = st.one_of(PIECES, st.text(max_size=80))


@given(text=TEXTS)
@settings(max_examples=300, deadline=None)
def test_split_ready_loses_nothing(text: str) -> None:
    ready, rest = split_ready(text)
    assert "".join(ready) + rest == text
    assert all(s.strip() for s in ready)


@given(text=TEXTS, cuts=st.lists(st.integers(min_value=0, max_value=80), max_size=12))
@settings(max_examples=400, deadline=None)
def test_split_ready_is_the_same_in_any_chunking(text: str, cuts: list[int]) -> None:
    places = sorted({min(c, len(text)) for c in cuts} | {0, len(text)})
    found: list[str] = []
    taken = 0
    for place in places:
        ready, _ = split_ready(text[taken:place])
        found += ready
        taken += sum(len(s) for s in ready)
    assert (found, text[taken:]) == split_ready(text)


# --- form, verdict, praise -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence",
    [
        '{"move": "probe", "say": "Why?"}',
        '"say": "Why?"',
        "```json",
        "Interviewer: what now?",
        "SAY: what now?",
        "<candidate>",
        "<|im_start|>system",
        "As an AI language model, I cannot say.",
        "I'm just an AI, so tell me more.",
        "The rubric asks for a baseline.",
        "That meets the criterion.",
        "This decides your final score.",
        "I would give you a better grade for that.",
        "That would get full marks.",
        "Let us look at the grading criteria.",
        "Now data.label-delay is open.",
        "What about any.communication.asks?",
        "See https://example.com/answer for more.",
        "Have a look at evil-site.com first.",
        "## Data",
        "- labels",
        "1. What is the label?",
        "Choose a) trees or b) a network.",
        "What is the **label**?",
        "*nods* Go on.",
        "(pauses) What then?",
        "[smiles] What then?",
        "I was told to ask about labels.",
        "The next allowed move is a probe.",
    ],
)
def test_what_is_no_speech_is_held_back(sentence: str) -> None:
    assert kind(PLAIN.check(sentence, "")) == "form"


@pytest.mark.parametrize(
    "sentence",
    [
        "You didn't mention latency.",
        "You did not say who owns it.",
        "You haven’t talked about labels yet.",
        "You forgot the reviewers.",
        "I think you missed the delay.",
        "One thing you missed is the delay.",
        "What you're missing is a baseline.",
        "What's missing is the cost.",
        "You never explained the threshold.",
        "Your answer is missing a metric.",
        "That's right.",
        "That is not quite right, because labels are late.",
        "Exactly.",
        "Correct, and what then?",
        "No, you're wrong.",
        "Sie haben die Kosten vergessen.",
    ],
)
def test_verdicts_are_held_back(sentence: str) -> None:
    assert kind(PLAIN.check(sentence, "")) == "verdict"


@pytest.mark.parametrize(
    "sentence",
    [
        "Great answer!",
        "Excellent point about cost.",
        "Good job.",
        "That's a really good question.",
        "That is a great point, and what follows from it?",
        "Okay, nice.",
        "Perfect!",
        "What a thoughtful answer.",
        "I like that you start with the label.",
        "I really appreciate the detail.",
        "You made a strong point there.",
        "Well done, let us go on.",
        "Sehr gut, und dann?",
        "Gute Antwort.",
        "很好，然后呢？",
    ],
)
def test_praise_is_held_back(sentence: str) -> None:
    assert kind(PLAIN.check(sentence, "")) in ("praise", "verdict")


@pytest.mark.parametrize(
    "sentence",
    [
        "How do you tell a good answer from a bad one?",
        "Good answers and safe answers need different tests.",
        "What does the model score, and who reads the score?",
        "Which criteria decide a launch?",
        "What happens if you forgot to log a feature?",
        "What about the payments your rules missed?",
        "If you're wrong about the delay, what breaks first?",
        "Go on.",
        "Fine, and who carries the cost?",
        "Which part of it would you never skip?",
        "How would you know that the model is right?",
        "Take a payment at noon (the busy hour) and follow it.",
        "Who reads the field account_closed, and when?",
        "Was passiert, wenn die Daten zu spät kommen?",
        "¿Qué pasa si los datos llegan tarde?",
        "如果标签来得很晚，你怎么训练？",
    ],
)
def test_plain_questions_pass(sentence: str) -> None:
    assert PLAIN.check(sentence, "") is None


def test_names_are_fine_where_somebody_used_them() -> None:
    guard = Guard(allowed=("Our rubric lives at https://wiki.acme.com/r and in model.fit calls",))
    for sentence in (
        "Who writes the rubric?",
        "What stands at https://wiki.acme.com/r?",
        "What does model.fit see?",
    ):
        assert guard.check(sentence, "") is None
        assert kind(PLAIN.check(sentence, "")) == "form"


def test_quoted_words_of_the_candidate_are_not_the_interviewers() -> None:
    guard = Guard(allowed=("Great answer? we just retrain, you didn't say more",))
    assert guard.check('You said "Great answer? we just retrain": how often?', "") is None
    assert kind(guard.check('You said "great job": how often?', "")) is None
    assert kind(guard.check('"You missed the cost": what of that?', "")) == "verdict"


# --- size, questions, repeats --------------------------------------------------------------------


def test_limits_of_a_turn() -> None:
    fill = " ".join(["word"] * MAX_WORDS)
    assert PLAIN.check(f"{fill}.", "") is None
    assert kind(PLAIN.check("One more.", f"{fill}. ")) == "length"
    assert kind(PLAIN.check("x" * (MAX_CHARS + 1), "")) == "length"
    # Two characters of a script without spaces count as a word: 120 fill the turn.
    assert kind(PLAIN.check("这" * (2 * MAX_WORDS + 2), "")) == "length"


def test_one_question_a_turn() -> None:
    assert PLAIN.check("Who pays for it?", "You start with trees. ") is None
    assert kind(PLAIN.check("And who pays?", "What does it cost? ")) == "question"
    assert kind(PLAIN.check("What does it cost? Who pays?", "")) == "question"
    assert kind(PLAIN.check("然后呢？", "多少钱？")) == "question"
    assert PLAIN.check("Take your time.", "What does it cost? ") is None


@pytest.mark.parametrize(
    "sentence",
    [
        "How long does it take until a payment is known to be fraud?",
        "how long does it take until a payment is known to be fraud",
        "So, how long does it take until a payment is known to be a fraud?",
        "Let me ask again: how long does it take until a payment is known to be fraud?",
    ],
)
def test_repeats_are_held_back(sentence: str) -> None:
    said = ("You want trees. How long does it take until a payment is known to be fraud?", "Go on.")
    assert kind(Guard(said=said).check(sentence, "")) == "repeat"


def test_what_is_no_repeat() -> None:
    said = ("Go on.", "How long does it take until a payment is known to be fraud?")
    guard = Guard(said=said)
    for sentence in ("Go on.", "How long is it kept?", "Who looks at a payment that is held?"):
        assert guard.check(sentence, "") is None


def test_repeats_in_this_turn_and_in_other_scripts() -> None:
    line = "Take the payments of last Tuesday."
    assert kind(PLAIN.check(line, f"{line} ")) == "repeat"
    assert (
        kind(Guard(said=("标签要多久才会到达训练集？",)).check("标签要多久才会到达训练集？", ""))
        == "repeat"
    )


# --- leaks and figures ---------------------------------------------------------------------------

FACTS = (
    "45% of the chargebacks come within 15 days, 80% within 45, and the tail runs to 120 days.",
    "About 3.1 million payments a day.",
    "Twelve reviewers open about 600 cases a day.",
)


@pytest.mark.parametrize(
    "sentence",
    [
        "Suppose 45% come early.",
        "Chargebacks have a tail of 120 days.",
        "Imagine 3.1 million payments a day.",
        "Say 3,100,000 payments.",
        "What can twelve reviewers do?",
        "Supposons 80 % des litiges.",
    ],
)
def test_numbers_of_untold_facts_are_leaks(sentence: str) -> None:
    assert kind(Guard(untold=FACTS).check(sentence, "")) == "leak"


def test_numbers_that_were_said_are_none() -> None:
    said = "I assume 45% come early and 3.1M payments a day, with 12 reviewers."
    guard = Guard(untold=FACTS, allowed=(said,))
    for sentence in (
        "You said 45%.",
        "At 3.1 million a day, what then?",
        "What do 12 reviewers do?",
    ):
        assert guard.check(sentence, "") is None
    assert kind(guard.check("And 80% of them?", "")) == "leak"


def test_a_fact_in_words_is_a_leak_until_told() -> None:
    fact = "The payments platform team is on call day and night; the risk team in office hours."
    sentence = "The risk team works in office hours, the payments platform is on call at night."
    assert kind(Guard(untold=(fact,)).check(sentence, "")) == "leak"
    assert Guard(allowed=(fact,)).check(sentence, "") is None


def test_leaks_in_other_languages() -> None:
    fact = "Rückbuchungen treffen meist erst nach sieben Wochen bei der Bank ein."
    guard = Guard(untold=(fact, "标签平均在四十五天之后才会到达训练集。"))
    assert kind(guard.check("Die Rückbuchungen treffen erst nach Wochen bei der Bank ein.", ""))
    assert kind(guard.check("标签平均在四十五天之后到达训练集。", "")) == "leak"
    assert guard.check("Wer trägt die Kosten?", "") is None
    assert (
        kind(Guard(untold=("Es sind 42,5 Prozent.",)).check("Das sind 42,5 Prozent.", "")) == "leak"
    )


SECRET = "Holds out the most recent weeks for testing, with a gap in which labels mature."


@pytest.mark.parametrize(
    "sentence",
    [
        f"You should {SECRET}",
        "Would you hold out the most recent weeks for testing, with a gap for labels to mature?",
        "Hold out recent weeks for testing with a gap so that labels mature.",
    ],
)
def test_answers_are_leaks(sentence: str) -> None:
    assert kind(Guard(secrets=Secrets.of([SECRET])).check(sentence, "")) == "leak"


def test_an_answer_in_two_sentences_is_a_leak() -> None:
    guard = Guard(secrets=Secrets.of([SECRET]))
    first = "Hold out the most recent weeks. "
    assert guard.check(first.strip(), "") is None
    assert kind(guard.check("For testing, labels mature in a gap.", first)) == "leak"


def test_what_the_candidate_said_is_no_leak() -> None:
    said = "I hold out the most recent weeks for testing and leave a gap so labels can mature."
    guard = Guard(secrets=Secrets.of([SECRET]), allowed=(PROMPT, said))
    assert (
        guard.check("You hold out recent weeks for testing with a gap while labels mature.", "")
        is None
    )


def test_the_offered_wording_is_no_leak() -> None:
    line = "Hold out recent weeks for testing with a gap so that labels mature: who agrees?"
    assert Guard(secrets=Secrets.of([SECRET]), allowed=(line,)).check(line, "") is None


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("At 700 requests a second, what breaks?", "number"),
        ("It costs 30% more.", "number"),
        ("You have 20 ms left.", "number"),
        ("There are 2500 of them.", "number"),
        ("That is €9 each.", "number"),
        ("Suppose 700 requests arrive at once.", None),
        ("What if it costs 30% more?", None),
        ("Say you have 20 ms left.", None),
        ("Angenommen, es sind 30 Prozent.", None),
        ("Name the 2 inputs you trust least.", None),
        ("What is the 99th percentile?", None),
        ("Are you sure it is 100% of them?", None),
        ("You said 40 ms.", None),
    ],
)
def test_made_up_figures(sentence: str, expected: str | None) -> None:
    assert kind(Guard(allowed=("I have 40 ms for it.",)).check(sentence, "")) == expected


def test_figures_of_a_case_supposed_before_are_not_made_up() -> None:
    assert PLAIN.check("At 900 a second, what breaks?", "Suppose traffic triples. ") is None
    assert PLAIN.check("What breaks at 900 a second?", "Imagine 900 a second. Go on. ") is None


@pytest.mark.parametrize("sentence", ["", " ", "?", "…", "。", '"', "{", "\u0000", "0" * 400])
def test_any_text_can_be_checked(sentence: str) -> None:
    Guard(said=("",), untold=("",), allowed=("",)).check(sentence, "")


@given(sentence=st.text(max_size=200), released=st.text(max_size=100))
@settings(max_examples=200, deadline=None)
def test_refusals_read_as_the_end_of_a_sentence(sentence: str, released: str) -> None:
    refusal = Guard(said=(released,), untold=FACTS).check(sentence, released)
    if refusal is not None:
        assert refusal.text
        assert not refusal.text.endswith(".")
        assert refusal.text[0].islower()


def test_secrets_are_values() -> None:
    assert Secrets.of([SECRET]) == Secrets.of((SECRET, SECRET))
    assert hash(Secrets.of([SECRET])) == hash(Secrets.of([SECRET]))
    assert Secrets.of([]).given_away(terms(SECRET), asking=False) == []


# --- measured on the packaged cases --------------------------------------------------------------


@cache
def guard_of(case_id: str) -> tuple[Case, tuple[Criterion, ...], Guard]:
    """A case, the criteria of its interview, and a guard that has heard only the prompt."""
    case = load_case(case_id)
    refined = {c.refines for c in case.criteria}
    criteria = case.criteria + tuple(c for c in load_rubric().criteria if c.id not in refined)
    secrets = Secrets.of(t for c in criteria for t in (c.statement, c.strong, *c.meets))
    return case, criteria, Guard(secrets=secrets, allowed=(case.openings["senior"],))


def authored(criterion: Criterion, what: str) -> Iterator[str]:
    match what:
        case "probes":
            yield from criterion.probes
        case "hints":
            yield from criterion.hints
        case _:
            line = getattr(criterion, what)
            if line is not None:
                yield line


def parts(line: str) -> list[str]:
    """A line's sentences as the voice passes them to the guard."""
    ready, rest = split_ready(line)
    return [*ready, rest]


def passes(guard: Guard, line: str, *kinds: str) -> bool:
    """Whether every sentence of a line passes, in order; with ``kinds``: is not held back so."""
    released = ""
    for sentence in parts(line):
        refusal = guard.check(sentence.strip(), released)
        if refusal is not None and (not kinds or refusal.kind in kinds):
            return False
        released += sentence
    return True


# What is authored may not look like a leak, even where it is not among the wordings on offer.
@pytest.mark.parametrize(
    ("what", "least"),
    # A hint is meant to give something away, and is shown word for word without a model.
    [("probes", 0.99), ("harder", 0.99), ("deeper", 0.99), ("defence", 0.99), ("hints", 0.97)],
)
def test_authored_questions_do_not_leak(what: str, least: float) -> None:
    found = [
        passes(guard, line, "leak")
        for case_id in case_ids()
        for case, criteria, guard in [guard_of(case_id)]
        for criterion in (case.criteria if case_id != FRAUD else criteria)
        for line in authored(criterion, what)
    ]
    assert len(found) > 150
    assert sum(found) / len(found) >= least


@pytest.mark.parametrize("what", ["probes", "harder", "deeper", "defence"])
def test_authored_questions_pass_where_they_are_offered(what: str) -> None:
    found = []
    for case_id in case_ids():
        case, criteria, guard = guard_of(case_id)
        untold = tuple(f.say for f in case.facts)
        for criterion in (case.criteria if case_id != FRAUD else criteria)[::STEP]:
            for line in authored(criterion, what):
                offered = Guard(
                    untold=untold, secrets=guard.secrets, allowed=(*guard.allowed, line)
                )
                found.append(passes(offered, line))
    assert sum(found) / len(found) >= 0.99


@pytest.mark.parametrize("what", ["statement", "strong", "meets"])
def test_answers_told_are_held_back(what: str) -> None:
    found = []
    for case_id in case_ids():
        case, criteria, guard = guard_of(case_id)
        for criterion in case.criteria if case_id != FRAUD else criteria:
            texts = {
                "statement": [criterion.statement],
                "strong": [s.text for s in sentences(criterion.strong)],
                "meets": list(criterion.meets),
            }[what]
            found += [guard.check(f"You should {t}", "") is not None for t in texts]
    assert len(found) > 500
    assert sum(found) / len(found) >= 0.95


def test_the_engines_own_phrases_are_no_verdicts() -> None:
    for lines in phrases().values():
        for line in lines:
            assert passes(PLAIN, line, "verdict", "praise"), line


def test_a_check_is_fast() -> None:
    case, criteria, guard = guard_of(FRAUD)
    assert len(criteria) >= 70
    lines = [p for c in criteria for p in c.probes]
    full = Guard(
        said=tuple(lines[:30]),
        untold=tuple(f.say for f in case.facts),
        secrets=guard.secrets,
        allowed=(case.openings["senior"], *(s.strong_answer or "" for s in case.stages)),
    )
    full.check(lines[0], "")
    times = []
    for line in lines:
        began = time.process_time()
        full.check(line, "")
        times.append(time.process_time() - began)
    assert sorted(times)[len(times) // 2] < 0.001
