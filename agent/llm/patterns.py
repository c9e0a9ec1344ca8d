"""What spoken text of an interviewer does not look like: forms, verdicts, praise."""

from __future__ import annotations

import re
from typing import Final


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.I | re.M)


QUOTED = re.compile(r"[\"“”„«»「]([^\"“”„«»「」]{2,300})[\"“”«»」]")
QUESTION = re.compile(r"[?？؟]+")
FORMS: Final = {
    "it is not spoken text": _any(
        r"^\s*[{\[]|[}\]]\s*$|\"\s*:\s*[\"\[{]|```",
        r"<\|?/?\s*(?:candidate|system|assistant|user|think|im_|tool|function|\|)",
    ),
    "it begins with a speaker's name": _any(
        r"^\W*(?:system|assistant|user|interviewer|candidate|human|ai|model)\s*:",
        r"^\W*(?-i:SAY|MOVE|TARGET)\s*:",
    ),
    "it speaks as a program": _any(
        r"\bas an? (?:large )?(?:ai|language|artificial intelligence)(?: language)? "
        r"(?:model|assistant|system)\b",
        r"\bas an ai\s*,",
        r"\bi(?:'m| am) (?:just |only |merely )?an? (?:ai\b|large language|language model|llm\b"
        r"|chatbot|virtual)",
        r"\bals (?:ki\b|sprachmodell)",
    ),
    "it talks about how the interview is run": _any(
        r"\b(?:grading|scoring|evaluation|assessment|interview|hidden) (?:criteri\w+|rubrics?|sheet"
        r"|guide|scheme)\b",
        r"\b(?:your(?: final| overall| interview)?|you an?(?: \w+)?) (?:grades?|marks?)\b",
        r"\byour (?:interview|overall|final) score\b",
        r"\b(?:score|grade|mark|rate)s? (?:you\b|your (?:answers?|performance|interview|response))",
        r"\b(?:full|extra|top|partial) (?:marks?|credit|points?)\b",
        r"\b(?:meets?|satisf(?:y|ies)) (?:the|this|that|an?|all|my) criteri",
        r"\b(?:notice list|allowed moves?|system prompt|fact sheet|my instructions)\b",
        r"\b(?:move_on|wrap_up)\b|\bi(?:'m| am| was) (?:instructed|told|not allowed) to\b",
    ),
    "it is written as a list or a heading": _any(
        r"^\s*(?:#{1,6}\s|[-*•–—]\s|\(?(?:\d{1,2}|[a-e])[.)]\s)",
        r"(?:^|\s)\(?(?:1|a)[.)]\s.+\s\(?(?:2|b)[.)]\s",
        r"\*\*|(?<!\w)__?\w[^_]*__?(?!\w)|\|.*\|.*\|",
    ),
    "it holds a stage direction": _any(
        r"(?<![\w*])\*[^*\n]{2,60}\*(?![\w*])",
        r"[(\[](?:he |she )?(?:smil|nod|paus|laugh|lean|wait|sigh|chuckl|look|clear|typ|silen"
        r"|beat\b|not(?:es|ing) )[^)\]]{0,60}[)\]]",
    ),
}
# Allowed where somebody has used them.
NAMES: Final = {
    "it talks about how the interview is run": _any(
        r"\brubrics?\b",
        r"\b(?:the|this|that|a|my|our|these|those|all|each|every|next|open) criteri(?:on|a)\b",
    ),
    "it names an address nobody gave": _any(
        r"\b(?:https?://|www\.)[^\s\"')>]+",
        r"\b[\w-]+\.(?:com|org|net|io|ai|dev|gov|edu)\b(?:/[^\s\"')>]*)?",
    ),
    "it holds an internal name": re.compile(
        r"(?<![\w.@/])[a-z][a-z0-9-]+(?:\.[a-z][a-z0-9_-]+)+(?![\w@])"
    ),
}

_MISSED = r"(?:forgot(?:ten)?|missed|overlooked|left out|skipped(?: over)?|omitted|neglected)\b"
_TOLD = (
    r"(?:mention|sa(?:y|id)|talk|address|cover|consider|discuss|account|explain|answer|includ|touch"
    r"|specif|defin|bring|brought|name|think|thought|t[ea]ll|told|note|quantif|justif|describ|rais"
    r"|ask)"
)
_OPENS = r"(?:^\W*|[,;:—–-]\s+|\b(?:but|no|yes),? )"
_SURELY = r"(?: \w+ly| not| quite| all)*"
_TRUE = r"(?:right|wrong|correct|incorrect|mistaken|true|a mistake|an? error|flawed)"
VERDICT = _any(
    r"(?<!if )(?<!when )(?<!once )(?<!suppose )(?<!imagine )\byou(?:'ve| have)?"
    r"(?: \w+ly| just| also| still)? (?:did not|didn't|have not|haven't|(?<=ve )not|hadn't|never"
    rf"|failed to|neglected to|forgot to|yet to)(?: \w+ly| even| yet)? {_TOLD}\w*\b",
    rf"(?:{_OPENS}|\b(?:and|so|because|think|see|notice|seems?|like|believe|afraid) "
    r"|\b\w*(?:thing|point|part|piece|step|aspect)s? (?:that )?)you(?:'ve| have|'re| are)?"
    rf"(?: \w+ly| just| also| still)? (?:{_MISSED}|missing\b)",
    r"\bwhat you(?:'re| are| were) (?:missing|lacking)\b",
    r"\bwhat(?:'s| is| was) (?:still )?missing (?:here )?(?:is|(?:from|in) your)\b",
    rf"\byour (?:answer|design|response)s? (?:(?:is|was|are)(?: still)? (?:missing|incomplete"
    rf"|{_TRUE})|misses|lacks|omits|overlooks)\b",
    rf"{_OPENS}(?:that|this|it)(?:'s| is| was| sounds| seems){_SURELY} {_TRUE}\s*(?:[.!,;:—–-]|$)",
    rf"{_OPENS}you(?:'re| are){_SURELY} {_TRUE}\b",
    r"^\W*(?:correct|exactly|precisely|absolutely|wrong|incorrect|not quite|spot on)\s*"
    r"(?:[.!,;—–]|$)",
    r"\b(?:sie haben|du hast)\b.{0,40}\b(?:vergessen|übersehen|nicht erwähnt)\b",
    r"\bvous avez oublié\b|\b(?:has|ha) olvidado\b",
)

_SUPERB = r"great|excellent|perfect|fantastic|wonderful|brilliant|awesome|amazing|superb|impressive"
_GOOD = (
    rf"(?:{_SUPERB}|good|nice|solid|strong|terrific|outstanding|insightful|thoughtful|smart|clever"
    r"|fair|valid|sensible|thorough|interesting|lovely|helpful|reasonable|sharp|clear)"
)
_ANSWER = (
    r"(?:answer|point|question|idea|job|thought|start|work|choice|thinking|observation|catch"
    r"|approach|response|insight|way|instinct|plan|design|stuff|explanation|move|call|summary"
    r"|reasoning|framing|breakdown|one)"
)
_LEAD = (
    r"^\W*(?:(?:ok(?:ay)?|yes|yeah|right|alright|all right|so|and|well|hm+|ah|oh|wow|thanks"
    r"|thank you)\b[,.!]?\s+)*"
)
PRAISE = _any(
    rf"{_LEAD}"
    r"(?:(?:(?:that|this|it)(?:'s| is| was| sounds| seems)|such|you(?:'ve| have)? (?:made|make"
    r"|raised?|gave|given|got)|you(?:'re| are) (?:off to|making))\s+)?(?:an?\s+)?"
    r"(?:(?:really|very|pretty|quite|truly|absolutely|so|such|extremely)\s+)*"
    rf"(?:{_GOOD}[\s,]+(?:and\s+)?)+(?:\w+\s+)?{_ANSWER}(?=\s*(?:[.!,;:—–-]|$"
    r"|(?:on|there|about|and|but|so)\b|to (?:bring|raise|start|mention)\b))",
    rf"^\W*what an? (?:\w+ )?{_GOOD} \w+\s*(?:[.!]|$)",
    rf"{_LEAD}(?:{_SUPERB}|good|nice|bravo|well done|well put|well said|nicely done|nicely put"
    r"|love it|kudos)\s*(?:[.!,—–]|$)",
    r"\bi (?:really |very much |do )?(?:like|love|appreciate|admire)\b|\bi(?:'m| am) impressed\b",
    r"\b(?:great|good|excellent|nice|fantastic) (?:job|work|stuff)\b(?=\s*(?:[.!,]|$|on\b|with\b))",
    r"\bwell done\b|\b(?:sehr )?gute (?:antwort|frage|idee)\b",
    r"^\W*(?:sehr gut|ausgezeichnet|super|prima|muy bien|très bien|excelente|parfait|perfecto"
    r"|отлично|很好|非常好)(?:[\s,.!，。！]|$)",
    r"\b(?:bonne|excellente) (?:réponse|question|idée)\b|\bbuena (?:respuesta|pregunta|idea)\b",
)
SUPPOSING = _any(
    r"\b(?:suppos(?:e|ing)|imagin(?:e|ing)|assum(?:e|ing)|pretend|picture|hypothetical(?:ly)?"
    r"|what if|if|let's say)\b",
    r"(?:^|[.,;:—–]\s*|\band )say\b",
    r"\b(?:angenommen|stell|stellen|wenn|falls|supposons|imagin(?:ez|a|emos)|supong(?:a|amos)"
    r"|supón|se|si|suponha|если|представ\w*|предположим)\b",
    r"如果|假设|假如|もし|仮に|만약",
)
