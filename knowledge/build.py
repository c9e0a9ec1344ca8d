"""``python -m knowledge.build``: write the packaged vectors after the notes have changed."""

from __future__ import annotations

import sys

from knowledge.corpus import load_entries
from knowledge.encoder import MiniLMEncoder
from knowledge.vectors import packaged_vectors_path, save_vectors


def main() -> int:
    """Encode the packaged notes; prints how many texts and where they went."""
    path = packaged_vectors_path()
    entries = load_entries()
    count = save_vectors(path, entries, MiniLMEncoder())
    sys.stdout.write(f"{len(entries)} notes, {count} texts -> {path.name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
