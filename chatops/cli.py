"""The `howdah` script: one command line in, one answer out, one exit code (design section 11)."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from chatops import dispatch
from chatops.surfaces.terminal import draw, tree
from chatops.vocabulary import Reply
from incidents.errors import BadInput, HowdahError

INTERRUPTED = 130
FEWER_COLLECTIONS = 10_000  # objects between two looks for garbage: a command makes many and drops few


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; returns the exit code. Nothing is raised, and nothing but answers is printed.

    Without `argv` this is the script: it reads the process's own words, and ends the process.
    """
    if argv is None:
        _as_a_script()
    _hold_standard_streams()
    args = list(argv)
    wants_json = "--json" in (args[: args.index("--")] if "--" in args else args)
    _set_encodings(json=wants_json)
    try:
        reply = _carry_out(args)
        _answer(reply, json=wants_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        _silence()
        return 0
    except OSError as error:
        _silence()
        sys.stderr.write(
            f"the answer could not be written: {error.strerror}; what was recorded is recorded\n"
        )
        return 1
    return reply.exit


def _as_a_script() -> NoReturn:
    """The process ends as soon as its answer is out: taking the interpreter apart costs a sixth of `--help`."""
    gc.set_threshold(FEWER_COLLECTIONS)
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    os._exit(code)


def _carry_out(args: list[str]) -> Reply:
    try:
        result = tree.root().main(args, prog_name="howdah", standalone_mode=False)
    except click.UsageError as error:
        return dispatch.failure(_bad_usage(error))
    except click.Abort:
        raise KeyboardInterrupt from None
    except HowdahError as error:
        return dispatch.failure(error)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - a fault while reading the command line is answered as one in a handler
        return dispatch.unexpected(error)
    return result if isinstance(result, Reply) else Reply(exit=result if isinstance(result, int) else 0)


def _bad_usage(error: click.UsageError) -> BadInput:
    """click's complaint as ours: what is wrong, then the nearest option or the usage."""
    message = error.message.rstrip(".")
    message = message[:1].lower() + message[1:]
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        return BadInput(message, hint=f"did you mean {error.possibilities[0]}?")
    command = error.ctx.command if error.ctx is not None else None
    if isinstance(command, tree.Leaf):
        hint = dispatch.usage(command.command)
        if isinstance(error, click.NoSuchOption):
            hint = f"put -- before a text that begins with -: {hint}"
        return BadInput(message, hint=hint)
    return BadInput(message, hint="howdah --help")


def _answer(reply: Reply, *, json: bool) -> None:
    if reply.view is None and reply.document is None:
        return
    stream = sys.stderr if reply.error else sys.stdout
    if not json:
        if reply.view is not None:
            draw.show(reply.view, stream)
        return
    document = reply.document
    if document is None and reply.view is not None:
        from chatops import views

        document = {"text": views.plain(reply.view)}
    if document is not None:
        draw.document(document, stream)


def _hold_standard_streams() -> None:
    """Where 0, 1 or 2 is closed, the next file opened would take its place, and be written to by mistake."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is fd
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115 - for the process's life


def _set_encodings(*, json: bool) -> None:
    """No text may fail to print: JSON is UTF-8 everywhere, other text loses what the locale cannot say."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace", **({"encoding": "utf-8"} if json else {}))


def _silence() -> None:
    """So that the interpreter's last flush does not complain about the reader that has gone."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    sys.exit(main())
