"""The word that was meant."""

from __future__ import annotations

from collections.abc import Iterable


def near(word: str, choices: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The one of `choices` that is most like `word` (1 is equal), None where none comes up to `cutoff`."""
    import difflib  # only who mistyped pays for it

    return next(iter(difflib.get_close_matches(word, list(choices), n=1, cutoff=cutoff)), None)


def near_hint(word: str, known: Iterable[str]) -> str:
    """`did you mean X?`, or all that there is."""
    known = list(known)
    meant = near(word, known)
    return f"did you mean {meant}?" if meant else f"there is {', '.join(known)}"
