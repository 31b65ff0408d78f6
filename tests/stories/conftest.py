"""`scene`: a machine of its own for each story."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stories.scene import Scene
from tests.stories.scene import scene as made


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with made(str(tmp_path)) as one:
        yield one


@pytest.fixture(params=["dash", "busybox sh", "bash --posix"])
def shell(request: pytest.FixtureRequest) -> str:
    """What the far end of a link may be read by."""
    if shutil.which(str(request.param).split()[0]) is None:
        pytest.skip(f"needs {request.param}")
    return str(request.param)
