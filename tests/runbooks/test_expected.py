"""How long a step usually takes: the median of what went well, and nothing where nobody has seen it."""

from __future__ import annotations

from incidents import clock, kinds
from runbooks import expected, journal


def run(took: dict[str, tuple[str, int]], whole: int | None = None) -> journal.Run:
    """A run whose steps took so many seconds."""
    made = journal.Run("run-1", "inc-1")
    for n, (path, (status, seconds)) in enumerate(took.items(), 1):
        begin = clock.Reading(n, "boot", n)
        command = kinds.StepStarted(path, path, n, 1, "read")
        end = kinds.StepEnded(path, status, n=n, took=seconds * clock.SECOND)
        attempt = journal.Attempt(n, path, "run", 1, "read", begin, command, None, end)  # type: ignore[arg-type]
        made.steps[path] = journal.StepState(path, status=status, attempts=[attempt])
    if whole is not None:
        made.started_at = clock.Reading(0, "boot", 0)
        made.ended_at = clock.Reading(whole * clock.SECOND, "boot", whole * clock.SECOND)
        made.end = kinds.RunEnded("ok", 0)
    return made


def test_it_is_the_median_of_what_went_well_with_how_many_were_seen() -> None:
    found = expected.usual(
        [
            run({"copy": ("ok", 10), "look": ("ok", 0)}, 20),
            run({"copy": ("ok", 14)}, 30),
            run({"copy": ("ok", 300)}, 40),
            run({"copy": ("failed", 1)}),
        ]
    )
    assert found.of("copy") == "usually 14 s (3 runs)"
    assert found.run == "usually 30 s (3 runs)"


def test_of_what_is_short_or_was_never_seen_nothing_is_said() -> None:
    found = expected.usual([run({"look": ("ok", 0)})])
    assert found.of("look") == found.of("copy") == found.run == ""
