"""Thirty days of November 2022, our rules beside a plain weekly rotation (november_2022.py): people's figures, no times.

- rest breaches, the longest stretch awake, Gini of night pages, pages that the first person did not take
- ours breaks no limit while somebody may take the duty without breaking one: an oracle checks every choice, also with
  three people, where often nobody may
- on small cases an offline optimum, which knows everything beforehand, stands beside ours
"""

from __future__ import annotations

from collections.abc import Sequence

from incidents import clock
from incidents.oncall.limits import Limits
from tests.bench import november_2022 as november
from tests.bench.measure import Figure
from tests.bench.november_2022 import Month, Result

SEEDS = range(8)
THIN = range(3)  # months of a team of three
SMALL = range(60)
UNWOKEN = Limits(pages_per_night=0)


def figures(folder: str) -> list[Figure]:
    plain = [november.plain(seed) for seed in SEEDS]
    ours = [november.Ours(seed).run() for seed in SEEDS]
    unwoken = [november.Ours(seed, limits=UNWOKEN).run() for seed in SEEDS]
    thin = [november.Ours(seed, people=november.NAMES[:3]).run() for seed in THIN]
    rows = {"plain weekly rotation": plain, "ours": ours, "ours, pages_per_night: 0": unwoken}
    print(f"\n{table(rows)}\n")
    print(
        f"a team of three, of one such choice: {next(said.reason for month in thin for said in month.said)}\n"
    )
    checked = [*ours, *unwoken, *thin]
    choices, wrong = (
        sum(month.choices for month in checked),
        [line for month in checked for line in month.broke],
    )
    said, of = sum(len(month.said) for month in thin), sum(month.choices for month in thin)
    small = [november.small(seed) for seed in SMALL]
    least, most = sum(one.optimum for one in small), sum(one.ours for one in small)
    equal = sum(one.ours == one.optimum for one in small)
    return [
        *_against(plain, ours),
        Figure("choices that break a limit needlessly", "none", f"{len(wrong)} of {choices:,}", not wrong),
        Figure("a team of three: nobody may, and it is said", "each with its reason", f"{said} of {of:,} choices",
               all(one.reason for month in thin for one in month.said)),
        Figure("small cases: limits broken, optimum beside", "reported",
               f"{most} and {least} in {len(small)} cases, {equal} equal", most >= least),
    ]  # fmt: skip


def _against(plain: Sequence[Month], ours: Sequence[Month]) -> list[Figure]:
    before, after = [november.result(month) for month in plain], [november.result(month) for month in ours]
    breaches = sum(one.breaches for one in before), sum(one.breaches for one in after)
    awake = max(one.awake for one in before), max(one.awake for one in after)
    return [
        Figure("rest breaches, against a plain rotation", "none", f"{breaches[1]} to {breaches[0]}", breaches[1] == 0),
        Figure(
            "longest stretch awake, against a plain one", "shorter", f"{_hours(awake[1])} to {_hours(awake[0])}",
            awake[1] < awake[0],
        ),
    ]  # fmt: skip


def table(rows: dict[str, list[Month]]) -> str:
    """Sums over the months, the Gini as their mean, the stretch awake as the longest of all."""
    lines = [
        f"{len(SEEDS)} months, {sum(month.calls for month in rows['ours'])} incidents, {len(november.NAMES)} people",
        f"{'':26}{'rest':>10}{'longest':>10}{'night':>8}{'Gini of':>10}{'not at the':>12}{'by':>8}",
        f"{'':26}{'breaches':>10}{'awake':>10}{'pages':>8}{'them':>10}{'first call':>12}{'nobody':>8}",
    ]
    for name, months in rows.items():
        found = [november.result(month) for month in months]
        lines.append(
            f"{name:26}{_sum(found, 'breaches'):>10}{_hours(max(one.awake for one in found)):>10}"
            f"{_sum(found, 'night_pages'):>8}{sum(one.gini for one in found) / len(found):>10.2f}"
            f"{_sum(found, 'unanswered'):>12}{_sum(found, 'lost'):>8}"
        )
    return "\n".join(lines)


def _sum(found: Sequence[Result], name: str) -> int:
    return sum(getattr(one, name) for one in found)


def _hours(micros: int) -> str:
    return f"{micros / clock.HOUR:.1f} h"
