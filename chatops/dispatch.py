"""From words to a Reply: find the command, parse, allow, call; any error becomes the answer.

This is the one place where an unexpected exception is caught: the person gets one line, the traceback is kept in a
file that the line names (with $HOWDAH_DEBUG it is printed).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chatops import params, permissions, vocabulary
from chatops.views import Text
from chatops.vocabulary import Call, Command, Front, Param, Places, Reply
from incidents.errors import BadInput, HowdahError, Mistakes, NotFound, NotPermitted
from incidents.visible import one_line

if TYPE_CHECKING:
    from incidents.store.protocol import Store

Raw = Mapping[str, str | Sequence[str] | bool | None]


def find(name: str) -> Command:
    """The command of that name. Raises NotFound with the nearest name."""
    known = vocabulary.registry()
    found = known.get(name)
    if found is None:
        near = params.nearest(name, known)
        raise NotFound(
            f"there is no command {name!r}", hint=f"did you mean {near}?" if near else "howdah --help"
        )
    return found


def run(command: Command, raw: Raw, front: Front, places: Places, *, store: Store | None = None) -> Reply:
    """Carry out `command` with what was typed; never raises but for an interrupt.

    `store` is one that the caller has open; without it the call opens and closes its own.
    """
    from incidents import clock

    call = Call(command, front, places, now=clock.wall(), store=store)
    try:
        return _carry_out(call, raw)
    except HowdahError as error:
        return failure(error)
    except BrokenPipeError:  # the reader of the output has gone; what was recorded is recorded
        raise
    except Exception as error:  # noqa: BLE001 - the one place: a fault of ours becomes one line for the person
        return unexpected(error)
    finally:
        call.close()


def _carry_out(call: Call, raw: Raw) -> Reply:
    command = call.command
    if call.places.zone is not None:
        from incidents import clock

        clock.find_zone(call.places.zone)
    if call.surface not in command.surfaces:
        raise BadInput(f"{command.name} is not for {call.surface}: {command.because}", hint="use a terminal")
    _stand_in(call, raw)
    arguments = {param.name: _value(param, raw.get(param.name), call) for param in command.params}
    try:
        if not (command.unconfigured and _broken(call)):
            permissions.check_words(call.config, _permission_words)
            permissions.check(call)
        if command.writes and call.config.path is not None and not call.stood_in:
            from incidents import in_force

            in_force.record(call.store, call.config, lambda **about: call.draft("system", **about, key=None))
        return command.handler(call, **arguments)
    except NotPermitted as error:
        _record_refusal(call, error)
        raise


def _stand_in(call: Call, raw: Raw) -> None:
    """Where the configuration cannot be obeyed: what is obeyed instead, for the commands that need not wait."""
    command = call.command
    alone = any(param.alone and raw.get(param.name) is not None for param in command.params)
    if not (alone or command.last_good):
        return
    try:
        permissions.check_words(call.config, _permission_words)
    except HowdahError as error:
        from chatops import instead

        if alone:
            instead.nothing(call, error)
        elif isinstance(error, Mistakes):
            instead.last_good(call, error, lambda one: permissions.check_words(one, _permission_words))


def _broken(call: Call) -> bool:
    try:
        permissions.check_words(call.config, _permission_words)
    except HowdahError:
        return True
    return False


def _permission_words() -> set[str]:
    """What may stand under `permissions:`: the permissions, every command, the first word of those with two."""
    names = set(vocabulary.registry())
    return names | {name.split(" ")[0] for name in names} | set(vocabulary.PERMISSIONS)


def _value(param: Param, raw: str | Sequence[str] | bool | None, call: Call) -> Any:
    if call.surface not in param.surfaces:
        raw = None
    if param.flag:
        return bool(raw)
    if param.repeat:
        given = [raw] if isinstance(raw, str) else list(raw or ()) if not isinstance(raw, bool) else []
        return tuple(param.parse(one, call) for one in given)
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        raw = " ".join(raw) if raw else None
    if raw is None or isinstance(raw, bool):
        if param.required:
            raise BadInput(f"{call.command.name} needs {params.shown(param)}", hint=usage(call.command))
        return param.default
    return param.parse(raw, call)


def usage(command: Command) -> str:
    """`howdah correct N TEXT… [--at TIME]`."""
    words = ["howdah", command.name]
    for param in command.params:
        if param.place:
            word = param.shown + ("…" if param.rest or param.repeat else "")
            words.append(word if param.required else f"[{word}]")
    for param in command.params:
        if not param.place:
            word = param.flagname if param.flag else f"{param.flagname} {param.shown}"
            words.append(word if param.required else f"[{word}]")
    return " ".join(words)


def _record_refusal(call: Call, error: NotPermitted) -> None:
    from incidents import timeline

    rule = error.message.partition(": ")[2]
    key = f"{call.places.key}:refused:{call.actor.id}" if call.places.key is not None else None
    data = {"command": call.command.name, "rule": rule}
    draft = call.draft("system", "system.refused", data=data, key=key)
    timeline.record(call.store, draft)


def failure(error: HowdahError) -> Reply:
    """The answer to an error that was raised on purpose: message, then what to do."""
    several = "\n" in error.message  # then what to do stands on a line of its own
    lines = error.message + (f"\n{error.hint}" if error.hint else "") if several else str(error)
    document = {
        "code": error.code,
        "exit": error.exit_code,
        "message": error.message,
        "hint": error.hint,
        "where": error.where,
    }
    if isinstance(error, Mistakes):
        document["mistakes"] = [
            {"file": m.file, "line": m.line, "column": m.column, "message": m.message, "hint": m.hint}
            for m in error.mistakes
        ]
    return Reply(Text(lines, "bad"), {"error": document}, exit=error.exit_code, error=True)


def unexpected(error: Exception) -> Reply:
    """The answer to a fault of ours."""
    import traceback

    text = "".join(traceback.format_exception(error))
    if os.environ.get("HOWDAH_DEBUG"):
        hint = text
    else:
        hint = f"the traceback is in {_keep(text)}; please report it"
    message = one_line(f"howdah has a fault: {type(error).__name__}: {error}")
    document = {"code": "fault", "exit": 1, "message": message, "hint": hint, "where": None}
    return Reply(Text(f"{message}; {hint}", "bad"), {"error": document}, exit=1, error=True)


def _keep(text: str) -> str:
    import tempfile

    try:
        fd, path = tempfile.mkstemp(prefix="howdah-fault-", suffix=".txt")
        with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        return f"no file ({error.strerror}; HOWDAH_DEBUG=1 prints it)"
    return path
