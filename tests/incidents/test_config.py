"""howdah.yaml: found, trusted, read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from incidents import config
from incidents.errors import BadInput, Mistakes, NotPermitted


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOWDAH_CONFIG", "SUDO_UID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "SYSTEM", str(tmp_path / "etc.yaml"))
    (tmp_path / "repo" / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repo" / "deep" / "er")


def write(path: Path, text: str = "people: {nova: {unix: nova}}\n") -> str:
    path.write_text(text)
    return str(path)


def test_without_a_file_there_is_an_empty_configuration() -> None:
    found = config.load()
    assert (found.path, bool(found.people), found.permissions) == (None, False, {})


def test_the_order_in_which_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = write(tmp_path / "etc.yaml")
    assert config.find() == system
    (tmp_path / "repo" / ".git").mkdir()
    above = write(tmp_path / "howdah.yaml")
    assert config.find() == system, "the repository's top is the end of the way up"
    top = write(tmp_path / "repo" / "howdah.yaml")
    assert config.find() == top
    deep = write(tmp_path / "repo" / "deep" / "howdah.yaml")
    assert config.find() == deep
    monkeypatch.setenv("HOWDAH_CONFIG", above)
    assert config.find() == above
    assert config.find(top) == top


def test_outside_of_a_repository_only_the_working_folder_counts(tmp_path: Path) -> None:
    write(tmp_path / "repo" / "howdah.yaml")
    assert config.find() is None
    here = write(tmp_path / "repo" / "deep" / "er" / "howdah.yaml")
    assert config.find() == here


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file or directory; --config and"):
        config.load(str(tmp_path / "nowhere.yaml"))


def test_dev_null_is_no_configuration(tmp_path: Path) -> None:
    write(tmp_path / "repo" / "deep" / "er" / "howdah.yaml")
    assert config.load("/dev/null").path is None


def test_the_sections_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.yaml", "people: {nova: }\npermissions: {redact: [steward, nova], keep: steward}\n"
    )
    found = config.load(path)
    assert found.people.names() == ["nova"]
    assert found.permissions == {"redact": ("steward", "nova"), "keep": ("steward",)}
    assert found.text == Path(path).read_text()


def test_a_file_of_comments_is_empty(tmp_path: Path) -> None:
    assert config.load(write(tmp_path / "c.yaml", "# nothing yet\n\n")).people.names() == []


def test_all_mistakes_are_found_at_once_and_the_way_around_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", "poeple: {}\npeople: {nova: {zone: Mars}}\npermissions: {keep: []}\n")
    with pytest.raises(Mistakes) as caught:
        config.load(path)
    assert [mistake.line for mistake in caught.value.mistakes] == [1, 2, 3]
    assert caught.value.mistakes[0].hint == "did you mean people?"
    assert caught.value.hint == "--config /dev/null does without it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_not_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "c.yaml")
    os.chown(path, 12_345, -1)
    with pytest.raises(NotPermitted, match=r"belongs to another user \(uid 12345\), so it is not obeyed"):
        config.load(path)
    monkeypatch.setenv("SUDO_UID", "12345")
    assert config.load(path).path == path, "with sudo it is the caller's own"


def test_a_file_that_everyone_can_write_is_not_obeyed(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml")
    os.chmod(path, 0o666)
    with pytest.raises(
        NotPermitted, match=f"can be written by everyone, so it is not obeyed; chmod o-w {path}"
    ):
        config.load(path)


def test_where_the_bot_serves_is_two_ids_kept_as_text(tmp_path: Path) -> None:
    assert config.load().discord[:2] == (None, None)
    text = "discord:\n  guild: 99999999999999999999  # no float and no integer holds it\n  channel: '012345678901234567'\n"
    found = config.load(write(tmp_path / "c.yaml", text))
    assert found.discord[:2] == ("99999999999999999999", "012345678901234567")
    assert config.load(write(tmp_path / "c.yaml", "discord: {}\n")).discord[:2] == (None, None)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("discord: 5\n", "1:10: discord: is a map; write `discord: {guild: ID, channel: ID}`"),
        ("discord: {gild: 123456789012345678}\n", "1:11: discord has no 'gild'; did you mean guild?"),
        ("discord: {token: x}\n", "1:11: discord has no 'token'; there is guild, channel"),
        ("discord:\n  guild: 1234567890123456\n", "2:10: guild is an id of 17 to 20 digits; "),
        ("discord:\n  guild: 123456789012345678901\n", "2:10: guild is an id of 17 to 20 digits; "),
        ("discord:\n  channel: incidents\n", "2:12: channel is an id of 17 to 20 digits; "),
        ("discord: {channel: [123456789012345678]}\n", "1:20: channel is an id of 17 to 20 digits; "),
        ("discord: {guild: }\n", "1:18: guild is an id of 17 to 20 digits; "),
        (
            "discord: {guild: １２３４５６７８９０１２３４５６７８}\n",
            "1:18: guild is an id of 17 to 20 digits; ",
        ),
    ],
)
def test_a_mistake_about_the_bots_place_is_found_where_it_stands(
    tmp_path: Path, text: str, wrong: str
) -> None:
    path = write(tmp_path / "c.yaml", text)
    with pytest.raises(Mistakes) as caught:
        config.load(path)
    (mistake,) = caught.value.mistakes
    assert str(mistake).startswith(f"{path}:{wrong}")


def test_schedules_are_read_and_what_is_doubtful_in_them_is_kept(tmp_path: Path) -> None:
    assert (config.load().schedules, config.load().doubts) == ({}, ())
    text = "schedules:\n  infra: {layers: [{id: primary, users: [nova]}]}\n  later: {layers: []}\n"
    found = config.load(write(tmp_path / "c.yaml", text))
    assert list(found.schedules) == ["infra", "later"]
    assert found.schedules["infra"].layers[0].users == ("nova",)
    assert [(doubt.line, doubt.message) for doubt in found.doubts] == [(3, "later: it has no layers")]


def test_mistakes_in_schedules_are_told_with_those_of_the_other_sections(tmp_path: Path) -> None:
    text = "poeple: {}\nschedules:\n  infra: {timezone: Europe/Berln, layers: []}\n"
    path = write(tmp_path / "c.yaml", text)
    with pytest.raises(Mistakes) as caught:
        config.load(path)
    assert [str(mistake) for mistake in caught.value.mistakes] == [
        f"{path}:1:1: there is no section 'poeple'; did you mean people?",
        f"{path}:3:21: infra: `timezone`: 'Europe/Berln' is not a time zone; did you mean Europe/Berlin?",
    ]


def test_a_configuration_may_hold_a_thousand_schedules(tmp_path: Path) -> None:
    layer = "{id: primary, rotation: {unit: week, start: 2022-11-07T09:00, participants: [[hazel], [nova]]}}"
    one = (
        "  s%d:\n    layers:\n"
        + f"      - {layer}\n"
        + "".join(
            f"      - {{id: l{i}, level: {i}, users: [hazel, nova], windows: [{{days: [mon, tue], start: 09:00}}]}}\n"
            for i in range(10)
        )
    )
    found = config.load(write(tmp_path / "c.yaml", "schedules:\n" + "".join(one % i for i in range(1000))))
    assert len(found.schedules) == 1000
