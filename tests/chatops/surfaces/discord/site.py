"""A small HTTP server on loopback that answers as it is told, for what no Discord answers."""

from __future__ import annotations

import http.server
import json
import threading
from types import TracebackType
from typing import Any, NamedTuple

from chatops.surfaces.discord.settings import Settings
from runbooks.quoting import Secret


class Page(NamedTuple):
    """One answer: a body that is bytes goes out as it is, anything else as JSON; `cut` sends half of it."""

    body: Any = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False


class Site:
    """`pages[path]` are the answers to that path, one after another; the last is given for ever."""

    def __init__(self) -> None:
        self.pages: dict[str, list[Page]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []  # path, headers by lower-case name
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                site.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        known = self.pages.get(
            handler.path.partition("?")[0], [Page({"message": "404: Not Found", "code": 0}, 404)]
        )
        page = known.pop(0) if len(known) > 1 else known[0]
        raw = page.body if isinstance(page.body, bytes) else json.dumps(page.body).encode()
        names = {name.lower() for name, _ in page.headers}
        handler.send_response_only(page.status)
        if "date" not in names:
            handler.send_header("Date", handler.date_time_string())
        for name, value in page.headers:
            if value:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw[: len(raw) // 2] if page.cut else raw)
        handler.close_connection = True

    def settings(self, **more: Any) -> Settings:
        where = f"127.0.0.1:{self.port}"
        return Settings(Secret("t0p-s3cret", name="the test"), f"http://{where}", f"ws://{where}", **more)
