"""What is to be done, and by whom."""

from __future__ import annotations

import threading

from tests.chatops.conftest import Howdah


def test_tasks_are_numbered_and_a_bare_task_lists_them(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    assert howdah.ok("task") == "inc-1 has no tasks\n"
    assert howdah.ok("task", "add", "call", "the provider") == "inc-1 #2  task 1 added: call the provider\n"
    assert howdah.ok("task", "add", "write to the users", "--owner", "malte") == (
        "inc-1 #3  task 2 added (malte): write to the users\n"
    )
    assert howdah.ok("task", "done", "1") == "inc-1 #4  task 1 done: call the provider\n"
    assert howdah.ok("task", "assign", "2", "me") == "inc-1 #5  task 2 assigned (nova): write to the users\n"
    assert (
        howdah.ok("task")
        == howdah.ok("task", "list")
        == ("[x] 1  call the provider\n[ ] 2  write to the users (nova)\n")
    )
    assert howdah.ok("task", "drop", "2", "--why", "they know") == (
        "inc-1 #6  task 2 dropped: write to the users, they know\n"
    )
    assert [task["status"] for task in howdah("task", "--json").json["tasks"]] == ["done", "dropped"]


def test_what_cannot_be_done_to_a_task_is_refused(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    assert howdah("task", "done", "7").code == 2
    howdah.ok("task", "add", "y")
    howdah.ok("task", "done", "1")
    assert howdah("task", "done", "1").code == 4
    assert howdah("task", "dnoe", "1").err == "there is no command 'task dnoe'; did you mean task done?\n"


def test_tasks_that_are_added_at_the_same_moment_get_their_own_numbers(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    codes: list[int] = []
    threads = [
        threading.Thread(
            target=lambda n=n: codes.append(howdah.process("task", "add", f"task {n}").returncode)
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0, 0]
    tasks = howdah("task", "--json").json["tasks"]
    assert [task["task"] for task in tasks] == [1, 2, 3, 4]
    assert sorted(task["text"] for task in tasks) == ["task 0", "task 1", "task 2", "task 3"]
