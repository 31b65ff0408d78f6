"""Whatever an argument or a variable holds, it arrives letter by letter: here, and over ssh."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents import ids
from incidents.hosts import Host
from runbooks.attempt import Far
from runbooks.targets import ssh
from tests.far import server
from tests.runbooks.keeping import PATH, Bench
from tests.stories.scene import lack

ECHO = (
    "import os, sys; out = sys.stdout.buffer; "
    "out.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])) + b'\\1\\1' + "
    "b'\\0'.join(os.environb[b'V%d' % n] for n in range(int(os.environ['COUNT']))))"
)
SOME = (
    b"\n",
    b"'",
    b'"',
    b"\\",
    b"$(id)",
    b"`id`",
    b"!",
    b"\x1e",
    b"\x81\x88",
    b"\xff",
    b" ",
    b"-n",
    b"%s",
    b"",
    b"\r\n",
    b"*",
    b"~",
)
VALUE = st.one_of(
    st.binary(max_size=24).map(lambda raw: raw.replace(b"\0", b"")),
    st.lists(st.sampled_from(SOME), max_size=5).map(b"".join),
)
EACH = 10  # random values of each kind in one step


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(str(tmp_path_factory.mktemp("bench")))
    yield bench
    bench.clear()


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    if why := server.lacks():
        lack(why)
    with server.serve(str(tmp_path_factory.mktemp("far") / "ssh")) as host:
        reached = ssh.far(
            Host("web1", "127.0.0.1", port=host.port), f"run-laws-{ids.short(8)}", str(Path(host.folder))
        )
        yield reached._replace(argv=(os.path.join(host.bin, "ssh"), *reached.argv[1:]))


_taken = iter(range(1, 1 << 30))


def arrived(
    bench: Bench, words: list[bytes], values: list[bytes], far: Far | None
) -> tuple[list[bytes], list[bytes]]:
    """What a program got as its arguments and in its environment."""
    n = next(_taken)
    argv = (sys.executable, "-c", ECHO, *map(os.fsdecode, words))
    env = {f"V{number}": os.fsdecode(value) for number, value in enumerate(values)}
    ended = bench.run(n, argv=argv, env={"PATH": PATH, "COUNT": str(len(values)), **env}, far=far)
    assert ended.exit == 0, (ended, bench.output(n))
    got_words, _, got_values = (
        ended.output.held.partition(b"\1\1") if ended.output.held else bench.output(n).partition(b"\1\1")
    )
    return got_words.split(b"\0"), got_values.split(b"\0")


lists = st.lists(VALUE.filter(lambda raw: b"\1" not in raw), min_size=EACH, max_size=EACH)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists, lists)
def test_a_thousand_arguments_and_a_thousand_values_arrive_here(
    bench: Bench, words: list[bytes], values: list[bytes]
) -> None:
    assert arrived(bench, words, values, None) == (words, values)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists, lists)
def test_a_thousand_arguments_and_a_thousand_values_arrive_over_ssh(
    bench: Bench, far: Far, words: list[bytes], values: list[bytes]
) -> None:
    assert arrived(bench, words, values, far) == (words, values)


@given(st.binary(max_size=200), st.lists(st.integers(0, 260), max_size=6), st.integers(0, 3))
def test_output_and_the_agent_are_told_apart_however_the_stream_is_cut(
    output: bytes, cuts: list[int], words: int
) -> None:
    mark = ssh.new_mark()
    said = [b"%s end %d 0\n" % (mark, number) for number in range(words)]
    stream = output + b"".join(said) + output
    hearing, heard, plain = ssh.Hearing(mark), [], b""
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    for first, last in itertools.pairwise(edges):
        for one in hearing.feed(stream[first:last]):
            if isinstance(one, bytes):
                plain += one
            else:
                heard.append(one)
    assert [one.rest for one in heard] == [f"{number} 0" for number in range(words)]
    assert (output + output).startswith(plain) and len(output) * 2 - len(plain) < len(mark) + 1
