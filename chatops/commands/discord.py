"""Discord from outside: the link that adds the bot to a server, and what keeps it from working."""

from __future__ import annotations

from chatops import params
from chatops.views import Card, Text
from chatops.vocabulary import Call, Reply, command

BECAUSE = "it is needed before the bot can answer anybody"


@command(
    "discord invite",
    "Print the link that adds the bot to a server, with the least permissions.",
    params.text(
        "application", "The application's id, instead of asking Discord with the token.", metavar="ID"
    ),
    params.text("guild", "The server that is chosen already, by its id.", metavar="ID"),
    permission="read",
    writes=False,
    surfaces=("terminal",),
    because=BECAUSE,
    details="Whoever may manage a server opens it. The token is $HOWDAH_DISCORD_TOKEN, or in the file that "
    "$HOWDAH_DISCORD_TOKEN_FILE names; --json also lists the permissions and what each is for.",
)
def invite(call: Call, application: str | None, guild: str | None) -> Reply:
    from chatops.surfaces.discord import invite
    from incidents.errors import BadInput

    for name, value in (("--application", application), ("--guild", guild)):
        if value is not None and not (value.isascii() and value.isdecimal() and 17 <= len(value) <= 20):
            raise BadInput(f"{name} is an id of 17 to 20 digits", hint="General Information → Application ID")
    asked = application if application is not None else _own_application(call)
    link = invite.link(asked, guild if guild is not None else call.config.discord.guild)
    document = {
        "link": link,
        "application": asked,
        "permissions": [{"name": one.name, "for": one.needed} for one in invite.LEAST],
    }
    return Reply(Text(link), {"invite": document})


def _own_application(call: Call) -> str:
    """The id of the application whose token is configured."""
    import os

    from chatops.surfaces.discord import asking, settings
    from incidents.errors import Failed

    found = settings.load(call.config, os.environ)
    answer = asking.get(found, "/oauth2/applications/@me")
    application = str(answer.body.get("id", "")) if answer.ok and isinstance(answer.body, dict) else ""
    if not (application.isascii() and application.isdecimal()):
        raise Failed(
            f"Discord answers {answer}", hint="howdah doctor discord; --application ID does without a token"
        )
    return application


@command(
    "doctor discord",
    "Look for what keeps the bot from working, and say what to click.",
    permission="read",
    writes=False,
    surfaces=("terminal",),
    because=BECAUSE,
    details="It asks Discord with the bot's token and changes nothing. Exit 1 where something is missing; what is "
    "marked with a dot is worth knowing and nothing is missing.",
)
def doctor(call: Call) -> Reply:
    import os

    from chatops import cards
    from chatops.surfaces.discord import doctor

    checks = doctor.examine(call.config, os.environ)
    lacks = sum(check.state == "lack" for check in checks)
    state = (
        "all fine" if not lacks else "one thing is missing" if lacks == 1 else f"{lacks} things are missing"
    )
    document = {"fine": not lacks, "checks": [check._asdict() for check in checks]}
    card = Card("Discord", tuple(cards.checks(checks)), state=state, tone="bad" if lacks else "good")
    return Reply(card, {"doctor": document}, exit=1 if lacks else 0)
