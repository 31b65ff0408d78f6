"""A bare echo bot on discord.py: the measure that our own latency is compared with.

`python -m tests.chat.discord.echo` reads the same environment as the real bot. It registers one slash
command, `/echo text`, and answers every interaction at once with a deferred ephemeral answer.
"""

from __future__ import annotations

import os
from typing import Any

import discord
import discord.gateway
import discord.http
import yarl

COMMAND = {
    "name": "echo",
    "type": 1,
    "description": "Answers at once",
    "options": [{"name": "text", "type": 3, "description": "Anything"}],
}


class Echo(discord.Client):
    """Defers every interaction, and nothing else."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), guild_ready_timeout=0.1, max_messages=None)

    async def on_ready(self) -> None:
        assert self.application_id is not None
        payload: Any = [COMMAND]
        for guild in self.guilds:
            await self.http.bulk_upsert_guild_commands(self.application_id, guild.id, payload=payload)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)


def main() -> None:
    """Runs until it is ended."""
    discord.http.Route.BASE = os.environ["HOWDAH_DISCORD_API"]
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["HOWDAH_DISCORD_GATEWAY"])
    Echo().run(os.environ["HOWDAH_DISCORD_TOKEN"], log_handler=None)


if __name__ == "__main__":
    main()
