"""`uses: redis`: one command. Sent once: a lost answer is not asked for again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents import clock
from runbooks.actions.base import Action, Failed, Gives, Key, Otherwise, Unanswered, data, literal

TIMEOUT = 10 * clock.SECOND
URL = "redis://127.0.0.1:6379/0"
READS = frozenset(
    [
        "BITCOUNT",
        "DBSIZE",
        "EXISTS",
        "EXPIRETIME",
        "GET",
        "GETRANGE",
        "HEXISTS",
        "HGET",
        "HGETALL",
        "HKEYS",
        "HLEN",
        "HMGET",
        "HSCAN",
        "HSTRLEN",
        "HVALS",
        "INFO",
        "KEYS",
        "LASTSAVE",
        "LINDEX",
        "LLEN",
        "LPOS",
        "LRANGE",
        "MGET",
        "PING",
        "PTTL",
        "SCAN",
        "SCARD",
        "SINTER",
        "SISMEMBER",
        "SMEMBERS",
        "SMISMEMBER",
        "SRANDMEMBER",
        "SSCAN",
        "STRLEN",
        "TIME",
        "TTL",
        "TYPE",
        "XINFO",
        "XLEN",
        "XPENDING",
        "XRANGE",
        "XREVRANGE",
        "ZCARD",
        "ZCOUNT",
        "ZRANGE",
        "ZRANGEBYSCORE",
        "ZRANK",
        "ZREVRANGE",
        "ZSCAN",
        "ZSCORE",
    ]
)
TWICE = frozenset(
    ["DEL", "EXPIREAT", "HDEL", "HSET", "MSET", "PERSIST", "SADD", "SET", "SREM", "UNLINK", "ZREM"]
)  # a second one changes nothing


def act(given: Mapping[str, Any]) -> Mapping[str, Any]:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    words = [one if isinstance(one, str | int) else str(one) for one in given["command"]]
    seconds = given.get("timeout", TIMEOUT) / clock.SECOND
    try:
        line = redis.Redis.from_url(
            str(given.get("url", URL)), socket_timeout=seconds, socket_connect_timeout=seconds, single_connection_client=True,
            retry=Retry(NoBackoff(), 0), retry_on_timeout=False, decode_responses=False,
        )  # fmt: skip
    except (redis.RedisError, ValueError, OSError) as problem:
        raise Failed(f"cannot connect: {problem}") from None
    with line:
        try:
            line.ping()  # so that who cannot be reached is told apart from who does not answer
        except redis.RedisError as problem:
            raise Failed(f"cannot connect: {problem}") from None
        try:
            reply = _plain(line.execute_command(*words))  # type: ignore[no-untyped-call]
        except (redis.ConnectionError, redis.TimeoutError) as problem:
            raise Unanswered(str(problem)) from None
        except (redis.RedisError, ValueError) as problem:
            raise Failed(str(problem)) from None
    if "expect" in given and _text(reply) != str(given["expect"]):
        raise Otherwise(f"the reply is {_text(reply)[:200]!r}, not {str(given['expect'])[:200]!r}")
    return {"reply": reply}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return data(value.decode("utf-8", "replace"))
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {_text(_plain(name)): _plain(one) for name, one in value.items()}
    return repr(value) if isinstance(value, float) else data(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _effect(given: Mapping[str, Any]) -> str:
    command = given.get("command") or ()
    word = (literal(command[0]) or "").upper() if command else ""
    if word == "SET":  # NX, GET and a time to live make it another thing
        return "idempotent" if len(command) == 3 else "unsafe"
    return "read" if word in READS else "idempotent" if word in TWICE else "unsafe"


ACTION = Action(
    doc="One command to Redis.",
    takes={
        "url": Key("template", f"redis://, rediss:// or unix://; {URL} unless given."),
        "command": Key("templates", "The command and its arguments: [LLEN, queue:default].", required=True),
        "expect": Key("template", "The reply that is wanted, as text; another one is exit 10."),
        "timeout": Key("duration", "For the connection and the answer; 10s unless given."),
    },
    gives={"reply": Gives("what Redis replies: a text, a number, a list, or nothing")},
    effect=_effect,
    act=act,
)
