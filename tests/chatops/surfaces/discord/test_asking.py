"""One question over HTTP: what is sent, and every way in which no answer comes is one clear line."""

from __future__ import annotations

import contextlib
import email.utils
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatops.surfaces.base import PlatformDown
from chatops.surfaces.discord import asking
from incidents import clock
from tests.chatops.surfaces.discord.site import Page, Site

# 127.0.0.1 vouches for itself, for a hundred years; the key is for this test alone.
SELF_SIGNED = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjOL8ih5OASV8BBK2
VYMYuF6ciAxI+j85OI4O3s30nBehRANCAARtPQQVjj1W/wu2a+ZosAjgEBF4lxfS
ayz387KC2SrQ/bVUqyB99ibHbJVxTuPdQOeyy5gkmeLv6maw3HhykuM7
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBkTCCATagAwIBAgIUbgEWrJU46NLPI8hkpWVgvMrgUiMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyNTAzMTg0OVoYDzIxMjYxMTAx
MDMxODQ5WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARtPQQVjj1W/wu2a+ZosAjgEBF4lxfSayz387KC2SrQ/bVUqyB99ibH
bJVxTuPdQOeyy5gkmeLv6maw3HhykuM7o2QwYjAdBgNVHQ4EFgQUz5n/aOrjDocD
D6OPlHYWj193w0owHwYDVR0jBBgwFoAUz5n/aOrjDocDD6OPlHYWj193w0owDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYC
IQDJ8RxutBzFE4kUiXMiHXSBGe2xJ8j7vsmwqW4RFcJctgIhAIAW4y3ehsmI4sBt
zBTppWHyEizFG4/qVkJWblhpEpme
-----END CERTIFICATE-----
"""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as one:
        yield one


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was slept, without sleeping."""
    slept: list[int] = []
    monkeypatch.setattr(clock, "sleep", slept.append)
    return slept


def down(site: Site) -> PlatformDown:
    with pytest.raises(PlatformDown) as caught:
        asking.get(site.settings(), "/x")
    assert "\n" not in str(caught.value) and "t0p-s3cret" not in str(caught.value)
    assert caught.value.hint
    return caught.value


def test_the_token_and_the_kind_of_program_are_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    site.pages["/x"] = [Page({"id": "1"})]
    answer = asking.get(site.settings(), "/x")
    assert (answer.status, answer.body, answer.ok, answer.skew) == (200, {"id": "1"}, True, 0)
    ((path, headers),) = site.asked
    assert (path, headers["authorization"]) == ("/x", "Bot t0p-s3cret")
    assert headers["user-agent"].startswith("DiscordBot (")


def test_an_error_of_discords_is_an_answer_with_its_code(site: Site) -> None:
    site.pages["/x"] = [Page({"message": "Missing Access", "code": 50001}, 403)]
    answer = asking.get(site.settings(), "/x")
    assert (answer.ok, answer.status, answer.code) == (False, 403, 50001)
    assert str(answer) == "403 Missing Access (code 50001)"
    site.pages["/x"] = [Page({"message": "401: Unauthorized", "code": 0}, 401)]
    assert str(asking.get(site.settings(), "/x")) == "401 Unauthorized"


def test_a_redirect_does_not_get_the_token(site: Site) -> None:
    site.pages["/x"] = [Page(None, 302, (("Location", f"http://127.0.0.1:{site.port}/elsewhere"),))]
    assert "answers 302 and points elsewhere" in down(site).message
    assert [path for path, _ in site.asked] == ["/x"]


@pytest.mark.parametrize("status", [200, 403, 404])
def test_a_page_for_people_is_not_an_answer_of_discords(site: Site, status: int) -> None:
    site.pages["/x"] = [Page(b"<html>Sorry, you have been blocked</html>", status)]
    error = down(site)
    assert error.message == f"127.0.0.1:{site.port} answers {status} with something that is not JSON"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_is_out_of_order_says_so(site: Site, status: int) -> None:
    site.pages["/x"] = [Page(b"<html>cloudflare</html>", status)]
    assert f"answers {status}: it is out of order" in down(site).message


def test_an_answer_without_an_end_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST_ANSWER", 100)
    site.pages["/x"] = [Page(["x" * 200])]
    assert "not JSON" in down(site).message


def test_a_connection_that_breaks_off_is_said(site: Site) -> None:
    site.pages["/x"] = [Page({"long": "x" * 1000}, cut=True)]
    assert "broke off" in down(site).message


def test_too_many_questions_are_waited_for_once(site: Site, waits: list[int]) -> None:
    site.pages["/x"] = [Page({"retry_after": 9.0}, 429, (("Retry-After", "2.5"),)), Page({"id": "1"})]
    assert asking.get(site.settings(), "/x").body == {"id": "1"}
    assert waits == [2_500_000]
    site.pages["/x"] = [Page({"retry_after": 0.7}, 429)]
    assert "asks to wait 0.7 s" in down(site).message
    assert waits == [2_500_000, 700_000]


@pytest.mark.parametrize("wait", ["3600", "16", "1e300"])
def test_a_wait_that_is_too_long_is_not_begun(site: Site, waits: list[int], wait: str) -> None:
    site.pages["/x"] = [Page({}, 429, (("Retry-After", wait),))]
    assert "too many questions (429)" in down(site).message
    assert (waits, len(site.asked)) == ([], 1)


@pytest.mark.parametrize("wait", ["", "soon", "nan"])
def test_a_429_that_does_not_say_how_long_is_a_second(site: Site, waits: list[int], wait: str) -> None:
    site.pages["/x"] = [Page(b"slow down", 429, (("Retry-After", wait),)), Page({})]
    assert asking.get(site.settings(), "/x").ok
    assert waits == [1_000_000]


def test_how_far_the_clock_is_off_is_seen_in_the_answer(site: Site) -> None:
    now = clock.wall()
    for seconds, expected in ((-3600, 3600), (3600, -3600)):
        date = email.utils.formatdate(now // clock.SECOND + seconds, usegmt=True)
        site.pages["/x"] = [Page({}, headers=(("Date", date),))]
        skew = asking.get(site.settings(), "/x").skew
        assert skew is not None and abs(skew // clock.SECOND - expected) < 60
    for date in ("", "yesterday"):
        site.pages["/x"] = [Page({}, headers=(("Date", date),))]
        assert asking.get(site.settings(), "/x").skew is None


def test_who_is_not_there_is_named() -> None:
    with Site() as site:
        settings = site.settings()
    with pytest.raises(PlatformDown, match=f"127.0.0.1:{site.port}: nothing listens there"):
        asking.get(settings, "/x")
    with pytest.raises(PlatformDown, match=f"127.0.0.1:{site.port}: nothing listens there"):
        asking.reach(settings.gateway)
    lost = settings._replace(api="https://howdah.invalid/api", gateway="wss://howdah.invalid")
    with pytest.raises(PlatformDown, match=r"howdah\.invalid: its name cannot be resolved"):
        asking.get(lost, "/x")
    with pytest.raises(PlatformDown, match=r"howdah\.invalid: its name cannot be resolved"):
        asking.reach(lost.gateway)


def test_who_does_not_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings = site.settings()._replace(api=f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(PlatformDown, match=r"no answer within 0\.2 s"):
            asking.get(settings, "/x")


def test_what_speaks_something_else_is_said(site: Site) -> None:
    with _speaks(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        settings = site.settings()._replace(api=f"http://127.0.0.1:{port}")
        with pytest.raises(PlatformDown, match="does not speak HTTP"):
            asking.get(settings, "/x")
    greeting, why = b"SSH-2.0-OpenSSH_9.2\r\n", "no TLS is spoken there"
    with _speaks(greeting) as port, pytest.raises(PlatformDown, match=why):
        asking.get(settings._replace(api=f"https://127.0.0.1:{port}"), "/x")
    with _speaks(greeting) as port, pytest.raises(PlatformDown, match=why):
        asking.reach(f"wss://127.0.0.1:{port}")
    with _speaks(b"") as port:
        settings = site.settings()._replace(api=f"http://127.0.0.1:{port}")
        with pytest.raises(PlatformDown, match="broke off"):
            asking.get(settings, "/x")


def test_a_certificate_that_nobody_vouches_for_is_not_believed(tmp_path: Path, site: Site) -> None:
    pem = tmp_path / "pem"
    pem.write_text(SELF_SIGNED)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with _speaks(b"", context) as port:
        settings = site.settings()._replace(api=f"https://127.0.0.1:{port}")
        with pytest.raises(PlatformDown, match=r"its certificate is not trusted \(.+\)") as caught:
            asking.get(settings, "/x")
    assert "ca-certificates" in str(caught.value.hint)


@contextlib.contextmanager
def _speaks(greeting: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port whose server says `greeting` to the first who comes, reads what they say and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(5)
                    if context is not None:
                        context.wrap_socket(connection, server_side=True)
                    connection.sendall(greeting)
                    connection.recv(65536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(timeout=10)
