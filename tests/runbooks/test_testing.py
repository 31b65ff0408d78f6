"""Tests of runbooks: the library's own, what a broken copy does to them, and what each kind of result leads to."""

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
from pathlib import Path

import pytest

from incidents.errors import Mistakes
from runbooks import cases, loader, subjects, testing

LIBRARY = [one.path for one in loader.available(beside=None)]
BOOK = r"""
name: book
inputs: {mount: {type: path, required: true}, want: {type: bytes, default: 2GiB}, token: {type: secret}}
steps:
  - id: before
    effect: read
    run: [df, -B1, --, "${{ inputs.mount }}"]
    outputs: {avail: {regex: '(\d+)\s*$', type: bytes}, note: {regex: '(.*)'}}
  - id: enough
    if: ${{ steps.before.outputs.avail >= inputs.want }}
    stop: {status: ok, say: enough}
  - {id: pause, wait: {for: 10m}}
  - id: look
    effect: read
    until: ${{ result.exit == 0 }}
    retry: {max: 3, delay: 1h}
    run: [look]
  - id: grow
    confirm: Grow?
    approve: {count: 2}
    run: [lvextend, -L, "${{ inputs.want }}b"]
    env: {TOKEN: "${{ inputs.token }}", WHO: "${{ steps.before.outputs.note }}"}
    verify: {run: [lvs], no: [10]}
    undo: {run: [lvreduce]}
  - id: hosts
    targets: {hosts: web, serial: 1, max_fail_percentage: 50}
    timeout: 1m
    run: [restart]
  - id: block
    block: [{id: last, run: [last]}]
    rescue: [{id: tell, run: [tell]}]
"""
HOSTS = "hosts: {web1: {roles: [web]}, web2: {roles: [web]}}\n"
USUAL = """
results: {before: {outputs: {avail: 1GiB, note: 7}}}
"""
YES = "answers: {grow: [yes, approve]}"


def told(
    tmp_path: Path,
    case: str,
    book: str = BOOK,
    inputs: str = "{mount: /var, token: geheim}",
    usual: str = USUAL,
) -> testing.Told:
    """One case against the book above; `case` is its keys, each a line."""
    (tmp_path / "book.yaml").write_text(book)
    lines = "\n".join(f"    {line}" for line in case.strip().splitlines())
    (tmp_path / "book.test.yaml").write_text(
        f"{HOSTS}{usual}cases:\n  - name: case\n    inputs: {inputs}\n{lines}\n"
    )
    path = str(tmp_path / "book.yaml")
    (found,) = testing.run(loader.load(path), cases.read(testing.find(path)))
    return found


@pytest.mark.parametrize("path", LIBRARY, ids=os.path.basename)
def test_every_runbook_of_the_library_has_tests_that_take_every_branch(path: str) -> None:
    book, known = loader.load(path), cases.read(testing.find(path))
    found = whole(path)
    assert [one for one in found if one.wrong] == []
    assert known.complete and testing.coverage(book, found).missing == ()


@functools.cache
def whole(path: str) -> list[testing.Told]:
    """Every case of a runbook of the library."""
    return testing.run(loader.load(path), cases.read(testing.find(path)))


def conditions(path: str) -> list[str]:
    return [step.path for step in loader.load(path).walk() if step.if_ is not None]


@pytest.mark.parametrize(
    ("path", "step"),
    [(path, step) for path in LIBRARY for step in conditions(path)],
    ids=lambda one: os.path.basename(one),
)
def test_a_broken_copy_fails_and_says_which_branch_was_not_taken(
    tmp_path: Path, path: str, step: str
) -> None:
    """Each `if` of the library in turn is one that never holds. Only the cases in which it held are asked again: in
    the others it does not hold as it stands, and the copy is the same."""
    text = Path(path).read_text()
    where = loader.load(path).step(step)
    lines = text.split("\n")
    at = next(n for n in range(where.where[0] - 1, len(lines)) if re.match(r"\s+if: ", lines[n]))
    lines[at] = re.sub(r"if: .*", "if: ${{ 1 == 2 }}", lines[at])
    indent = len(lines[at]) - len(lines[at].lstrip())
    while lines[at + 1].startswith(" " * (indent + 1)):  # an expression of several lines
        del lines[at + 1]
    copy = tmp_path / os.path.basename(path)
    copy.write_text("\n".join(lines))
    shutil.copy(testing.find(path), tmp_path)
    book, known = loader.load(str(copy)), cases.read(testing.find(str(copy)))
    held = [f"{step}, if true" in one.taken for one in whole(path)]
    found = testing.run(book, known._replace(cases=tuple(itertools.compress(known.cases, held))))
    wrong = [why for one in found for why in one.wrong]
    missing = testing.coverage(book, found).missing
    assert wrong, f"nobody notices that {step} never runs"
    assert f"{step}, if true" in missing
    assert any(f"the branch {step} was not taken" in why for why in wrong) or step in missing


@pytest.mark.parametrize(
    "case",
    [
        "results: {before: {outputs: {avail: 5GiB}}}\nexpect: {status: ok, path: [before, enough], says: enough}",
        f"{YES}\nexpect: {{status: ok, path: [before, pause, look, grow, hosts@web1, hosts@web2, block/last],"
        " commands: {before: [df, -B1, --, /var], grow: [lvextend, -L, 2147483648b]}, env: {grow: {WHO: 7}}}",
        f"{YES}\nexpect: {{status: ok, env: {{grow: {{TOKEN: (secret)}}}}}}",
        "expect: {status: parked, asks: [grow (confirm)]}",
        "answers: {grow: skip}\nexpect: {status: ok, steps: {grow: skipped}}",
        "answers: {grow: [yes, decline]}\nexpect: {status: failed, steps: {grow: failed}}",
        f"results: {{look: [{{exit: 1}}, {{exit: 1}}, {{exit: 0}}]}}\n{YES}\nexpect: {{status: ok, steps: {{look: ok}}}}",
        f"results: {{look: {{exit: 1}}}}\n{YES}\nexpect: {{status: failed, path: [before, pause, look]}}",
        f"results: {{grow: [{{lost: true}}, {{exit: 0}}], grow.verify: {{exit: 10}}}}\n{YES}\nexpect: {{status: ok}}",
        f"results: {{grow: {{timeout: true}}, grow.verify: {{exit: 0}}}}\n{YES}\nexpect: {{status: ok}}",
        f"results: {{grow: {{signal: 9}}, grow.verify: {{exit: 1}}}}\n{YES}\n"
        "expect: {status: parked, asks: [grow, grow (approve), grow (doubt)], steps: {grow: in_doubt}}",
        f"results: {{hosts@web1: {{exit: 1}}}}\n{YES}\nexpect: {{status: failed, steps: {{hosts@web1: failed}}}}",
        f"results: {{hosts@web1: {{unreachable: true}}}}\n{YES}\nexpect: {{status: failed}}",
        f"results: {{last: {{exit: 3}}}}\n{YES}\nexpect: {{status: ok, steps: {{block/rescue/tell: ok}}}}",
        f"undo: true\n{YES}\nexpect: {{status: undone, undone: [grow]}}",
        'results: {before: {output: "words\\n12\\n"}}\nexpect: {status: parked}',
        'results: {before: {output: "words"}}\nexpect: {status: failed, path: [before]}',
    ],
)
def test_it_goes_as_the_real_engine_goes(tmp_path: Path, case: str) -> None:
    assert told(tmp_path, case).wrong == ()


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("expect: {status: ok}", "it ended as parked, not as ok"),
        ("expect: {path: [before, enough]}", "after before it went to pause, not to enough; the branch enough was not taken (if: "),
        ("expect: {path: [before, pause, look, nothing]}", "it went to the end, not to nothing; nothing was not reached"),
        ("expect: {commands: {before: [df, /]}}", "before runs ['df', '-B1', '--', '/var'], not ['df', '/']"),
        ("expect: {commands: {grow: [x]}}", "grow did not run"),
        ("expect: {asks: []}", "it asks grow (confirm), not nothing"),
        ("expect: {steps: {look: failed}}", "look is ok, not failed"),
        ("results: {before: {exit: 0}}\nexpect: {status: failed}", ""),
        ("answers: {grow: retry}\nexpect: {status: ok}", "grow asks for yes, skip, abort; the case answers retry"),
        (f"{YES}\nexpect: {{env: {{grow: {{WHO: 8}}}}}}", "grow has WHO='7', not '8'"),
        (f"{YES}\nundo: true\nexpect: {{undone: []}}", "undone were grow, not "),
        ("expect: {says: enough}", "it says '', not 'enough'"),
    ],
)  # fmt: skip
def test_what_is_not_as_expected_is_told(tmp_path: Path, case: str, says: str) -> None:
    found = told(tmp_path, case)
    assert not says or any(says in why for why in found.wrong), found.wrong
    assert bool(found.wrong) is bool(says)


def test_a_step_with_outputs_and_no_result_is_told(tmp_path: Path) -> None:
    book = "name: b\nsteps:\n  - {id: a, effect: read, run: [a], outputs: {x: {text: true}}}\n"
    found = told(tmp_path, "expect: {status: ok}", book, "{}")
    assert any("a (run) ran, and the case gives it no result (outputs: x)" in why for why in found.wrong), (
        found.wrong
    )


RESCUED = """
name: rescued
steps:
  - id: count
    effect: read
    run: [count]
    outputs: {n: {regex: '(\\d+)', type: int}, rows: {lines: true}, which: {text: true}}
  - {id: act, timeout: 1m, run: [act, "${{ steps.count.outputs.which }}"], verify: {run: [asks], no: [10], outputs: {id: {text: true}}}}
  - {id: copy, for_each: [a, b], effect: read, run: [cp]}
  - {id: ask, manual: x}
rescue:
  - {id: saved, effect: read, run: [saved]}
"""
GOOD = "{n: 7, rows: [a, b], which: x}"


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("results: {count: {outputs: {n: seven, rows: [a], which: x}}}", "results: count: output `n`: line 1: 'seven' is not a whole number"),
        (f"results: {{count: {{outputs: {GOOD[:-1]}, zz: 1}}}}}}", "results: count has no output 'zz'; there are n, rows, which"),
        ("results: {count: {outputs: {n: 7, rows: a, which: x}}}", "results: count: output `rows` is a list, one item a line"),
        ("results: {count: {outputs: {n: 7, rows: [a], which: [x]}}}", "results: count: output `which`"),
        ("results: {count: {outputs: {n: 7, rows: [a]}}}", "a step reads the output `which` of count, which the case does not give"),
        (f"results: {{count: {{outputs: {GOOD}}}, act.verify: {{outputs: {{idd: 1}}}}}}", "results: act.verify has no output 'idd'; did you mean id?"),
        (f"results: {{count: {{outputs: {GOOD}}}, cout: {{exit: 1}}}}", "results: there is no step 'cout'; did you mean count?"),
        (f"results: {{count: {{outputs: {GOOD}}}, act.undo: {{exit: 1}}}}", "results: act has no undo"),
        (f"results: {{count: {{outputs: {GOOD}}}, act.verfy: {{exit: 1}}}}", "results: act.verfy: a step has no 'verfy'; did you mean verify?"),
        (f"results: {{count: {{outputs: {GOOD}}}, act@web1: {{exit: 1}}}}", "results: act is made once, it has no act@web1"),
        (f"results: {{count: {{outputs: {GOOD}}}, 'copy[2]': {{exit: 1}}}}", "results: copy has no part copy[2]: there are copy[0], copy[1]"),
        (f"results: {{count: {{outputs: {GOOD}}}, ask: {{exit: 1}}}}", "results: ask is no step that runs something"),
        (f"results: {{count: {{outputs: {GOOD}}}}}\nanswers: {{aks: done}}", "answers: there is no step 'aks'; did you mean ask?"),
        (f"results: {{count: {{outputs: {GOOD}}}}}\nanswers: {{count: yes, ask: done}}", ""),
        ("results: {count: {output: none}}", ""),
    ],
)  # fmt: skip
def test_a_case_that_is_wrong_is_never_taken_for_a_step_that_failed(
    tmp_path: Path, case: str, says: str
) -> None:
    """With a rescue the run ends well, whatever fails in it: what does not fit the runbook is told instead."""
    found = told(tmp_path, case + "\nexpect: {}", RESCUED, "{}", usual="")
    assert bool(found.wrong) is bool(says), found.wrong
    assert not says or says in "\n".join(found.wrong), found.wrong


def test_what_a_person_vouches_for_may_lack_an_output_as_in_a_run(tmp_path: Path) -> None:
    """`done` without a value: reading it fails the next step in a real run, too."""
    case = "results: {count: {outputs: {n: 7, rows: [], which: x}}, act: {lost: true}, act.verify: {exit: 1}}\nanswers: {act: done, ask: done}\nexpect: {status: ok}"
    found = told(tmp_path, case, RESCUED, "{}", usual="")
    assert found.wrong == (), found.wrong


def test_a_step_that_failed_on_fewer_hosts_than_may_has_the_outputs_of_the_others(tmp_path: Path) -> None:
    book = """
name: book
steps:
  - id: ask
    targets: {hosts: web, max_fail_percentage: 50}
    effect: read
    run: [ask]
    outputs: {says: {text: true}}
  - {id: end, stop: {status: ok, say: "web1 says ${{ steps.ask.outputs.says['web1'] }}"}}
"""
    found = told(
        tmp_path,
        "results: {ask@web1: {outputs: {says: hello}}, ask@web2: {unreachable: true}}\n"
        "expect: {status: ok, steps: {ask: continued}, says: web1 says hello}",
        book, inputs="{}", usual="",
    )  # fmt: skip
    assert found.wrong == ()


def test_inputs_that_do_not_fit_are_told(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(BOOK)
    (tmp_path / "book.test.yaml").write_text("cases: [{name: x, inputs: {want: much}, expect: {}}]\n")
    path = str(tmp_path / "book.yaml")
    (found,) = testing.run(loader.load(path), cases.read(testing.find(path)))
    assert "`mount` is required" in found.wrong[0] and "'much'" in found.wrong[0]


def test_every_mistake_of_a_test_file_has_its_place(tmp_path: Path) -> None:
    file = tmp_path / "x.test.yaml"
    file.write_text("""\
case: []
cases:
  - nam: x
    expect: {status: well, pth: []}
  - name: y
    results: {a: {exit: 300, out: x}}
    answers: {a: perhaps}
    expect: []
    undo: perhaps
  - name: z
    results: {a: {lost: maybe}}
    expect: {}
hosts: {web: {adress: x}}
complete: maybe
""")
    with pytest.raises(Mistakes) as caught:
        cases.read(str(file))
    told = str(caught.value)
    for line in (
        ":1:1: a test file has no 'case'; did you mean cases?", ":3:5: a case has no 'nam'; did you mean name?",
        ":3:5: a case needs 'name'", ":4:22: a run cannot end as 'well'", ":4:28: expect has no 'pth'; did you mean path?",
        ":6:25: exit is a number from 0 to 255", ":6:30: a result has no 'out'", ":7:18: there is no answer 'perhaps'",
        ":8:13: expect is a map", ":9:11: undo is true or false, not 'perhaps'", ":11:25: lost is true or false, not 'maybe'",
        ":13:15: ", ":14:11: complete is true or false, not 'maybe'",
    ):  # fmt: skip
        assert line in told, (line, told)


def test_no_process_is_started_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was started"))
    monkeypatch.setattr("subprocess.Popen", lambda *args, **more: pytest.fail("a process was started"))
    assert told(tmp_path, f"{YES}\nexpect: {{status: ok}}").wrong == ()
    assert os.listdir(tmp_path / "tmp") == []


def test_what_a_step_would_change_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test starts no process, not even one that only reads."""

    def started(*_: object) -> None:
        raise AssertionError("a test looked at this machine")

    monkeypatch.setattr(subjects, "look", started)
    book = "name: b\nsteps:\n  - {id: act, timeout: 9s, run: [edit], change: {file: /etc/passwd}, undo: {run: [back]}}\n"
    assert told(tmp_path, "expect: {status: ok}", book, "{}", "").wrong == ()
