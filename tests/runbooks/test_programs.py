"""Which programs a runbook needs: no alarm for what a script defines itself, guards, or only matches."""

from __future__ import annotations

from runbooks import loader, programs

CASE = """\
name: tools
steps:
  - id: a
    effect: read
    timeout: 5s
    run: |
      helper() { nosuchtool-a "$1"; }
      case $IN_X in nfs | cifs | smb3) helper ;; R) echo ;; esac
      if command -v optional-tool >/dev/null; then optional-tool; fi
      sudo -n nosuchtool-b --now
      X=1 nosuchtool-c | sort | uniq
      [[ -e /x ]] && cd /y
  - {id: b, effect: read, timeout: 5s, run: [nosuchtool-d, "-x"]}
"""


def test_the_programs_of_a_runbook_are_those_that_it_names_outright() -> None:
    found = programs.named(loader.loads(CASE, "case.yaml"))
    assert {"nosuchtool-a", "nosuchtool-b", "nosuchtool-c", "nosuchtool-d"} <= found
    assert not found & {
        "helper",
        "optional-tool",
        "nfs",
        "cifs",
        "smb3",
        "R",
        "cd",
        "echo",
        "-n",
        "X=1",
        "[[",
    }


def test_of_the_library_no_tool_is_missed_that_is_here() -> None:
    path, _ = loader.find("disk-full", beside=None)
    found = programs.named(loader.load(path))
    assert {"stat", "find", "truncate", "tune2fs"} <= found


def test_what_the_library_hands_its_scripts_as_functions_is_no_missing_tool() -> None:
    for name in ("disk-full", "nfs-stall", "queue-backlog"):
        path, _ = loader.find(name, beside=None)
        found = programs.named(loader.load(path))
        assert not found & {
            "ask",
            "drain",
            "here",
            "launch",
            "said",
            "show",
            "refuse",
            "try",
            "a",
            "i",
            "n",
        }, name
