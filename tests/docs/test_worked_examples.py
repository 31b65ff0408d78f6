"""The two complete examples of docs/runbooks.md, and what the page says around them, played with real processes."""

from __future__ import annotations

import os
import re

import pytest

from tests.docs import pages
from tests.stories.conftest import scene
from tests.stories.scene import Scene, until

__all__ = ["scene"]

PAGE = "docs/runbooks.md"
# Programs of a machine that this one is not: a unit whose start has an id, a page that asks for a token.
SYSTEMCTL = """\
#!/bin/bash
cd "$SCENE_OF_STUB" || exit 1
case $1 in
  show) cat id ;;
  restart) if [[ -e dies-before ]]; then rm dies-before; kill -KILL $$; fi
    printf '%032x\\n' "$RANDOM$RANDOM" >id; echo restart >>acts
    if [[ -e dies-after ]]; then rm dies-after; kill -KILL $$; fi ;;
esac
"""
CURL = """\
#!/bin/bash
cd "$SCENE_OF_STUB" || exit 1
printf '%s\\n' "$*" >>curl-arguments; cat >>curl-input
if [[ -e does-not-serve ]]; then exit 22; fi
"""
TOKEN = "a-token-for-the-health-page"


def example(name: str) -> str:
    (block,) = [block for block in pages.blocks(PAGE, "yaml") if block.text.startswith(f"# {name}.yaml\n")]
    return block.text


@pytest.fixture
def web(scene: Scene) -> Scene:
    """A machine with the service of restart-web on it; its runbook asks more often than the page's, to be quick."""
    text = example("restart-web").replace("max: 30, delay: 2s", "max: 3, delay: 10ms")
    scene.runbook(text.replace("/run/web.down", os.path.join(scene.folder, "web.down")), "restart-web.yaml")
    write(scene, "id", "0" * 32 + "\n")
    program(scene, "systemctl", SYSTEMCTL)
    program(scene, "curl", CURL)
    program(scene, "journalctl", "#!/bin/bash\necho 'web: cannot bind to port 3000'\n")
    return scene


def program(scene: Scene, name: str, text: str) -> None:
    os.makedirs(os.path.join(scene.folder, "bin"), exist_ok=True)
    path = write(scene, f"bin/{name}", text.replace("$SCENE_OF_STUB", scene.folder))
    os.chmod(path, 0o755)


def write(scene: Scene, name: str, text: str = "") -> str:
    path = os.path.join(scene.folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def read(scene: Scene, name: str) -> str:
    with open(os.path.join(scene.folder, name), encoding="utf-8") as file:
        return file.read()


def restart(scene: Scene, *more: str) -> int:
    given = ["-i", "token=env:WEB_TOKEN", "-i", "settle=10ms", "--yes", "restart", *more]
    path = os.path.join(scene.folder, "bin") + ":" + os.environ["PATH"]
    return scene("run", "./restart-web.yaml", *given, PATH=path, WEB_TOKEN=TOKEN).code


def test_restart_web_restarts_once_and_puts_the_node_back(web: Scene) -> None:
    assert restart(web) == 0
    assert web.acts() == ["restart"]
    assert not os.path.exists(os.path.join(web.folder, "web.down"))
    assert web.incidents() == {"inc-1": "resolved"}


def test_its_token_is_in_no_argument_and_not_in_the_record(web: Scene) -> None:
    assert restart(web) == 0
    assert read(web, "curl-input") == f"Authorization: Bearer {TOKEN}\n"
    assert TOKEN not in read(web, "curl-arguments")
    assert not any(TOKEN in str(event) for event in web.events())


@pytest.mark.parametrize(("dies", "verify"), [("dies-before", "no"), ("dies-after", "ok")])
def test_a_restart_that_was_killed_happens_exactly_once(web: Scene, dies: str, verify: str) -> None:
    write(web, dies)
    assert restart(web) == 0
    assert web.acts() == ["restart"]
    assert web.wait_for("step.ended", part="verify").data["status"] == verify


def test_a_service_that_does_not_serve_gets_no_requests_and_a_person(web: Scene) -> None:
    write(web, "does-not-serve")
    assert restart(web) == 3
    assert os.path.exists(os.path.join(web.folder, "web.down"))
    assert web.status("rescue/log") == "ok"
    path = os.path.join(web.folder, "bin") + ":" + os.environ["PATH"]
    web.ok("done", PATH=path, WEB_TOKEN=TOKEN)
    ended = web.wait_for("run.ended")
    assert (ended.data["status"], ended.data["exit"]) == ("failed", 1)
    assert "does not serve" in ended.data["say"]


@pytest.fixture
def folders(scene: Scene) -> Scene:
    scene.runbook(example("move-folder"), "move-folder.yaml")
    os.makedirs(os.path.join(scene.folder, "media/a b"))
    os.mkdir(os.path.join(scene.folder, "elsewhere"))
    write(scene, "media/a b/-rf", "kept")
    return scene


def move(scene: Scene, *, asked: int, **env: str) -> None:
    """Up to the question of that number, the confirmation given beforehand."""
    given = [f"folder={scene.folder}/media", f"to={scene.folder}/elsewhere"]
    options = [part for pair in given for part in ("-i", pair)]
    assert scene("run", "./move-folder.yaml", *options, "--yes", "swap", **env).code == 3
    scene.ok("done", **env)
    until(lambda: scene.journal().asked == asked and scene.journal().status == "parked", "the question")


def test_move_folder_leaves_a_link_and_deletes_nothing(folders: Scene) -> None:
    move(folders, asked=3)
    assert os.path.islink(os.path.join(folders.folder, "media"))
    assert read(folders, "media/a b/-rf") == "kept"
    folders.ok("done")
    folders.wait_for("run.ended", status="ok")
    (old,) = [name for name in os.listdir(folders.folder) if name.startswith("media.before-")]
    assert read(folders, f"{old}/a b/-rf") == "kept"


def test_its_undo_puts_the_folder_back(folders: Scene) -> None:
    move(folders, asked=3)
    folders.ok("done")
    folders.wait_for("run.ended", status="ok")
    folders.ok("undo", folders.run())
    folders.wait_for("run.ended", status="undone")
    assert os.path.isdir(os.path.join(folders.folder, "media")) and read(folders, "media/a b/-rf") == "kept"
    assert not os.path.islink(os.path.join(folders.folder, "media"))
    assert not [name for name in os.listdir(folders.folder) if name.startswith("media.before-")]


def test_a_move_that_died_between_its_two_acts_is_for_a_person(folders: Scene) -> None:
    program(folders, "ln", "#!/bin/bash\nkill -KILL $PPID\n")
    move(folders, asked=3, PATH=os.path.join(folders.folder, "bin") + ":" + os.environ["PATH"])
    assert folders.status("swap") == "in_doubt"
    assert "verify does not know: exit 3" in folders("attach").out


def test_a_move_without_room_stops_before_it_copies(folders: Scene) -> None:
    path = os.path.join(folders.folder, "bin") + ":" + os.environ["PATH"]
    program(folders, "du", "#!/bin/bash\nprintf '%s\\t%s\\n' 9000000000000000 x\n")
    given = ["-i", f"folder={folders.folder}/media", "-i", f"to={folders.folder}/elsewhere"]
    assert folders("run", "./move-folder.yaml", *given, PATH=path).code == 3
    folders.ok("done", PATH=path)
    ended = folders.wait_for("run.ended")
    assert ended.data["status"] == "failed" and "require" in ended.data["say"]
    assert os.listdir(os.path.join(folders.folder, "elsewhere")) == []


def test_the_broken_link_of_the_page_is_a_doubt_and_a_far_failure_is_none(scene: Scene) -> None:
    (block,) = [block for block in pages.blocks(PAGE, "yaml") if block.text.startswith("- id: migrate")]
    scene.runbook("name: far\nsteps:\n" + re.sub(r"(?m)^", "  ", block.text), "far.yaml")
    path = os.path.join(scene.folder, "bin") + ":" + os.environ["PATH"]
    program(scene, "ssh", "#!/bin/bash\nexit 7\n")
    assert scene("run", "./far.yaml", PATH=path).code == 1
    assert scene.status("migrate") == "failed"
    program(scene, "ssh", "#!/bin/bash\nexit 255\n")
    assert scene("run", "./far.yaml", PATH=path).code == 3
    assert scene.status("migrate") == "in_doubt"
