"""`uses: set`: values worked out from others, for later steps to use. Nothing is started for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbooks.actions.base import Action, always


def act(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return given


ACTION = Action(
    doc="Gives values names: each of `with` is an output of the step.",
    takes={},
    gives={},
    effect=always("read"),
    act=act,
    any_names=True,
)
