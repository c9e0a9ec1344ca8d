"""Made-up files of the kinds people feed Spar: an episode of a podcast, a PDF."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

from pypdf import PdfWriter

Talk = Sequence[tuple[str, str]]

# A host's short questions, each with an answer of its own words.
PRUNING: Talk = (
    ("Hanna Host", "Welcome to the garden hour. When do you prune your roses, Rosa?"),
    (
        "Rosa Thorn",
        "I prune roses in early spring, when the forsythia blooms and the hard frost is over.",
    ),
    ("Hanna Host", "And what do you do about greenfly without any poison at all?"),
    (
        "Rosa Thorn",
        "Ladybirds eat the greenfly; I plant dill and fennel next to the roses to feed them.",
    ),
    ("Hanna Host", "How much water does a rose in a clay pot really need in July?"),
    (
        "Rosa Thorn",
        "Ten litres a week, given in the morning at the root, never over the leaves at noon.",
    ),
    ("Hanna Host", "Which mistake do you see in almost every garden that you visit?"),
    (
        "Rosa Thorn",
        "People dig in too much fresh manure and then wonder why the roots are burnt by May.",
    ),
    ("Hanna Host", "Thank you for all of this, Rosa, and until next week in the garden."),
)
BREWING: Talk = (
    ("Hanna Host", "Today it is beer. What does the mash temperature decide, Bruno?"),
    (
        "Bruno Malt",
        "A mash at sixty-two degrees makes a dry beer, one at seventy degrees a sweet one.",
    ),
    ("Hanna Host", "And how do you know that the yeast has finished its work in the barrel?"),
    (
        "Bruno Malt",
        "The hydrometer shows the same gravity three days in a row; then fermentation is over.",
    ),
    ("Hanna Host", "What is the most common reason for a beer that tastes of butter?"),
    (
        "Bruno Malt",
        "Diacetyl: the yeast was taken out too cold and too early, so it left the butter behind.",
    ),
    ("Hanna Host", "Which hops would you give to somebody who brews for the first time?"),
    (
        "Bruno Malt",
        "Saaz, since it forgives nearly everything and even a long boil leaves it gentle.",
    ),
)
KEEPING: Talk = (
    ("Hanna Host", "Bees this time. What is the first thing to look at in a hive, Bea?"),
    (
        "Bea Comb",
        "Look for eggs: where there are eggs there was a queen within the last three days.",
    ),
    ("Hanna Host", "When do you take the honey, and how much of it do you leave inside?"),
    (
        "Bea Comb",
        "I take it in July and leave fifteen kilos, as the colony has to last the winter.",
    ),
    ("Hanna Host", "What helps against the varroa mite when summer comes to its end?"),
    ("Bea Comb", "Formic acid in August and oxalic acid in December, when there is no brood left."),
    ("Hanna Host", "How far do your bees fly for a field of rape or a row of lindens?"),
    ("Bea Comb", "Three kilometres at the most; beyond that they burn more than they bring home."),
)


def episode(
    title: str,
    talk: Talk,
    *,
    guests: Sequence[str] = (),
    youtube: str | None = None,
    number: int | None = None,
) -> str:
    """A podcast file: a line every half minute, in two chapters. JSON is YAML too."""
    head: dict[str, object] = {"title": title, "guests": list(guests)}
    if youtube is not None:
        head["ids"] = {"youtube": youtube}
    if number is not None:
        head |= {"season": 1, "episode": number}
    rows: list[dict[str, object]] = []
    chapters = {0: "The beginning", 4: "The rest"}
    for n, (who, line) in enumerate(talk):
        if n in chapters:
            rows.append({"header": chapters[n]})
        minute, second = divmod(30 * n, 60)
        rows.append({"line": line, "sec": 30 * n, "time": f"{minute}:{second:02}", "who": who})
    front = [f"{key}: {json.dumps(value)}" for key, value in head.items()]
    body = [f"- {json.dumps(row)}" for row in rows]
    return "\n".join(["---", *front, "transcript:", *body, "---", ""])


def pdf(
    pages: Sequence[Sequence[str]], title: str | None = None, to_unicode: str | None = None
) -> bytes:
    """A text PDF, a string a line; ``to_unicode`` maps the letter A to UTF-16 in hexadecimal."""
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(pages)))
    mapping = f"1 beginbfchar <41> <{to_unicode}> endbfchar" if to_unicode else ""
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica"
        + ("/ToUnicode 4 0 R>>" if to_unicode else ">>"),
        f"<</Length {len(mapping)}>>\nstream\n{mapping}\nendstream",
    ]
    for n, lines in enumerate(pages):
        shown = " ".join(f"({line}) Tj T*" for line in lines)
        drawn = f"BT /F1 12 Tf 14 TL 50 700 Td {shown} ET"
        fonts = "/Resources<</Font<</F1 3 0 R>>>>"
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]{fonts}/Contents {6 + 2 * n} 0 R>>",
            f"<</Length {len(drawn)}>>\nstream\n{drawn}\nendstream",
        ]
    objects.append(f"<</Title({title})>>" if title else "<<>>")
    out = "%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer\n<</Size {size}/Root 1 0 R/Info {len(objects)} 0 R>>\n"
        f"startxref\n{len(out)}\n%%EOF\n"
    ).encode("latin-1")


def locked(data: bytes, password: str) -> bytes:
    """The PDF encrypted; an empty password only keeps people from printing it."""
    writer = PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
