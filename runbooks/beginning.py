"""A new runbook to begin from, and its tests: it says what each part is for, and passes `lint` and `test` as it is."""

from __future__ import annotations

import os

from incidents.errors import BadInput, Refused
from runbooks import keys

BOOK = """\
# howdah plan {name}, howdah runbook lint {name}, howdah runbook test {name}
name: {name}
description: Say here what this is for, and when somebody who was just woken should run it.
severity: sev3
inputs:
  folder: {{type: path, required: true, help: What this is about.}}
  most: {{type: percent, default: 90%, help: Above this something is done.}}
lock: "{name}:${{{{ inputs.folder }}}}"   # only one run at a time works on it
steps:
  - id: before
    name: Look how it stands
    effect: read
    timeout: 20s
    run: [df, --output=pcent, --, "${{{{ inputs.folder }}}}"]
    outputs: {{used: {{regex: '([0-9]+%)\\s*$', type: percent}}}}

  - id: well
    name: It is well
    if: ${{{{ steps.before.outputs.used <= inputs.most }}}}
    stop: {{status: ok, say: "${{{{ inputs.folder }}}} is ${{{{ steps.before.outputs.used }}}} % full: nothing to do"}}

  - id: act
    name: Do what helps
    confirm: |
      ${{{{ inputs.folder }}}} is ${{{{ steps.before.outputs.used }}}} % full. Say here what happens and what is lost.
    timeout: 5m
    run: |
      test -d "$IN_FOLDER"   # write here what helps; values come from the environment, in quotes
    verify:   # asked where nobody saw how it ended: 0 it happened, 10 it did not, anything else is still doubt
      no: [10]
      run: |
        if test -d "$IN_FOLDER"; then exit 0; fi
        exit 2
    # undo: {{run: [what, takes, it, back]}}

  - id: after
    name: Look again
    effect: read
    timeout: 20s
    run: [df, --output=pcent, --, "${{{{ inputs.folder }}}}"]
    outputs: {{used: {{regex: '([0-9]+%)\\s*$', type: percent}}}}

  - id: not_cured
    if: ${{{{ steps.after.outputs.used > inputs.most }}}}
    stop: {{status: failed, say: "It is still ${{{{ steps.after.outputs.used }}}} % full: call somebody."}}
"""

TESTS = """\
# howdah runbook test {name}
complete: true
results:   # how programs end, where a case says nothing else
  before: {{outputs: {{used: 95%}}}}
  after: {{outputs: {{used: 40%}}}}
cases:
  - name: nothing to do
    inputs: {{folder: /var}}
    results: {{before: {{outputs: {{used: 10%}}}}}}
    expect: {{status: ok, path: [before, well]}}

  - name: it is cured
    inputs: {{folder: /var}}
    answers: {{act: yes}}
    expect:
      status: ok
      path: [before, act, after]
      asks: [act]
      commands: {{before: [df, --output=pcent, --, /var]}}

  - name: it is not cured
    inputs: {{folder: /var}}
    results: {{after: {{outputs: {{used: 93%}}}}}}
    answers: {{act: yes}}
    expect: {{status: failed, path: [before, act, after, not_cured], says: call somebody}}

  - name: nobody knows whether it happened
    inputs: {{folder: /var}}
    results: {{act: {{lost: true}}, act.verify: {{exit: 1}}}}
    answers: {{act: yes}}
    expect: {{status: parked, asks: [act, act (doubt)], steps: {{act: in_doubt}}}}
"""


def write(name: str, folder: str) -> tuple[str, str]:
    """Writes NAME.yaml and NAME.test.yaml into the folder, which is made. Returns both paths.

    Raises BadInput for a name that is none, Refused where one of the files is there; nothing is written then.
    """
    import re

    if not re.fullmatch(keys.ID, name, re.ASCII):
        raise BadInput(
            f"{name!r} cannot be the name of a runbook", hint="letters, digits, _ and -, such as disk-full"
        )
    paths = (os.path.join(folder, f"{name}.yaml"), os.path.join(folder, f"{name}.test.yaml"))
    for path in paths:
        if os.path.lexists(path):
            raise Refused(f"{path} is there already", hint="nothing was written; choose another name")
    try:
        os.makedirs(folder, exist_ok=True)
        for path, text in zip(paths, (BOOK, TESTS), strict=True):
            with open(path, "x", encoding="utf-8") as file:
                file.write(text.format(name=name))
    except OSError as problem:
        raise BadInput(f"{problem.filename or folder}: {problem.strerror}") from None
    return paths
