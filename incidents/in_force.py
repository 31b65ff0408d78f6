"""The configuration decides who is who and who is woken: the record keeps every version that was obeyed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from incidents import timeline
from incidents.errors import HowdahError

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.events import Draft, Event, Evidence
    from incidents.store.protocol import Store

LARGEST_TEXT = 100_000  # characters of a configuration that its event holds; a longer one is evidence


def record(store: Store, config: Config, draft: Callable[..., Draft]) -> None:
    """Records `config` as `draft` says by whom, unless it is the one that was recorded last. Raises StoreError."""
    if config.path is None:
        return
    digest = hashlib.sha256(config.text.encode()).hexdigest()
    seen = max(store.cursor("configuration") - 1, 0)  # the last version's own position, to read it again
    last = [event for event in store.tail(seen, stream="system") if event.kind == "config.seen"][-1:]
    if last and last[0].data.get("digest") == digest:
        return
    data = {"name": config.path, "digest": digest, "text": config.text}
    evidence: tuple[Evidence, ...] = ()
    if len(config.text) > LARGEST_TEXT:
        name = os.path.basename(config.path)
        evidence = (store.put_blob(config.text.encode(), media_type="application/yaml", name=name),)
        data["text"] = ""
    (event,) = timeline.record(store, draft(kind="config.seen", data=data, evidence=evidence))
    store.set_cursor("configuration", event.pos)


def last_good(
    store: Store, path: str | None, check: Callable[[Config], None] = lambda config: None
) -> tuple[Config, Event] | None:
    """The last version that was obeyed and can still be read, with its event: one of the file `path`, else of any.

    `check` raises a HowdahError for one that is not to be obeyed. Raises StoreError.
    """
    from incidents import config
    from incidents.oncall import versions

    seen = [event for event in store.events("system") if event.kind == "config.seen" and not event.redacted]
    seen.sort(key=lambda event: (event.data["name"] == path, event.pos), reverse=True)
    for event in seen:
        try:
            found = config.read(versions.text_of(store, event), event.data["name"])
            check(found)
        except HowdahError:
            continue
        return found, event
    return None
