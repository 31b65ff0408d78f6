"""`howdah serve --discord` as a process of a scene, against the Discord on loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

from tests.chat.discord.server import Discord
from tests.stories import scene as scenes
from tests.stories.scene import Answer, Scene

JSON = dict[str, object]


class Bot:
    """The bot of a scene; `life` is the process that serves now."""

    def __init__(self, scene: Scene, discord: Discord):
        self.scene, self.discord = scene, discord
        self.life: subprocess.Popen[bytes] | None = None

    def begin(self, *, by: str = "howdah", **env: str) -> None:
        """Starts its process, and waits for nothing."""
        self.life = self.scene.begin("serve", "--discord", by=by, **self.discord.environ(), **env)

    def start(self, *, by: str = "howdah", **env: str) -> None:
        """Starts it and waits until Discord sees it with its commands."""
        before = (
            self.discord.identifies
        )  # the connection of a life that was killed may be seen a moment longer
        self.begin(by=by, **env)
        try:
            self.discord.wait_for(lambda: self.discord.identifies > before, scenes.PATIENCE, what="the bot")
            self.discord.wait_ready(scenes.PATIENCE)
            self.discord.wait_for(self.discord.commands, scenes.PATIENCE, what="the commands")
        except TimeoutError:
            raise AssertionError(f"the bot did not come up: {self.kill()}") from None

    def kill(self) -> Answer:
        """kill -9; what it had said."""
        return self._end(signal.SIGKILL)

    def stop(self) -> Answer:
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> Answer:
        life, self.life = self.life, None
        assert life is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(life.pid, number)
        return scenes.ended(life)

    # -- what people see

    def card(self, incident: str = "inc-1") -> dict[str, object]:
        """The incident's card, as it stands in a channel."""

        def look() -> dict[str, object] | None:
            everywhere = [self.discord.channel, *(str(one["id"]) for one in self.discord.threads())]
            found = [
                one
                for channel in everywhere
                for one in self.discord.messages(channel)
                if any(str(embed.get("title", "")).startswith(incident + " ") for embed in one["embeds"])
            ]
            return found[-1] if found else None

        return scenes.until(look, f"the card of {incident}")

    def thread(self, incident: str = "inc-1") -> str:
        """The id of the incident's thread."""

        def look() -> str | None:
            named = [one for one in self.discord.threads() if str(one["name"]).startswith(incident + " ")]
            return str(named[-1]["id"]) if named else None

        return scenes.until(look, f"the thread of {incident}")

    def lines(self, incident: str = "inc-1") -> list[str]:
        """The timeline's lines in the thread."""
        texts = [str(one["content"]) for one in self.discord.messages(self.thread(incident))]
        return [line for text in texts for line in text.split("\n") if "#" in line[:3]]

    def run_message(self, run: str, incident: str = "inc-1", button: str | None = None) -> dict[str, object]:
        """The message that shows the run, once it has the button."""

        def look() -> dict[str, object] | None:
            for one in self.discord.messages(self.thread(incident)):
                if any(run in str(embed.get("title", "")) for embed in one["embeds"]):
                    return one if button is None or button in labels(one) else None
            return None

        return scenes.until(look, f"the message of {run} with {button}")


def labels(message: dict[str, object]) -> list[str]:
    rows = message.get("components") or []
    assert isinstance(rows, list)
    return [str(button.get("label")) for row in rows for button in row.get("components", ())]


@contextlib.contextmanager
def served(scene: Scene, **settings: object) -> Iterator[tuple[Bot, Discord]]:
    """A Discord on loopback and a bot that serves the scene's record there."""
    with Discord(**settings) as discord:  # type: ignore[arg-type]
        bot = Bot(scene, discord)
        try:
            bot.start()
            yield bot, discord
        finally:
            if bot.life is not None:
                bot.kill()
