"""The process that does what the clock says, and serves a chat."""

from __future__ import annotations

from chatops import params
from chatops.vocabulary import Call, Reply, command


@command(
    "serve",
    "Send what is due (pages, reminders) until TERM; with a chat: show the record there and take commands.",
    params.flag("discord", "Serve Discord too: docs/discord.md."),
    group="other",
    permission="keep",
    streams=True,
    surfaces=("terminal",),
    because="it is the process through which a chat is served",
    details="Of several such processes one sends; another takes over when it ends. docs/paging.md. "
    "Discord's token is in $HOWDAH_DISCORD_TOKEN, or in a file of mode 0600 that $HOWDAH_DISCORD_TOKEN_FILE names. "
    "Runs are no part of this process: they go on when it ends. `howdah doctor discord` says what is missing.",
)
def serve(call: Call, discord: bool) -> Reply:
    from incidents.errors import BadInput

    if not discord:
        return _timers_alone(call)
    try:
        from chatops.surfaces.discord import serving
    except ModuleNotFoundError as error:
        if error.name not in ("discord", "aiohttp"):
            raise
        raise BadInput("discord.py is not installed", hint="pip install 'howdah[discord]'") from None
    return serving.serve(call)


def _timers_alone(call: Call) -> Reply:
    import signal
    import threading

    from chatops import timers

    leave = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leave.set())
    served = timers.served(call)
    call.say(
        "pages and reminders go out from here, until TERM"
        if served.acts
        else "another process sends; this one stands by"
    )
    served.run(leave.is_set)
    return Reply("nothing is sent from here any more; the next howdah serve goes on where this one was")
