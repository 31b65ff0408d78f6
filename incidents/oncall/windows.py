"""When a layer is open. A window starts at the first pass of its wall time and ends at the last of its other one."""

from __future__ import annotations

from incidents import clock
from incidents.oncall.schedule import EVERY_DAY, Layer, Window
from incidents.oncall.zones import Zone


def days(layer: Layer) -> tuple[bool, ...]:
    """The weekdays on which some window starts; all where the layer is always open."""
    if not layer.windows:
        return EVERY_DAY
    return tuple(any(window.days[day] for window in layer.windows) for day in range(7))


def open_at(windows: tuple[Window, ...], high: int, low: int) -> bool:
    """Is one of them open at the instant with this `Zone.reach`? Without windows always."""
    for window in windows:
        day = (high - window.start) // clock.DAY  # the last that began
        while day * clock.DAY + window.end > low:
            if window.days[(day + 3) % 7]:
                return True
            day -= 1
    return not windows


def spans(windows: tuple[Window, ...], zone: Zone, start: int, end: int) -> list[tuple[int, int]]:
    """[from, to) of what is open and touches [start, end): sorted, joined, not cut."""
    found = []
    first, last = zone.reach(start)[1], zone.reach(end)[0]
    for window in windows:
        low = high = offset = 0
        for day in range((first - window.end) // clock.DAY, (last - window.start) // clock.DAY + 1):
            if not window.days[(day + 3) % 7]:
                continue
            begin, until = day * clock.DAY + window.start, day * clock.DAY + window.end
            if not low <= begin < until < high:
                low, high, offset = zone.plain(begin)
            if low <= begin < until < high:
                begin, until = begin - offset, until - offset
            else:
                begin, until = zone.first(begin), zone.last(until)
            if begin < until and begin < end and until > start:
                found.append((begin, until))
    found.sort()
    return joined(found)


def joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans, those that touch made one."""
    result: list[tuple[int, int]] = []
    for begin, until in spans:
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], until))
        else:
            result.append((begin, until))
    return result
