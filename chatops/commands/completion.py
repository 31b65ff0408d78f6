"""The shell completes what can come next."""

from __future__ import annotations

from chatops import params
from chatops.views import Text
from chatops.vocabulary import Call, Reply, command

SHELLS = ("bash", "zsh", "fish")
WHERE = {
    "bash": "~/.local/share/bash-completion/completions/howdah",
    "zsh": "~/.zfunc/_howdah",
    "fish": "~/.config/fish/completions/howdah.fish",
}


@command(
    "completion",
    "The script that lets your shell complete commands, incidents, runbooks, inputs and steps.",
    params.choice("shell", "bash, zsh or fish.", SHELLS, place=True, required=True),
    permission="read",
    writes=False,
    surfaces=("terminal",),
    because="it is for a shell",
    details="Keep it where your shell looks: bash "
    + WHERE["bash"]
    + ", zsh a folder of $fpath, fish "
    + WHERE["fish"]
    + ".",
)
def completion(call: Call, shell: str) -> Reply:
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    completer = made(None, {}, "howdah", "_HOWDAH_COMPLETE")  # type: ignore[arg-type]
    text = completer.source_template % completer.source_vars()
    return Reply(Text(text.strip(), exact=True), {"shell": shell, "script": text})
