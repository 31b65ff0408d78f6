"""A `wait` step: durable, because its deadline counts from its first event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incidents import clock, kinds
from runbooks.document import Step

if TYPE_CHECKING:
    from runbooks.course import Course, Hold


def wait(course: Course, step: Step) -> Hold | None:
    raise NotImplementedError
