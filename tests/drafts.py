"""Drafts for tests, short to write."""

from __future__ import annotations

from typing import Any

from incidents.events import NEW_INCIDENT, Actor, Draft

ROBIN = Actor("human", "robin")
NOVA = Actor("human", "nova")


def draft(kind: str, data: dict[str, Any] | None = None, *, stream: str = "inc-1", **about: Any) -> Draft:
    return Draft(**{"stream": stream, "kind": kind, "actor": ROBIN, "data": data or {}, **about})


def note(body: str = "a word", *, stream: str = "inc-1", **about: Any) -> Draft:
    return draft("note", stream=stream, body=body, **about)


def declared(title: str = "the disk is full", *, stream: str = NEW_INCIDENT, **about: Any) -> Draft:
    return draft("incident.declared", {"title": title, "severity": "sev2"}, stream=stream, **about)


def run_started(run: str, *locks: str, stream: str = "inc-1", **about: Any) -> Draft:
    data = {
        "runbook": "disk-full",
        "digest": "0" * 64,
        "file": "/srv/disk-full.yaml",
        "inputs": {},
        "secrets": {},
        "locks": list(locks),
        "journal": 1,
        "cwd": "/",
        "umask": 18,
        "path": "/usr/bin",
    }
    return draft("run.started", data, stream=stream, run=run, **about)


def run_ended(run: str, *, stream: str = "inc-1") -> Draft:
    return draft("run.ended", {"status": "ok", "exit": 0}, stream=stream, run=run)
