"""Every key of a runbook's file, in one table a level: what its value is, where it may stand, what it is for.

The loader, its hints for misspelt keys and the JSON Schema for editors are all read off these tables. `kind` names
a reader in `reading.py` and a shape in `schema.py`; `on` lists the kinds of step that take a key, empty for all.
"""

from __future__ import annotations

from typing import NamedTuple

from runbooks import typed

STEP_KINDS = ("run", "uses", "manual", "stop", "wait", "block")
ID = r"[A-Za-z_][A-Za-z0-9_-]*"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
SEVERITIES = ("sev1", "sev2", "sev3", "sev4", "sev5")


class Key(NamedTuple):
    """`level` is the table of what is inside; `options` the words allowed."""

    kind: str
    doc: str
    required: bool = False
    on: tuple[str, ...] = ()
    level: str = ""
    options: tuple[str, ...] = ()


_RUN = ("run",)
_ACT = ("run", "uses")
_DONE = ("run", "manual")
_GATED = ("run", "uses", "manual", "block")

RUNBOOK = {
    "runbook": Key("version", "The language's version: 1."),
    "name": Key("line", "What the runbook is called.", required=True),
    "description": Key("text", "What it is for, and when to use it."),
    "severity": Key("option", "The severity of the incident that a run declares.", options=SEVERITIES),
    "inputs": Key(
        "named", "What a person gives; checked and brought into one form before step 1.", level="input"
    ),
    "diagnose": Key(
        "probes",
        "Reads that tell whether this runbook is what a machine needs; howdah triage runs them.",
        level="diagnose",
    ),
    "targets": Key(
        "level", "The machines that its steps run on, unless a step says otherwise.", level="targets"
    ),
    "lock": Key(
        "templates", "Names of what only one run may work on at a time, such as disk:${{ inputs.mount }}."
    ),
    "allow": Key("words", "People or roles who may run it."),
    "steps": Key("steps", "What is done, in order.", required=True),
    "rescue": Key("steps", "Runs when a step failed; never for a step in doubt."),
    "always": Key("steps", "Runs in every case, last."),
}

INPUT = {
    "type": Key("option", "What it is.", options=typed.INPUT_TYPES),
    "default": Key("scalar", "Its value where nobody gives one."),
    "required": Key("bool", "It must be given."),
    "options": Key("words", "The values that a choice allows."),
    "pattern": Key("pattern", "A regular expression that the whole text must match."),
    "min": Key("scalar", "The smallest value allowed."),
    "max": Key("scalar", "The largest value allowed."),
    "help": Key("text", "What a person should know to fill it in."),
}

STEP = {
    "id": Key("id", "Its name in expressions and commands; unique."),
    "name": Key("line", "What people see."),
    "run": Key(
        "command", "A text for bash, verbatim; or a list: a program and its arguments, without a shell."
    ),
    "uses": Key("line", "An action instead of a program: http, note, redis, set, sql, wait, or another package's."),
    "with": Key("with", "What the action gets: each has its own words.", on=("uses",)),
    "manual": Key("template", "What a person does."),
    "check": Key("level", "A read that proves that the manual step was done.", on=("manual",), level="check"),
    "stop": Key("level", "Ends the run.", level="stop"),
    "wait": Key("level", "Waits, and survives a restart.", level="wait"),
    "block": Key("steps", "Steps that fail, are rescued and are gated together."),
    "rescue": Key("steps", "Runs when a step of the block failed; never for doubt.", on=("block",)),
    "always": Key("steps", "Runs in every case after the block.", on=("block",)),
    "if": Key("expression", "The step is skipped unless this is true."),
    "require": Key("expressions", "Checked right before the act; false fails the step.", on=_GATED),
    "confirm": Key("template", "Asks a person before the act.", on=("run", "uses", "block")),
    "approve": Key("level", "Waits until enough people have approved exactly this.", on=("run", "uses", "block"), level="approve"),
    "env": Key("env", "Environment variables; the only bridge from data to a script.", on=("run", "uses", "manual", "wait")),
    "outputs": Key("named", "What is read out of what the step prints.", on=_RUN, level="output"),
    "effect": Key("option", "What it does to the world.", on=_ACT, options=("read", "idempotent", "unsafe")),
    "verify": Key("level", "Asks whether an act happened.", on=_ACT, level="verify"),
    "undo": Key("level", "Takes the step back.", on=_ACT, level="undo"),
    "timeout": Key("duration", "After this it gets TERM.", on=_ACT),
    "grace": Key("duration", "Between TERM and KILL; 5s unless given.", on=_ACT),
    "retry": Key("level", "Further attempts after a failure; not for unsafe steps.", on=_ACT, level="retry"),
    "until": Key("expression", "Repeats until this is true; needs retry.max or timeout.", on=_ACT),
    "continue-on-error": Key(
        "bool", "A failure is recorded as `failed (continued)`, and the run goes on.", on=(*_GATED, "wait")
    ),
    "change": Key("level", "The change record: what, from, to.", on=("run", "uses", "manual"), level="change"),
    "watch": Key("level", "Numbers that are read again and again while the step runs or waits.", on=("run", "uses", "wait"),
                 level="watch"),
    "touches": Key("level", "What it reaches, for the question: hosts, files, bytes, services.", on=("run", "uses", "block"),
                   level="touches"),
    "user": Key("template", "The local user to run it as.", on=_DONE),
    "targets": Key("level", "The machines that it runs on.", on=_RUN, level="targets"),
    "for_each": Key("templates", "Once for each of these, as `item`; a lone ${{ list }} gives its items.", on=_ACT),
    "parallel": Key("count", "How many of them at a time; 10 hosts, 1 item unless given.", on=_ACT),
    "fail_fast": Key("bool", "After a failure no other of them begins.", on=_ACT),
}  # fmt: skip

DIAGNOSE = {
    "id": Key("id", "Its name; unique among those of diagnose."),
    "name": Key("line", "What people see."),
    "run": Key("command", "What looks: a text for bash, or a list. Exit 0: it could look.", required=True),
    "env": Key("env", "Environment variables; the only bridge from data to a script."),
    "outputs": Key("named", "What is read out of what it prints.", level="output"),
    "fits": Key("expression", "Whether this runbook is what is needed now.", required=True),
    "says": Key("template", "What was seen, whether it fits or not.", required=True),
    "offer": Key("offer", "Inputs for the run, found by this step: NAME: ${{ result.outputs.NAME }}."),
    "effect": Key("option", "A diagnosis only reads.", options=("read",)),
    "timeout": Key("duration", "After this it is killed; 5s unless given, and at most."),
}

OUTPUT = {
    "json": Key("json-path", "A path into JSON, such as .disk.free."),
    "regex": Key("group", "A regular expression with one group in ( )."),
    "lines": Key("true", "All lines, as a list."),
    "text": Key("true", "The whole text, without its last newline."),
    "type": Key("option", "What the text means; text unless given.", options=typed.OUTPUT_TYPES),
}

WATCH = {
    "every": Key("duration", "How often it looks.", required=True),
    "run": Key("command", "What looks; without it, what a step with `until` prints each time is read."),
    "timeout": Key("duration", "After this a look is killed, and nobody waits for it; 5s unless given."),
    "outputs": Key("named", "The numbers; they are outputs of the step.", required=True, level="sample"),
    "effect": Key("option", "A look only reads.", options=("read",)),
}

SAMPLE = {
    **{name: key for name, key in OUTPUT.items() if name != "lines"},
    "type": Key("option", "What the number means.", required=True, options=typed.ORDERED_TYPES),
    "rate": Key("duration", "Also NAME_rate: how much it changes in a second, over this time."),
    "counter": Key("bool", "It only grows: a smaller value means that it began anew at nothing."),
}

VERIFY = {
    "run": Key("command", "Exit 0: it happened. An exit in `no`: it did not. Anything else is doubt."),
    "uses": Key(
        "line",
        "An action that asks: it ends well where it happened, with 10 where the answer is another one.",
    ),
    "with": Key("with", "What the action gets."),
    "no": Key("exits", "Exits that this program uses for `it did not happen` and for nothing else."),
    "after": Key("bool", "Check a success too."),
    "timeout": Key("duration", "After this it gets TERM, and it is doubt; 60s unless given."),
    "outputs": Key("named", "What is read out of what it prints.", level="output"),
    "effect": Key("option", "A verify only reads.", options=("read",)),
}

UNDO = {
    "run": Key("command", "What takes the step back."),
    "uses": Key("line", "An action that takes the step back."),
    "with": Key("with", "What the action gets."),
    "effect": Key("option", "unsafe unless given.", options=("read", "idempotent", "unsafe")),
    "verify": Key("level", "Asks whether the undo happened.", level="verify"),
    "timeout": Key("duration", "After this it gets TERM."),
}

APPROVE = {
    "from": Key("words", "People or roles of howdah.yaml who may approve; anybody in it unless given."),
    "count": Key("count", "How many people must; 1 unless given."),
    "not_requester": Key("bool", "Who started the run does not count; true unless given."),
    "expires": Key("duration", "What is not done by then needs to be approved anew; 1h unless given."),
    "show": Key("shown", "Values that the approval is for, too: steps.ID.outputs.NAME."),
}

TARGETS = {
    "hosts": Key("templates", "Hosts and roles of howdah.yaml, or `all`; a lone ${{ list }} gives its items.", required=True),
    "serial": Key("serial", "How many hosts in a batch: 1, 25%, or one after the other: [1, 10%, 50%]."),
    "max_fail_percentage": Key("percentage", "It stops after the batch with which more of the hosts tried so far have failed; 0 unless given."),
    "unreachable": Key("option", "What a host that cannot be reached counts as; fail unless given.",
                       options=("fail", "continue")),
}  # fmt: skip

CHECK = {
    "run": Key("command", "Exit 0: it was done."),
    "uses": Key("line", "An action that looks: it ends well where it was done."),
    "with": Key("with", "What the action gets."),
    "timeout": Key("duration", "After this it gets TERM; 5m unless given."),
    "effect": Key("option", "A check only reads.", options=("read",)),
}

RETRY = {
    "max": Key("count", "Attempts after the first."),
    "delay": Key("duration", "Before the next attempt."),
    "backoff": Key("factor", "The delay grows by this factor, 1 or more."),
    "on_exit": Key("exits", "Only after these exits."),
}

STOP = {
    "status": Key("option", "How the run ends.", required=True, options=("ok", "failed")),
    "say": Key("template", "Why."),
}

WAIT = {
    "for": Key("time", "How long, at most: 10m, or ${{ an input of type duration }}."),
    "until": Key("expression", "Goes on as soon as this is true."),
}

CHANGE = {
    "file": Key(
        "template", "A file; howdah itself reads it before and after the act, and records how it differs."
    ),
    "unit": Key("template", "A unit of systemd; its state is read likewise."),
    "redis": Key("template", "A key of Redis; its value is read likewise, from here."),
    "url": Key("template", "Where that Redis is; that of the step's own `uses: redis` unless given."),
    "what": Key("template", "Anything else: which it is."),
    "from": Key("template", "Its old value; goes with `what`."),
    "to": Key("template", "Its new value; goes with `what`."),
}

TOUCHES = {
    "hosts": Key("template", "Which machines."),
    "files": Key("template", "How many files, or which."),
    "bytes": Key("template", "How much."),
    "services": Key("template", "Which services feel it."),
}

LEVELS: dict[str, dict[str, Key]] = {
    "runbook": RUNBOOK,
    "input": INPUT,
    "step": STEP,
    "diagnose": DIAGNOSE,
    "output": OUTPUT,
    "watch": WATCH,
    "sample": SAMPLE,
    "verify": VERIFY,
    "undo": UNDO,
    "check": CHECK,
    "retry": RETRY,
    "stop": STOP,
    "wait": WAIT,
    "change": CHANGE,
    "approve": APPROVE,
    "targets": TARGETS,
    "touches": TOUCHES,
}

# Words of the language that this version does not know how to do.
NOT_YET: dict[str, frozenset[str]] = {
    "diagnose": frozenset(("uses", "with", "targets")),
}

# What people write who come from elsewhere, and our word for it.
OTHERS_WORDS: dict[str, str] = {
    "when": "if",
    "condition": "if",
    "unless": "if",
    "command": "run",
    "cmd": "run",
    "shell": "run",
    "script": "run",
    "exec": "run",
    "args": "run",
    "register": "outputs",
    "retries": "retry",
    "attempts": "retry",
    "ignore_errors": "continue-on-error",
    "ignore-errors": "continue-on-error",
    "rollback": "undo",
    "revert": "undo",
    "compensate": "undo",
    "prompt": "confirm",
    "pause": "wait",
    "sleep": "wait",
    "on_failure": "rescue",
    "on-failure": "rescue",
    "catch": "rescue",
    "finally": "always",
    "become_user": "user",
    "sudo": "user",
    "timeout-minutes": "timeout",
    "environment": "env",
    "params": "inputs",
    "parameters": "inputs",
    "variables": "inputs",
    "vars": "inputs",
    "tasks": "steps",
    "title": "name",
    "enum": "options",
    "choices": "options",
    "regexp": "pattern",
    "minimum": "min",
    "maximum": "max",
    "seconds": "for",
    "duration": "for",
    "message": "say",
}
