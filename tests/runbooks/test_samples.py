"""Numbers of a watched step: their rate, their file, and what is left when there are too many."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from incidents import clock
from runbooks import cases, loader, samples, testing
from runbooks.document import Sampled, Watch
from runbooks.inputs import OutputSpec
from runbooks.samples import Row

SECOND = clock.SECOND


def watch(kind: str = "int", *, rate: int | None = 60 * SECOND, counter: bool = False) -> Watch:
    return Watch(5 * SECOND, {"done": Sampled(OutputSpec("done", "text", type=kind), rate, counter)})


def rows(*values: int | str | None, every: int = 10) -> list[Row]:
    return [
        Row(place * every * SECOND, place * every * SECOND, {} if value is None else {"done": value}, "")
        for place, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("values", "counter", "rate"),
    [
        ((72, 60, 48, 36, 24, 12), False, "-1.2"),
        ((0, 1, 2, 3), False, "0.1"),  # exactly half of the time is covered
        ((0, 1, 2), False, None),
        ((5,), False, None),
        ((900, 0, 0, 0, 0, 60, 120, 180, 240, 300), False, "5"),  # the last minute alone
        ((100, 140, 180, 20, 60), True, "3.5"),  # 40 + 40, then 20 from nothing, then 40
        ((100, 140, 180, 20, 60), False, "-1"),
        ((0, None, None, None, 40), False, "1"),  # between two that are there
        (("0.5", "1.5", "2.5", "2.75"), False, "0.075"),
        ((0, 1, 1, 1), False, "0.033"),
    ],
)
def test_a_rate_is_the_change_over_the_samples_of_its_time(
    values: tuple[int | str | None, ...], counter: bool, rate: str | None
) -> None:
    watched = watch("number" if isinstance(values[0], str) else "int", counter=counter)
    assert samples.rates(rows(*values), watched) == {"done_rate": rate}


def test_the_outcome_tells_first_last_least_most_and_the_resets_of_a_counter() -> None:
    seen = rows(100, 180, None, 20, 60)
    assert samples.summary(seen, watch(counter=True)) == {
        "done": {"first": 100, "last": 60, "least": 20, "most": 180, "samples": 4, "resets": 1}
    }
    assert "resets" not in samples.summary(seen, watch())["done"]


def test_the_file_is_read_as_it_was_written_but_for_a_torn_last_line(tmp_path: Path) -> None:
    file = tmp_path / "3.samples"
    given: dict[str, tuple[int | str, ...]] = {
        "int": (3, 20),
        "duration": (1_500_000, 2_000_000),
        "percent": ("12.5", "50"),
    }
    for kind, values in given.items():
        watched = watch(kind)
        written = [*rows(*values), Row(25 * SECOND, 25 * SECOND, {}, 'no, "never"\nagain')]
        file.write_text(samples.text(written, watched) + "2026-01-01T00:00:0")
        *good, bad = samples.read(str(file), watched)
        assert good == written[:-1]
        assert bad == written[-1]._replace(trouble="no; 'never' again")
    assert samples.read(str(file), Watch(SECOND, {"other": watched.outputs["done"]})) == []
    assert samples.read(str(tmp_path / "none"), watched) == []


def test_of_many_samples_the_first_and_the_latest_stay() -> None:
    many = rows(*range(samples.MOST + 1))
    few = samples.thinned(many)
    assert len(few) < 2 * samples.MOST / 3
    assert few[0] == many[0] and few[-samples.DENSE :] == many[-samples.DENSE :]
    assert [row.ran for row in few] == sorted(row.ran for row in few)


def test_a_number_is_told_in_few_words() -> None:
    track = samples.Track("waiting", (Fraction(15_000), Fraction(9_800), Fraction("12340.5")), "-210.333")
    assert samples.words(track) == "waiting 12,340.5 (9,800–15,000), −210.33/s"
    assert samples.words(samples.Track("waiting", (), "", "exit 3")) == "waiting: exit 3"


BOOK = """
name: book
steps:
  - id: drained
    wait: {for: 1h, until: "${{ result.outputs.waiting == 0 and result.outputs.waiting_rate < 0 }}"}
    watch: {every: 1m, run: [look], outputs: {waiting: {text: true, type: int, rate: 2m}}}
  - id: polled
    effect: read
    run: [look]
    until: ${{ result.outputs.left_rate == -1 }}
    retry: {max: 9, delay: 30s}
    watch: {every: 1s, outputs: {left: {text: true, type: int, rate: 1m}}}
  - {id: end, stop: {status: ok, say: "${{ steps.drained.outputs.waiting_rate }} and ${{ steps.polled.outputs.left }}"}}
"""
GIVEN = """
cases:
  - name: it drains
    results:
      drained.watch: [{outputs: {waiting: 180}}, {exit: 3}, {outputs: {waiting: 60}}, {output: "0"}]
      polled: [{outputs: {left: 90}}, {outputs: {left: 60}}, {output: "30"}]
    expect: {status: ok, says: -1 and 60}
"""


def test_a_test_of_a_runbook_says_what_the_looks_see(tmp_path: Path) -> None:
    book = tmp_path / "book.yaml"
    book.write_text(BOOK)
    (tmp_path / "book.test.yaml").write_text(GIVEN)
    found = testing.run(loader.load(str(book)), cases.read(str(tmp_path / "book.test.yaml")))
    assert [(one.wrong, one.case.name) for one in found] == [((), "it drains")]
