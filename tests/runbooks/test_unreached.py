"""What people read of a host that cannot be reached, made from what ssh said."""

from __future__ import annotations

import re
import shlex

import pytest

from runbooks.targets import ssh

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Offending ED25519 key in /root/.ssh/known_hosts:3
Host key for NAME has changed and you have requested strict checking.
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("db1.example.org", "ssh-keygen -R db1.example.org"),
        ("[192.0.2.7]:2222", "ssh-keygen -R '[192.0.2.7]:2222'"),
    ],
)
def test_a_changed_key_is_told_with_the_command_that_forgets_the_old_one(name: str, cure: str) -> None:
    told = ssh.why_unreached("web1", CHANGED.replace("NAME", name).encode())
    assert "its host key has CHANGED" in told and told.endswith(cure)


def test_what_a_login_shell_is_given_reads_alike_in_sh_csh_and_fish() -> None:
    assert "\n" not in ssh.COMMAND
    assert not re.search(r"![^ =]", ssh.COMMAND)  # csh: history, also within quotes
    assert not re.search(r"\\[\\']", ssh.COMMAND)  # fish: escapes within quotes
    assert shlex.split(ssh.COMMAND)[-2] == ssh.agent()
