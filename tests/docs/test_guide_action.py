"""docs/guides/add-an-action.md: its action is installed as another package's, and does what the page says."""

from __future__ import annotations

import os
import re

import pytest

from tests.docs import pages
from tests.stories.conftest import scene as scene
from tests.stories.scene import Scene


@pytest.fixture
def site(scene: Scene) -> str:
    page = pages.read("docs/guides/add-an-action.md")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (point,) = re.findall(r'\nweight = "(.*?)"', page)
    folder = os.path.join(scene.folder, "site")
    os.makedirs(os.path.join(folder, "balancer-1.0.dist-info"))
    for name, text in (
        ("balancer.py", code),
        ("balancer-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: balancer\nVersion: 1.0\n"),
        ("balancer-1.0.dist-info/entry_points.txt", f"[howdah.actions]\nweight = {point}\n"),
    ):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return folder


@pytest.mark.parametrize(
    ("file", "weight", "status"), [("web1", 0, "ok"), ("web1", 101, "failed"), ("nowhere", 0, "failed")]
)
def test_it_sets_the_weight_or_says_why_not(
    scene: Scene, site: str, file: str, weight: int, status: str
) -> None:
    path = os.path.join(scene.folder, "web1")
    with open(path, "w", encoding="utf-8") as made:
        made.write("7\n")
    where = os.path.join(scene.folder, file)
    book = scene.runbook(f"""
name: weight
steps:
  - {{id: weight, uses: weight, with: {{file: {where}, weight: {weight}}}, env: {{inherit: [PYTHONPATH]}}}}
""")
    scene("run", book, PYTHONPATH=site)
    step = scene.journal().step("weight")
    assert step.status == status, step
    assert step.exit == (10 if file == "nowhere" else 1 if weight > 100 else 0)
    assert step.outputs == ({"before": 7} if status == "ok" else None)
