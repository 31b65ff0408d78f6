"""The process that serves a chat."""

from __future__ import annotations

from chatops import params
from chatops.vocabulary import Call, Reply, command


@command(
    "serve",
    "Show the record in a chat and take commands from it, until TERM.",
    params.flag("discord", "Serve Discord: docs/discord.md."),
    group="other",
    permission="keep",
    writes=False,
    streams=True,
    surfaces=("terminal",),
    because="it is the process through which a chat is served",
    details="The token is in $HOWDAH_DISCORD_TOKEN, or in a file of mode 0600 that $HOWDAH_DISCORD_TOKEN_FILE names. "
    "Runs are no part of this process: they go on when it ends. `howdah doctor discord` says what is missing.",
)
def serve(call: Call, discord: bool) -> Reply:
    from incidents.errors import BadInput

    if not discord:
        raise BadInput("serve what?", hint="howdah serve --discord")
    try:
        from chatops.surfaces.discord import serving
    except ModuleNotFoundError as error:
        if error.name not in ("discord", "aiohttp"):
            raise
        raise BadInput("discord.py is not installed", hint="pip install 'howdah[discord]'") from None
    return serving.serve(call)
