"""What keeps the bot from working, and what to click: looked at with the bot's token, changing nothing.

Each check is one line with its cure. A check that could not be made is a lack too: nobody has seen that it is fine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from chatops import permissions
from chatops.surfaces.base import PlatformDown
from chatops.surfaces.discord import asking, invite, rights
from chatops.surfaces.discord import settings as settings_
from chatops.surfaces.discord.settings import Settings
from incidents import clock
from incidents.config import Config
from incidents.errors import HowdahError

PORTAL = "discord.com/developers/applications → your application"
CONTENT, CONTENT_LIMITED = 1 << 18, 1 << 19  # flags of an application: the message content intent
TEXT_CHANNELS = (
    0,
    5,
)  # an announcement channel takes cards and threads too, and the bot counts it among them
CHANNEL_TYPES = {2: "a voice channel", 4: "a category", 10: "a thread", 11: "a thread",
                 12: "a thread", 13: "a stage", 14: "a directory", 15: "a forum", 16: "a media channel"}  # fmt: skip
MOST_SKEW = 10 * clock.SECOND
MOST_PEOPLE = 50  # that are asked for: each is one question
SHOWN = 5  # channels or names in one line

State = Literal["ok", "note", "lack"]
JSON = Mapping[str, Any]


class Check(NamedTuple):
    """One thing that was looked at. `do` is what to click or type; a note is no lack."""

    name: str
    state: State
    says: str
    do: str = ""


def examine(config: Config, environ: Mapping[str, str]) -> list[Check]:
    """Every check that can be made, in the order in which they should be cured."""
    try:
        remote = _remote(settings_.load(config, environ), config)
    except HowdahError as error:
        remote = [Check("token", "lack", error.message, error.hint or "")]
    return [*_library(), *remote, *_configured(config)]


def _library() -> Iterator[Check]:
    if importlib.util.find_spec("discord") is None:
        yield Check("library", "lack", "discord.py is not installed", "pip install 'howdah[discord]'")


def _configured(config: Config) -> Iterator[Check]:
    """What needs no question to Discord."""
    place = config.path or "howdah.yaml"
    if not config.permissions:
        yield Check(
            "permissions",
            "note",
            "everyone who sees the commands may use them all, and run runbooks",
            f"{place}: permissions: {{respond: [PERSON, ROLE]}}; in Discord: Server Settings → Integrations",
        )
    for sentence in permissions.doubtful(config):
        yield Check("permissions", "note", sentence, place)
    strangers = [name for name in config.people.names() if not _accounts(config, name)]
    if strangers or not config.people:
        who = f"{_some(strangers)}: no discord account is configured" if strangers else "nobody is configured"
        yield Check(
            "people",
            "note",
            f"{who}; the record then has Discord's name and id",
            f"{place}: people: {{NAME: {{discord: ID}}}}",
        )


def _accounts(config: Config, name: str) -> list[str]:
    person = config.people.get(name)
    return [account for platform, account in person.accounts if platform == "discord"] if person else []


def _remote(settings: Settings, config: Config) -> list[Check]:
    """What Discord says. The first question that gets no answer ends it, with the reason."""
    visit = _Visit(settings, config)
    checks: list[Check] = []
    try:
        for check in visit.checks():
            checks.append(check)
    except PlatformDown as error:
        checks.append(Check("Discord", "lack", error.message, error.hint or ""))
    return checks


class _Visit:
    """One visit; each method asks and yields, and leaves here what later ones need."""

    def __init__(self, settings: Settings, config: Config):
        self.settings = settings
        self.config = config
        self.application: JSON = {}
        self.me: JSON = {}
        self.guild: JSON = {}
        self.standing: rights.Standing | None = None

    def checks(self) -> Iterator[Check]:
        yield from self.token()
        if not self.application:
            return
        yield from self.about_application()
        yield from self.gateway()
        yield from self.server()
        if not self.guild:
            return
        yield from self.commands()
        yield from self.channel()
        yield from self.people()

    def ask(self, path: str, shape: type) -> Any:
        """The body of a good answer. Raises PlatformDown for any other."""
        return self.body(asking.get(self.settings, path), path, shape)

    def body(self, answer: asking.Answer, path: str, shape: type) -> Any:
        if not answer.ok or not isinstance(answer.body, shape):
            what = str(answer) if not answer.ok else "something else than its documentation says"
            raise PlatformDown(f"GET {path}: Discord answers {what}", hint="later checks were not made")
        return answer.body

    def items(self, path: str) -> list[JSON]:
        return [one for one in self.ask(path, list) if isinstance(one, dict)]

    # -- token, application, gateway

    def token(self) -> Iterator[Check]:
        where = self.settings.token.name
        path = "/oauth2/applications/@me"
        answer = asking.get(self.settings, path)
        if answer.status == 401:
            cure = f"{PORTAL} → Bot → Reset Token; put the new one into {where}, start the bot again"
            yield Check("token", "lack", f"Discord does not accept the one in {where}", cure)
            return
        self.application = self.body(answer, path, dict)
        self.me = self.ask("/users/@me", dict)
        name = self.me.get("username") or "a bot without a name"
        yield Check("token", "ok", f"{where}: accepted, for {name}")
        parts = urlsplit(self.settings.api)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            says = f"it travels to {parts.netloc} unencrypted"
            yield Check("token", "note", says, "https:// in $HOWDAH_DISCORD_API")
        yield from self.clock(answer.skew)

    def clock(self, skew: int | None) -> Iterator[Check]:
        if skew is None or abs(skew) <= MOST_SKEW:
            return
        which = "ahead of" if skew > 0 else "behind"
        says = (
            f"this machine is {clock.words(abs(skew))} {which} Discord; the record has this machine's times"
        )
        yield Check("clock", "lack", says, "timedatectl set-ntp true")

    def about_application(self) -> Iterator[Check]:
        app = self.application
        told: list[tuple[Any, State, str, str]] = [
            (app.get("interactions_endpoint_url"), "lack", "an Interactions Endpoint URL is set: the bot hears nothing",
             "General Information → empty Interactions Endpoint URL → Save Changes"),
            (app.get("bot_require_code_grant"), "lack", "it requires an OAuth2 code grant: it cannot be added",
             "Bot → turn off Requires OAuth2 Code Grant → Save Changes"),
            (app.get("bot_public"), "note", "it is public: anybody could add it to a server of theirs",
             "Installation → Install Link: None; then Bot → turn off Public Bot → Save Changes"),
        ]  # fmt: skip
        found = [Check("application", state, says, f"{PORTAL} → {do}") for on, state, says, do in told if on]
        yield from found or [Check("application", "ok", f"{app.get('name')} ({app.get('id')})")]
        flags = app.get("flags")
        if not isinstance(flags, int):  # the older of the two addresses may leave them out
            again = asking.get(self.settings, "/applications/@me")
            flags = again.body.get("flags") if again.ok and isinstance(again.body, dict) else None
        yield from self.content(flags if isinstance(flags, int) else 0)

    def content(self, flags: int) -> Iterator[Check]:
        if flags & (CONTENT | CONTENT_LIMITED):
            kind = "on" if flags & CONTENT else "on, limited to small bots"
            yield Check("message content", "ok", f"{kind}: the 📌 reaction works")
        else:
            says = "off: all works but the 📌 reaction; Add to timeline does the same"
            yield Check("message content", "note", says, f"{PORTAL} → Bot → turn on Message Content Intent")

    def gateway(self) -> Iterator[Check]:
        self.ask("/gateway", dict)
        asking.reach(self.settings.gateway)
        yield Check("gateway", "ok", f"{urlsplit(self.settings.gateway).netloc} can be reached")

    # -- server, commands, channel

    def server(self) -> Iterator[Check]:
        app, wanted = str(self.application.get("id")), self.settings.guild
        guilds = self.items("/users/@me/guilds")
        named = [f"{one.get('name')} ({one.get('id')})" for one in guilds]
        if wanted is not None:
            self.guild = next((one for one in guilds if one.get("id") == wanted), {})
            if not self.guild:
                says = f"the bot is not in {wanted}, which discord.guild names; it is in {_some(named)}"
                yield Check("server", "lack", says, f"add it: {invite.link(app, wanted)}")
                return
        elif len(guilds) == 1:
            self.guild = guilds[0]
        elif not guilds:
            yield Check("server", "lack", "the bot is in none", f"add it: {invite.link(app)}")
            return
        else:
            says = f"the bot is in {len(guilds)} and serves one: {_some(named)}"
            yield Check(
                "server", "lack", says, f"{self.config.path or 'howdah.yaml'}: discord: {{guild: ID}}"
            )
            return
        yield Check("server", "ok", f"{self.guild.get('name')} ({self.guild.get('id')})")

    def commands(self) -> Iterator[Check]:
        app, guild = str(self.application.get("id")), str(self.guild.get("id"))
        answer = asking.get(self.settings, f"/applications/{app}/guilds/{guild}/commands")
        if answer.status == 403:
            says = f"the bot may not have any on {self.guild.get('name')}: the scope applications.commands is missing"
            yield Check("commands", "lack", says, f"add it again, it stays in: {invite.link(app, guild)}")
            return
        if not answer.ok or not isinstance(answer.body, list):
            yield Check(
                "commands", "lack", f"could not be looked at: Discord answers {answer}", "later again"
            )
            return
        names = [_command_name(one) for one in answer.body if isinstance(one, dict)]
        if names:
            yield Check("commands", "ok", _some(names))
        else:
            yield Check(
                "commands", "note", "none yet", "howdah serve --discord registers them when it starts"
            )

    def channel(self) -> Iterator[Check]:
        guild, bot = str(self.guild.get("id")), str(self.me.get("id"))
        member = self.ask(f"/guilds/{guild}/members/{bot}", dict)
        roles = self.items(f"/guilds/{guild}/roles")
        self.standing = rights.standing(guild, self.me, member, roles, owner=bool(self.guild.get("owner")))
        everything = self.items(f"/guilds/{guild}/channels")
        channels = sorted((one for one in everything if one.get("type") in TEXT_CHANNELS), key=_position)
        able = [one for one in channels if not rights.lacks(self.standing, _overwrites(one))]
        if self.settings.channel is None:
            yield from self.no_channel(channels, able)
        else:
            here = next((one for one in everything if one.get("id") == self.settings.channel), None)
            yield from self.one_channel(self.settings.channel, here, able)
        if self.standing.administrator:
            says = "the bot is an administrator, which is more than it needs"
            do = f"Server Settings → Roles → {self.standing.own_role} → turn off Administrator"
            yield Check("rights", "note", says, do)

    def no_channel(self, channels: Sequence[JSON], able: Sequence[JSON]) -> Iterator[Check]:
        """An incident is shown where it was declared, else in the system channel, else in the first one that works."""
        if not channels:
            yield Check(
                "channel", "lack", "the server has no text channel", "the + beside TEXT CHANNELS makes one"
            )
            return
        if not able:
            says = "the bot can work in none of the server's text channels"
            yield Check(
                "channel", "lack", says, "give it what is missing in one of them, the first for example"
            )
            yield from self.missing(channels[0])
            return
        system = self.ask(f"/guilds/{self.guild.get('id')}", dict).get("system_channel_id")
        first = next((one for one in able if one.get("id") == system), able[0])
        says = f"none is configured: what is not declared in a channel goes to {_channel(first)}"
        others = [_channel(one) for one in able if one is not first]
        also = f"; it could also be {_some(others)}" if others else ""
        do = f"{self.config.path or 'howdah.yaml'}: discord: {{channel: ID}}{also}"
        yield Check("channel", "note", says, do)

    def one_channel(self, wanted: str, here: JSON | None, able: Sequence[JSON]) -> Iterator[Check]:
        place = f"{self.config.path or 'howdah.yaml'}: discord: {{channel: ID}}"
        instead = f"{place}; it could be {_some(map(_channel, able))}" if able else place
        if here is None:
            answer = asking.get(self.settings, f"/channels/{wanted}")
            if answer.ok or answer.status == 403:
                says = f"{wanted}, which discord.channel names, is not on the server that the bot serves"
            elif answer.status == 404:
                says = f"there is no {wanted}, which discord.channel names"
            else:
                says = f"{wanted} could not be looked at: Discord answers {answer}"
            yield Check("channel", "lack", says, instead)
            return
        kind = here.get("type")
        if kind not in TEXT_CHANNELS:
            what = CHANNEL_TYPES.get(kind if isinstance(kind, int) else -1, "not a text channel")
            says = f"{_channel(here)} is {what}, incidents need a text channel"
            yield Check("channel", "lack", says, instead)
        elif self.standing is not None and rights.lacks(self.standing, _overwrites(here)):
            yield from self.missing(here)
        else:
            yield Check("channel", "ok", f"{_channel(here)}, with all {len(invite.LEAST)} permissions")

    def missing(self, channel: JSON) -> Iterator[Check]:
        if self.standing is None:
            return
        for lack in rights.lacks(self.standing, _overwrites(channel)):
            permission = lack.permission
            says = f"{permission.label} is missing in {_channel(channel)}, {permission.needed}: {lack.why}"
            where = f"right-click the channel → Edit Channel → Permissions → {lack.turn_on}"
            yield Check("rights", "lack", says, f"{where} → turn on {permission.label}")

    # -- people

    def people(self) -> Iterator[Check]:
        guild, place = str(self.guild.get("id")), self.config.path or "howdah.yaml"
        pairs = [(name, one) for name in self.config.people.names() for one in _accounts(self.config, name)]
        fine = True
        for name, account in pairs[:MOST_PEOPLE]:
            says = ""
            if not (account.isascii() and account.isdecimal() and 17 <= len(account) <= 20):
                says = f"{name}: {account!r} is no id; an id has 17 to 20 digits"
            else:
                answer = asking.get(self.settings, f"/guilds/{guild}/members/{account}")
                if answer.status == 404:
                    says = f"{name}: nobody with the id {account} is on this server"
                elif not answer.ok:
                    says = f"{name}: could not be looked at: Discord answers {answer}"
            if says:
                fine = False
                yield Check(
                    "people", "lack", says, f"right-click the person → Copy User ID; {place}: people: {name}"
                )
        if pairs and fine:
            count = (
                f"{min(len(pairs), MOST_PEOPLE)} of {len(pairs)} accounts"
                if len(pairs) > 1
                else "one account"
            )
            yield Check("people", "ok", f"{count} looked up, all on this server")


def _command_name(one: JSON) -> str:
    return f"/{one.get('name')}" if one.get("type", 1) == 1 else f"{one.get('name')} (menu of a message)"


def _channel(one: JSON) -> str:
    return f"#{one.get('name')} ({one.get('id')})"


def _overwrites(channel: JSON) -> list[JSON]:
    listed = channel.get("permission_overwrites")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _position(channel: JSON) -> int:
    position = channel.get("position")
    return position if isinstance(position, int) else 0


def _some(texts: Any) -> str:
    """All of a few, or the first with how many more there are."""
    listed = list(texts)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return (", ".join(listed[:SHOWN]) or "none") + more
