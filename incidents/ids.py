"""Identifiers: UUIDv7 for events (RFC 9562 section 5.7), short names for incidents and runs."""

from __future__ import annotations

import os
import uuid

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"  # no 0 o 1 i l u: read aloud at 3 a.m.


def uuid7(at: int) -> str:
    """A UUIDv7 whose 48-bit timestamp is `at` (µs since the epoch), the rest random."""
    random = int.from_bytes(os.urandom(10), "big")
    value = (at // 1000 & 0xFFFF_FFFF_FFFF) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def short(length: int) -> str:
    """`length` random letters that cannot be mistaken for one another."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(length))


def incident_name(number: int) -> str:
    """The name of the store's n-th incident: `inc-7`."""
    return f"inc-{number}"


def run_name() -> str:
    """A new run's id: `run-` and six letters; the store refuses a second one."""
    return f"run-{short(6)}"
