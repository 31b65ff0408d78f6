"""`scene`: a machine of its own for each story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stories.scene import Scene
from tests.stories.scene import scene as made


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with made(str(tmp_path)) as one:
        yield one
