"""Identifiers: UUIDv7 for events (RFC 9562 section 5.7), short names for incidents and runs."""

from __future__ import annotations

import os

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"  # no 0 o 1 i l u: read aloud at 3 a.m.


def uuid7(at: int, random: bytes | None = None) -> str:
    """A UUIDv7 whose 48-bit timestamp is `at` (µs since the epoch), the rest `random` (10 bytes)."""
    time = f"{at // 1000 & 0xFFFF_FFFF_FFFF:012x}"
    rest = (random or os.urandom(10)).hex()
    variant = "89ab"[int(rest[3], 16) & 3]
    return f"{time[:8]}-{time[8:]}-7{rest[:3]}-{variant}{rest[4:7]}-{rest[7:19]}"


def short(length: int) -> str:
    """`length` random letters that cannot be mistaken for one another."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(length))


def incident_name(number: int) -> str:
    """The name of the store's n-th incident: `inc-7`."""
    return f"inc-{number}"


def run_name() -> str:
    """A new run's id: `run-` and six letters; the store refuses a second one."""
    return f"run-{short(6)}"


def run_name_of(key: str) -> str:
    """The id of the run that an idempotency key stands for, the same at every time: `run-` and ten letters."""
    import hashlib

    number = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest())
    letters = []
    for _ in range(10):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return f"run-{''.join(letters)}"
