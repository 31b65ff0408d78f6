"""Who is woken, in which order, until somebody takes it. docs/paging.md has the rules in words.

`policy` reads the `escalation:` section, `contacts` the `paging:` section, `pages` is a page as a fold of its incident's
log, `due` says what is to be done now. Nothing here reads a clock, sends, or knows who is on call: that is asked when a
step fires, by whoever acts.
"""
