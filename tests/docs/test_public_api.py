"""The public names are there, and the examples of docs/library.md print what the page says."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatops import vocabulary

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
EXAMPLE = re.compile(r"```python\n(.*?)```(?:\n```\n(.*?)```)?", re.DOTALL)


@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("incidents", ["Actor", "Draft", "Event", "Incident", "open_store"]),
        ("runbooks", ["attach", "load", "plan", "start"]),
        ("chatops", ["Call", "Reply", "command"]),
    ],
)
def test_the_public_names_are_there(package: str, names: list[str]) -> None:
    module = importlib.import_module(package)
    assert set(names) <= set(module.__all__)
    for name in names:
        assert callable(getattr(module, name)), name
    with pytest.raises(AttributeError):
        module.no_such_name  # noqa: B018 - reading it is the test


@pytest.mark.parametrize("package", ["incidents", "runbooks", "chatops"])
def test_a_package_is_typed_and_loads_nothing_by_itself(package: str) -> None:
    code = f"import sys, {package}; print(sorted(n for n in sys.modules if n.startswith('{package}.')))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
    assert (Path(str(importlib.import_module(package).__file__)).parent / "py.typed").exists()


def test_the_examples_print_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUDO_USER", "nova")
    monkeypatch.setattr(vocabulary, "_commands", dict(vocabulary.registry()))
    for name in ("HOWDAH_STORE", "HOWDAH_CONFIG", "HOWDAH_AS"):
        monkeypatch.delenv(name, raising=False)
    names: dict[str, object] = {"__name__": "example"}
    examples = EXAMPLE.findall(PAGE)
    assert len(examples) >= 9
    for code, expected in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "docs/library.md", "exec"), names)  # noqa: S102 - our own page
        assert printed.getvalue() == expected, code
