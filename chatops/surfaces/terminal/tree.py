"""The click command line, made from the registry: names and help here, everything else in dispatch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from chatops import dispatch, layout, params, vocabulary
from chatops.surfaces.terminal import draw, front
from chatops.vocabulary import Call, Command, Param, Places, Reply
from incidents.errors import HowdahError, NotFound

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from incidents.store.protocol import Store

_EVERYWHERE = (
    ("json", True, "Answer with one JSON document."),
    ("store", False, "The record: a file. Else $HOWDAH_STORE, else /var/lib/howdah/store.db, else your own."),
    ("config", False, "The configuration: a file. Else $HOWDAH_CONFIG, else howdah.yaml upward from here."),
    ("zone", False, "Times in this zone (Europe/Berlin) instead of your own."),
)
_KEY = ("key", False, "Idempotency key: the same key again records nothing twice.")


def _settings() -> dict[str, Any]:
    width = min(draw.width(sys.stdout), layout.WIDEST_HEADING)
    if not draw.is_terminal(sys.stdout):
        width = layout.WIDTH
    return {"help_option_names": ["-h", "--help"], "terminal_width": width}


def _everywhere(names: Iterable[tuple[str, bool, str]]) -> list[click.Option]:
    return [
        click.Option(
            [f"--{name}", f"_{name}"], is_flag=is_flag, help=help, metavar=None if is_flag else name.upper()
        )
        for name, is_flag, help in names
    ]


class Words(click.Group):
    """The commands below one word, or below none (`howdah`)."""

    def __init__(self, word: str = "", own: Command | None = None, **about: Any):
        """`own` is the command of the bare word, where that is one as well; one with places is a leaf of its own (`takes`)."""
        bare = own is not None and not any(param.place for param in own.params)
        mine = [_parameter(own, param) for param in own.params] if own is not None and bare else []
        super().__init__(name=word or "howdah", params=[*mine, *_everywhere(_EVERYWHERE)], **about)
        self.word, self.own = word, own
        self.no_args_is_help = False
        self.invoke_without_command = True
        self.callback = lambda **given: self._bare(click.get_current_context(), given)

    def _below(self, known: dict[str, Command] | None = None) -> dict[str, Command | None]:
        """The next word -> its command, or None where more words follow; `known` are all commands."""
        found: dict[str, Command | None] = {}
        start = f"{self.word} " if self.word else ""
        for name, command in (vocabulary.registry() if known is None else known).items():
            if "terminal" in command.surfaces and name.startswith(start):
                word, _, more = name[len(start) :].partition(" ")
                if more:
                    found.setdefault(word, None)
                else:
                    found[word] = command
        return found

    def _has_more(self, word: str) -> bool:
        """Whether words follow after this one, which is a command itself."""
        start = f"{self.word} {word} ".lstrip()
        return any(name.startswith(start) for name in vocabulary.own())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._below())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        below = self._below(vocabulary.own())
        if cmd_name not in below:
            below = self._below()  # a word of another distribution, or none
        if cmd_name not in below:
            return None
        command = below[cmd_name]
        if command is not None and not self._has_more(cmd_name):
            return Leaf(command)
        help = None if command is None else f"{command.help}\n\n{command.details}".strip()
        return Words(f"{self.word} {cmd_name}".strip(), command, help=help, context_settings=_settings())

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        command = self.get_command(ctx, name)
        if isinstance(command, Words) and command.takes(args[1:]):
            assert command.own is not None
            return name, Leaf(command.own), args[1:]
        if command is not None:
            return name, command, args[1:]
        if name.startswith("-"):
            self.parse_args(ctx, args)
        known = [f"{self.word} {word}".strip() for word in self._below()]
        full = f"{self.word} {name}".strip()
        near = params.nearest(full, known)
        hint = f"did you mean {near}?" if near else f"howdah {self.word}".rstrip() + " --help lists them"
        raise NotFound(f"there is no command {full!r}", hint=hint)

    def takes(self, args: list[str]) -> bool:
        """Whether these are the own command's words: it has places, and the first is none of the words below."""
        if self.own is None or not any(param.place for param in self.own.params):
            return False
        return not args or args[0] not in self._below(vocabulary.own())

    def _bare(self, ctx: click.Context, given: dict[str, Any]) -> Any:
        """What stands before the first command word counts for all; nothing after it is help, or the list."""
        ctx.obj = {**(ctx.obj or {}), **{name: value for name, value in given.items() if value}}
        if ctx.invoked_subcommand is not None:
            return None
        if self.own is not None:
            return Leaf(self.own).carry_out(given)
        listing = self._below().get("list") if self.word else None
        if listing is not None:  # a bare noun lists
            with Leaf(listing).make_context("list", [], parent=ctx) as inner:
                return inner.command.invoke(inner)
        click.echo(ctx.get_help())
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for word, command in self._below().items():
            if command is not None:
                groups.setdefault(command.group, []).append((word, command.help))
                continue
            inner = [
                c
                for name, c in vocabulary.registry().items()
                if name.startswith(f"{self.word} {word} ".lstrip())
            ]
            verbs = " ".join(c.name.rpartition(" ")[2] for c in inner)
            groups.setdefault(inner[0].group, []).append((word, verbs))
        for group, title in vocabulary.GROUPS.items():
            if group in groups:
                with formatter.section(title):
                    formatter.write_dl(groups[group])


class Leaf(click.Command):
    """One command of the registry."""

    def __init__(self, command: Command):
        own = [_parameter(command, param) for param in command.params]
        self.common = _everywhere((*_EVERYWHERE, _KEY) if command.writes else _EVERYWHERE)
        help = f"{command.help}\n\n{command.details}".strip()
        super().__init__(
            name=command.name.rpartition(" ")[2],
            params=[*own, *self.common],
            help=help,
            callback=lambda **given: self.carry_out(given),
            context_settings=_settings(),
        )
        self.command = command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:  # click leaves the place out of some of its complaints
            error.ctx = error.ctx or ctx
            raise

    def carry_out(self, given: dict[str, Any]) -> Reply:
        """Calls the command with what was typed."""
        root = click.get_current_context().obj or {}
        common = {
            name: given.pop(name, None) or root.get(name)
            for name in ("_json", "_store", "_config", "_zone", "_key")
        }
        places = Places(
            common["_store"], common["_config"], common["_zone"], common["_key"], bool(common["_json"])
        )
        raw = {}
        for param in self.command.params:
            typed = given.get(param.name)
            if not typed and typed != "":  # an empty word is a word
                typed = root.get(param.name)
            raw[param.name] = _typed(param, typed)
        return dispatch.run(self.command, raw, front.here(json=places.json), places)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        common = set(self.common)
        own: list[tuple[str, str]] = []
        everywhere: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                (everywhere if param in common or "--help" in param.opts else own).append(record)
        places = [(param.shown, param.help) for param in self.command.params if param.place]
        for title, records in (("Arguments", places), ("Options", own), ("Everywhere", everywhere)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _parameter(command: Command, param: Param) -> click.Parameter:
    many = param.rest or param.repeat

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _complete(command, param, ctx, incomplete)

    if param.place:
        return click.Argument(
            [param.name],
            nargs=-1 if many else 1,
            required=False,
            default=None,
            metavar=param.shown if param.required else f"[{param.shown}]",
            shell_complete=complete,
        )
    names = [param.flagname, param.name, *([f"-{param.short}"] if param.short else [])]
    if param.flag:
        return click.Option(names, is_flag=True, help=param.help)
    return click.Option(
        names,
        help=param.help,
        metavar=param.shown,
        multiple=param.repeat,
        default=None,
        shell_complete=complete,
    )


def _typed(param: Param, value: Any) -> Any:
    """What was typed; a lone `-` of a parameter that allows it is what stands on standard input."""
    if param.dashed and value in ("-", ("-",)):
        data = sys.stdin.buffer.read(4 * params.LONGEST_TEXT + 1)
        return data.decode("utf-8", "backslashreplace")
    return value


def _complete(command: Command, param: Param, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from incidents import clock

    if param.choices:
        return [CompletionItem(word) for word in param.choices if word.startswith(incomplete)]
    if param.type == "path":
        return [CompletionItem(incomplete, type="file")]
    given = {**(ctx.obj or {}), **ctx.params}
    places = Places(given.get("_store"), given.get("_config"), given.get("_zone"), json=True)
    call = Completing(command, front.here(json=True), places, now=clock.wall())
    try:
        if param.type == "pairs":
            found = list(params.complete_inputs(_word_after(command.name), incomplete, call))
        else:
            found = list(param.complete(incomplete, call)) if param.complete is not None else []
        return [CompletionItem(option.value, help=option.label) for option in found]
    except (HowdahError, OSError):  # no record yet, a broken file: nothing can be offered
        return []
    finally:
        call.close()


def _word_after(name: str) -> str:
    """The word that was typed after the command: with an option's value still to come click knows none of them."""
    words = os.environ.get("COMP_WORDS", "").split()
    last = name.rpartition(" ")[2]
    after = words[words.index(last) + 1 :] if last in words else []
    return next((word for word in after if not word.startswith("-")), "")


class Completing(Call):
    """A call that only looks, while a line is typed: it makes no store."""

    @property
    def store(self) -> Store:
        if self._store is None:
            from incidents.store import open_store

            self._store = open_store(self.places.store, create=False)
        return self._store


def root() -> Words:
    """The whole command line."""
    words = Words(
        context_settings=_settings(),
        help="Incidents: one record that writes itself, runbooks that run, people who get to sleep.",
        epilog="howdah COMMAND --help explains one command. Without a store there is nothing to set up.",
    )
    words.params.append(
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_version,
            help="Print the version.",
        )
    )
    return words


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from importlib import metadata

        click.echo(f"howdah {metadata.version('howdah')}")
        ctx.exit()
