"""The page of a runbook: all that its file says of each step, for who reads it before the night."""

from __future__ import annotations

from runbooks import manual_page
from runbooks.loader import loads

BOOK = """
name: x
inputs: {at: {type: string, default: /etc/app.conf}}
steps:
  - {id: file, timeout: 1m, run: [b], change: {file: "${{ inputs.at }}"}}
  - {id: unit, timeout: 1m, run: [c], change: {unit: app.service}}
  - {id: key, timeout: 1m, run: [d], change: {redis: limit, url: 'redis://h'}}
  - {id: other, timeout: 1m, run: [e], change: {what: the pool, from: "20", to: "5"}}
  - id: drained
    wait: {for: 30m, until: "${{ result.outputs.left == 0 }}"}
    watch:
      every: 5s
      run: [left, --of, "${{ inputs.at }}"]
      outputs: {left: {text: true, type: int}}
  - {id: pause, wait: {for: 90s}}
  - {id: polled, effect: read, timeout: 1m, run: [up], until: "${{ result.exit == 0 }}"}
"""


def test_what_a_step_changes_is_told_as_it_stands_in_the_file() -> None:
    page = manual_page.page(loads(BOOK))
    assert "- changes the file `${{ inputs.at }}`\n" in page
    assert "- changes the unit `app.service`\n" in page
    assert "- changes the key `limit` of Redis\n" in page
    assert "- changes the pool, from `20` to `5`\n" in page


def test_what_a_step_waits_for_and_how_it_looks_is_told() -> None:
    page = manual_page.page(loads(BOOK))
    assert "- waits at most 30 min, until `result.outputs.left == 0`\n" in page
    assert "- watches `left` every 5.0 s, by `left --of '${{ inputs.at }}'`\n" in page
    assert "- waits 1 min 30 s\n" in page
    assert "- runs again until `result.exit == 0`\n" in page
