"""Schedules from YAML: every mistake with its place and its cure, all at once; what is sound as it was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from incidents import clock, yamlfile
from incidents.errors import BadInput, Mistakes
from incidents.oncall import reading
from incidents.oncall.resolve import Resolver
from incidents.oncall.schedule import (
    EVERY_DAY,
    FIRST,
    LAST,
    Absence,
    Layer,
    Override,
    Rotation,
    Schedule,
    Shift,
    Swap,
    Temporary,
    Window,
)  # fmt: skip
from incidents.sections import SECTIONS

CASES = Path(__file__).parents[2] / "cases" / "schedules"
DOCS = Path(__file__).parents[3] / "docs" / "oncall.md"


def at(text: str) -> int:
    return clock.parse_iso(text)


def wall(text: str) -> int:
    return clock.parse_iso(text + "Z")


def of(text: str) -> Schedule:
    """The only schedule, sound and beyond doubt."""
    read = reading.loads(f"schedules:\n  infra: {text}\n", "f")
    assert (read.mistakes, read.doubts) == ([], [])
    return read.schedules["infra"]


def layer(text: str) -> Layer:
    return of(f"{{timezone: Europe/Berlin, layers: [{{id: a, {text}}}]}}").layers[0]


def rotation(text: str) -> Rotation:
    found = layer(
        f"rotation: {{unit: week, start: 2022-11-07T09:00, participants: [[hazel]], {text}}}"
    ).rotation
    assert found is not None
    return found  # fmt: skip


def told(text: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        reading.loads(text, "f")
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.yaml")))
def test_a_file_is_told_all_that_is_wrong_or_doubtful_in_it(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CASES)
    try:
        found = "".join(f"{doubt}\n" for doubt in reading.load(f"{case}.yaml").doubts)
    except BadInput as error:
        assert error.exit_code == 2
        found = f"{error}\n"
    assert found == Path(f"{case}.out").read_text()


def test_every_mistake_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    for case in sorted(CASES.glob("*.yaml")):
        read = (
            reading.parse(yamlfile.read(case.name).value["schedules"], case.name)
            if "schedules:" in case.read_text()
            else None
        )
        for mistake in [*read.mistakes, *read.doubts] if read else ():
            assert mistake.hint, mistake  # fmt: skip


def test_the_example_of_the_documentation_means_what_it_says() -> None:
    example = DOCS.read_text().split("```yaml\n", 1)[1].split("```", 1)[0]
    read = reading.loads(example, "oncall.yaml")
    assert (list(read.schedules), read.doubts) == (["infra"], [])
    infra = read.schedules["infra"]
    turning = Rotation(
        "week", 1, wall("2022-11-07T09:00"), (("hazel",), ("preston", "malte")), "America/Los_Angeles"
    )
    night = Window((True, True) + (False,) * 5, 22 * clock.HOUR, 30 * clock.HOUR)
    primary = Layer(
        "primary", "America/Los_Angeles", 1, turning, windows=(night,),
        since=at("2022-11-01T00:00:00Z"), until=at("2023-03-01T00:00:00Z"),
    )  # fmt: skip
    assert infra.zone == "Europe/Berlin" and not infra.union
    assert infra.layers == (primary, Layer("cover", "Europe/London", users=("nova",)))
    assert infra.overrides == (
        Override("replace_all", at("2022-11-09T18:00:00Z"), at("2022-11-10T00:00:00Z"), users=("nova",)),
        Override("replace_user", at("2022-11-12T08:00:00Z"), at("2022-11-12T20:00:00Z"), remove="hazel", add="nova"),
        Override("add_user", at("2022-11-13T08:00:00Z"), at("2022-11-13T20:00:00Z"), add="malte"),
        Override("remove_user", at("2022-11-14T08:00:00Z"), at("2022-11-14T20:00:00Z"), remove="malte"),
    )  # fmt: skip
    assert infra.swaps == (Swap("hazel", "preston", at("2022-11-20T00:00:00Z"), at("2022-11-21T00:00:00Z")),)
    shift = Shift(("nova",), at("2022-12-24T00:00:00Z"), at("2022-12-25T12:00:00Z"))
    assert infra.temporary == (Temporary(at("2022-12-24T00:00:00Z"), at("2022-12-27T00:00:00Z"), (shift,)),)
    assert infra.absences == (
        Absence("hazel", at("2022-12-20T00:00:00Z"), at("2023-01-02T00:00:00Z"), "holiday"),
    )


def test_what_is_left_out_has_its_default() -> None:
    infra = of("{layers: [{id: a, users: [nova]}]}")
    assert infra == Schedule("infra", "UTC", False, (Layer("a", "UTC", 0, None, ("nova",), (), FIRST, LAST),))
    found = rotation("")
    assert (found.length, found.active_day, found.elapsed) == (1, False, False)
    assert layer("users: [nova], windows: [{}]").windows == (Window(EVERY_DAY, 0, clock.DAY),)
    swap = of(
        "{layers: [{id: a, users: [nova]}], swaps: [{from: a, to: b, start: 2022-11-20T00:00Z, end: 2022-11-21T00:00Z}]}"
    )
    assert swap.swaps[0].status == "taken"  # fmt: skip


@pytest.mark.parametrize(
    ("own", "rotations", "windows", "turns"),
    [
        ("", "", "Europe/Berlin", "Europe/Berlin"),
        ("", "timezone: Asia/Kathmandu", "Asia/Kathmandu", "Asia/Kathmandu"),
        ("timezone: Pacific/Apia, ", "", "Pacific/Apia", "Europe/Berlin"),
        ("timezone: Pacific/Apia, ", "timezone: Asia/Kathmandu", "Pacific/Apia", "Asia/Kathmandu"),
    ],
)
def test_whose_zone_counts(own: str, rotations: str, windows: str, turns: str) -> None:
    turning = f"rotation: {{unit: day, start: 2022-11-07T09:00, participants: [a], {rotations}}}"
    found = layer(own + turning)
    assert found.rotation is not None
    assert (found.zone, found.rotation.zone) == (windows, turns)


def test_a_flat_list_of_participants_is_groups_of_one() -> None:
    flat = layer("rotation: {unit: day, start: 2022-11-07T09:00, participants: [hazel, nova, [a, b]]}")
    assert flat.rotation is not None
    assert flat.rotation.participants == (("hazel",), ("nova",), ("a", "b"))


@pytest.mark.parametrize("name", ["nova", "Nova", "k.nova", "_nova", "nova_2", "3-nova", "on", "n" * 64])
def test_names_in_any_case(name: str) -> None:
    assert layer(f"users: [{name}]").users == (name,)


def test_a_quoted_value_means_what_a_plain_one_does() -> None:
    plain = "{timezone: UTC, layers: [{id: a, level: -2, from: 2022-11-01T00:00Z, rotation: {unit: day, length: 3, elapsed: true, start: 2022-11-07T09:00, participants: [a]}, windows: [{days: [mon], start: 22:00, end: 24:00}]}]}"
    quoted = '{"timezone": "UTC", layers: [{id: "a", level: "-2", from: "2022-11-01T00:00Z", rotation: {unit: \'day\', length: "3", elapsed: "true", start: "2022-11-07T09:00", participants: ["a"]}, windows: [{days: ["mon"], start: "22:00", end: "24:00"}]}]}'
    assert of(plain) == of(quoted)
    assert of(plain).layers[0].level == -2


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("start: 09:00, end: 17:00", 9, 17),
        ("start: 22:00, end: 06:00", 22, 30),
        ("start: 22:00, end: 00:00", 22, 24),
        ("start: 22:00, end: 24:00", 22, 24),
        ("start: 22:00", 22, 24),
        ("end: 06:00", 0, 6),
        ("start: 00:00, end: 24:00", 0, 24),
    ],
)
def test_when_a_window_ends(text: str, start: int, end: int) -> None:
    window = layer(f"users: [nova], windows: [{{{text}}}]").windows[0]
    assert (window.start, window.end) == (start * clock.HOUR, end * clock.HOUR)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2022-11-07T09:00Z", "2022-11-07T09:00:00Z"),
        ("2022-11-07T09:00:30Z", "2022-11-07T09:00:30Z"),
        ("2022-11-07T09:00:30.25Z", "2022-11-07T09:00:30.250000Z"),
        ("2022-11-07T09:00:00+05:45", "2022-11-07T03:15:00Z"),
        ("2022-11-07T09:00-0330", "2022-11-07T12:30:00Z"),
        ("1900-01-01T00:00Z", "1900-01-01T00:00:00Z"),
        ("9000-12-31T23:59:59-12:00", "9001-01-01T11:59:59Z"),
    ],
)
def test_instants_with_their_offset(text: str, meant: str) -> None:
    key = "until" if text > "2000" else "from"
    found = layer(f"users: [nova], {key}: {text}")
    assert (found.until if key == "until" else found.since) == at(meant)


def test_overrides_that_touch_or_lie_on_different_levels_do_not_overlap() -> None:
    spans = [("00", "06", 0), ("12", "18", 0), ("06", "12", 0), ("00", "18", 1), ("00", "18", -1)]
    text = ", ".join(
        f"{{kind: add_user, add: nova, start: 2022-11-07T{a}:00Z, end: 2022-11-07T{b}:00Z, level: {level}}}"
        for a, b, level in spans
    )
    infra = of(f"{{layers: [{{id: a, users: [nova]}}], overrides: [{text}]}}")
    assert [override.level for override in infra.overrides] == [0, 0, 0, 1, -1]


def test_of_several_overlaps_the_later_in_the_file_are_the_mistakes() -> None:
    one = "      - {kind: add_user, add: nova, start: 2022-11-%sT00:00Z, end: 2022-11-%sT00:00Z}\n"
    spans = [("10", "12"), ("01", "20"), ("12", "14"), ("08", "10"), ("13", "15")]
    text = "schedules:\n  infra:\n    layers: []\n    overrides:\n" + "".join(one % span for span in spans)
    assert [mistake.split("; ")[0] for mistake in told(text)] == [
        "f:6:9: infra: this override of nova overlaps the one in line 5",
        "f:9:9: infra: this override of nova overlaps the one in line 7",
    ]


def test_a_sound_schedule_is_read_although_its_neighbour_is_not() -> None:
    node = yamlfile.parse("{a: {layers: [{id: x, users: [nova]}]}, b: {zone: x}}", "f")
    read = reading.parse(node, "f")
    assert list(read.schedules) == ["a"]
    assert [mistake.message for mistake in read.mistakes] == ["b: a schedule has no 'zone'"]


def test_a_howdah_yaml_can_be_named_as_the_file_of_schedules(tmp_path: Path) -> None:
    path = tmp_path / "howdah.yaml"
    path.write_text("".join(f"{section}: {{}}\n" for section in SECTIONS))
    assert reading.load(str(path)).schedules == {}


def test_an_aliased_layer_counts_where_it_is_used() -> None:
    text = "schedules:\n  a: {layers: [&x {id: p, users: [nova]}]}\n  b: {timezone: Asia/Kathmandu, layers: [*x]}\n"
    read = reading.loads(text, "f")
    assert [one.layers[0].zone for one in read.schedules.values()] == ["UTC", "Asia/Kathmandu"]


def test_a_thousand_ordinary_schedules_are_one_file() -> None:
    """More than a runbook may have: the limits of yamlfile are wider here."""
    example = DOCS.read_text().split("```yaml\n", 1)[1].split("```", 1)[0].partition("\n")[2]
    text = "schedules:\n" + "".join(example.replace("infra:", f"infra-{i}:", 1) for i in range(1000))
    assert len(text) > yamlfile.MAX_BYTES
    assert len(reading.loads(text, "f").schedules) == 1000


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "holds more than 500000 values" in told("\n".join(levels))[0]


def test_a_file_full_of_mistakes_is_told_within_reason() -> None:
    """Beyond so many nobody is asked for each which word was meant."""
    zones = "".join(f"  s{i}: {{timezone: Erope/Berln{i}, layers: []}}\n" for i in range(3000))
    found = told("schedules:\n" + zones)
    assert len(found) == 3000
    assert found[0].endswith("did you mean Europe/Berlin?")
    assert found[-1].endswith("use an IANA name such as Europe/Berlin")


def test_two_temporary_schedules_at_once_are_doubtful_and_have_the_people_of_both() -> None:
    one = "      - {start: 2022-11-%sT00:00Z, end: 2022-11-%sT00:00Z, shifts: [{users: [%s], start: 2022-11-%sT00:00Z, end: 2022-11-%sT00:00Z}]}\n"
    spans = [("10", "12", "a"), ("12", "14", "b"), ("11", "13", "c")]
    text = "schedules:\n  infra:\n    layers: [{id: x, users: [nova]}]\n    temporary:\n"
    read = reading.loads(text + "".join(one % (a, b, who, a, b) for a, b, who in spans), "f")
    assert [str(doubt) for doubt in read.doubts] == [
        "f:7:9: infra: this temporary schedule overlaps the one in line 5; while both last, the people of both are on call"
    ]
    assert Resolver(read.schedules["infra"]).on_call(at("2022-11-11T12:00Z")) == ("a", "c")


def test_what_is_too_large_or_no_zone_but_letters_says_so() -> None:
    (level,) = told("schedules: {a: {layers: [{id: x, users: [nova], level: 99999999999999999999}]}}")
    assert level.endswith("it is too large: from -9,007,199,254,740,991 to 9,007,199,254,740,991")
    (zone,) = told("schedules: {a: {timezone: CEST, layers: [{id: x, users: [nova]}]}}")
    assert "did you mean" not in zone and "use an IANA name such as Europe/Berlin" in zone
