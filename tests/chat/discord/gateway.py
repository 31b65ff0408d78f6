"""The gateway: identify, heartbeats, dispatch in order, resume with replay, invalid sessions."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.chat.discord import shapes
from tests.chat.discord.errors import JSON
from tests.chat.discord.faults import Fault, Faults
from tests.chat.discord.state import World

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 8, 9, 10, 11
PRESENCE, VOICE = 3, 4
GUILDS, MEMBERS_INTENT, PRESENCES, CONTENT = 1, 1 << 1, 1 << 8, 1 << 15
MESSAGES, REACTIONS = 1 << 9, 1 << 10
KNOWN_INTENTS = (1 << 26) - 1
INTENT_OF = {
    "MESSAGE_CREATE": MESSAGES,
    "MESSAGE_UPDATE": MESSAGES,
    "MESSAGE_DELETE": MESSAGES,
    "MESSAGE_REACTION_ADD": REACTIONS,
    "MESSAGE_REACTION_REMOVE": REACTIONS,
    "GUILD_MEMBER_UPDATE": MEMBERS_INTENT,
    "INTERACTION_CREATE": 0,
    "READY": 0,
    "RESUMED": 0,
}
PAYLOAD_BYTES, PAYLOADS_A_MINUTE, REPLAYED = 4096, 120, 10_000


@dataclass
class Session:
    """What outlives a connection: the sequence and everything dispatched, for replay."""

    id: str
    intents: int
    seq: int = 0
    log: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REPLAYED))
    line: Line | None = None
    lost_at: float = 0.0


@dataclass(eq=False)
class Line:
    """One connection; its queue keeps the order of what is sent."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None = None
    queue: asyncio.Queue[str | int] = field(default_factory=asyncio.Queue)
    session: Session | None = None
    received: list[float] = field(default_factory=list)
    closing: bool = False

    def send(self, op: int, data: Any = None) -> None:
        self.queue.put_nowait(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def close(self, code: int) -> None:
        """Ends the connection once all before it is sent."""
        self.queue.put_nowait(code)

    async def pump(self) -> None:
        """Sends until a close code comes."""
        while True:
            item = await self.queue.get()
            if isinstance(item, int):
                self.closing = True
                await self.socket.close(code=item)
                return
            await self.socket.send_str(item)


class Closed(Exception):
    """The peer did something that ends the connection with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Gateway:
    """All connections and sessions of the bot."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults
        self.sessions: dict[str, Session] = {}
        self.lines: set[Line] = set()
        self.identifies = 0
        self.resumes = 0
        self.connections = 0
        self.refusing = False
        self.close_in_replay: int | None = None  # cut the next replay after so many events
        self._identified: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection from its hello to its end."""
        if self.refusing:
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=1 << 20, autoping=True)
        await socket.prepare(request)
        self.connections += 1
        line = Line(socket, request.transport)
        self.lines.add(line)
        self.world.changed()
        line.send(HELLO, {"heartbeat_interval": int(self.world.settings.heartbeat_s * 1000), "_trace": []})
        pump = asyncio.create_task(line.pump())
        try:
            await self._listen(line)
        except Closed as closed:
            line.close(closed.code)
            await asyncio.wait({pump}, timeout=1)
        finally:
            if line.closing:  # the pump is in the middle of the closing handshake
                await asyncio.wait({pump}, timeout=1)
            pump.cancel()
            self.lines.discard(line)
            self._lose(line)
            self.world.changed()
        return socket

    def _lose(self, line: Line) -> None:
        session = line.session
        if session is None or session.line is not line:
            return
        session.line, session.lost_at = None, self.world.clock.steady()
        # 1000 and 1001 from the bot end the session; any other end keeps it for a resume.
        if line.socket.close_code in (1000, 1001) and not line.closing:
            self.sessions.pop(session.id, None)

    async def _listen(self, line: Line) -> None:
        async for message in line.socket:
            if message.type != WSMsgType.TEXT:
                raise Closed(4002)
            if len(message.data.encode()) > PAYLOAD_BYTES:
                raise Closed(4002)
            now = self.world.clock.steady()
            line.received = [at for at in line.received if now - at < 60] + [now]
            if len(line.received) > PAYLOADS_A_MINUTE:
                raise Closed(4008)
            try:
                payload = json.loads(message.data)
                op, data = payload["op"], payload.get("d")
            except (ValueError, KeyError, TypeError):
                raise Closed(4002) from None
            self._take(line, op, data)

    def _take(self, line: Line, op: int, data: Any) -> None:
        if op == HEARTBEAT:
            line.send(ACK)
        elif op == IDENTIFY:
            self._identify(line, data)
        elif op == RESUME:
            self._resume(line, data)
        elif op == MEMBERS and line.session is not None:
            self._members(line.session, data)
        elif op in (PRESENCE, VOICE, MEMBERS):
            if line.session is None:
                raise Closed(4003)
        else:
            raise Closed(4001)

    def _check_token(self, token: Any) -> None:
        if self.world.revoked or str(token).removeprefix("Bot ") != self.world.token:
            raise Closed(4004)

    def _identify(self, line: Line, data: JSON) -> None:
        if line.session is not None:
            raise Closed(4005)
        self._check_token(data.get("token"))
        intents = data.get("intents", 0)
        if intents & ~KNOWN_INTENTS:
            raise Closed(4013)
        settings = self.world.settings
        granted = CONTENT * settings.message_content | MEMBERS_INTENT * settings.members_intent
        if intents & (CONTENT | MEMBERS_INTENT | PRESENCES) & ~granted:
            raise Closed(4014)
        self.identifies += 1
        now = self.world.clock.steady()
        self._identified = [at for at in self._identified if now - at < 86_400] + [now]
        if len(self._identified) > settings.identifies_a_day:
            self.end_all()  # beyond 1000 a day every session ends and the token is reset
            return
        session = Session(self.world.new_id(), intents)
        self.sessions[session.id] = session
        self._bind(line, session)
        self._ready(session)

    def end_all(self) -> None:
        """The token is void and every connection ends with 4004."""
        self.world.revoked = True
        self.sessions.clear()
        for line in self.lines:
            line.close(4004)
        self.world.changed()

    def _ready(self, session: Session) -> None:
        world = self.world
        me = next(iter(world.guilds.values())).members[world.bot_id]
        data = {
            "v": 10,
            "user": {**shapes.user(me), "mfa_enabled": False, "verified": True, "email": None},
            "guilds": [{"id": one, "unavailable": True} for one in world.guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": world.origin.replace("http", "ws") + "/gateway",
            "application": {"id": world.app_id, "flags": shapes.application_flags(world)},
            "private_channels": [],
            "relationships": [],
            "_trace": [],
        }
        self._put(session, "READY", data)
        for guild in world.guilds.values():
            self._put(session, "GUILD_CREATE", shapes.guild_create(world, guild))
        world.changed()

    def _bind(self, line: Line, session: Session) -> None:
        if session.line is not None:
            session.line.session = None
            session.line.close(4000)
        line.session, session.line = session, line

    def _resume(self, line: Line, data: JSON) -> None:
        if line.session is not None:
            raise Closed(4005)
        self._check_token(data.get("token"))
        self._forget_old()
        session = self.sessions.get(str(data.get("session_id")))
        last = data.get("seq") or 0
        if session is None or (session.log and last + 1 < session.log[0][0]):
            line.send(INVALID, False)
            return
        if last > session.seq:
            raise Closed(4007)
        missed = [item for item in session.log if item[0] > last]
        self.resumes += 1
        self._bind(line, session)
        cut, self.close_in_replay = self.close_in_replay, None
        for _, text in missed[:cut]:
            line.queue.put_nowait(text)
        if cut is not None and cut < len(missed):
            line.close(4000)
            return
        self._put(session, "RESUMED", {"_trace": []})
        self.world.changed()

    def _members(self, session: Session, data: JSON) -> None:
        world = self.world
        guild = world.guilds.get(str(data.get("guild_id")))
        if guild is None:
            return
        wanted = data.get("user_ids")
        wanted = [wanted] if isinstance(wanted, str) else wanted
        start = str(data.get("query") or "").lower()
        found = [
            one
            for one in guild.members.values()
            if (one.id in map(str, wanted) if wanted is not None else one.name.lower().startswith(start))
        ]
        chunk: JSON = {"guild_id": guild.id, "members": [shapes.member(world, one) for one in found]}
        chunk |= {"chunk_index": 0, "chunk_count": 1, "not_found": []}
        if data.get("nonce"):
            chunk["nonce"] = data["nonce"]
        self._put(session, "GUILD_MEMBERS_CHUNK", chunk)

    def dispatch(self, event: str, data: JSON) -> None:
        """Tells every session, as far as its intents let it see."""
        rule = self.faults.meet("GATEWAY", event)
        if rule is not None and rule.drop is not None:
            return
        if rule is not None and rule.delay is not None:
            # A delayed dispatch is overtaken by those after it: this is how events are reordered.
            loop = asyncio.get_running_loop()
            loop.call_later(rule.delay, self._dispatch, event, data, rule)
            return
        self._dispatch(event, data, rule)

    def _dispatch(self, event: str, data: JSON, rule: Fault | None) -> None:
        self._forget_old()
        for session in list(self.sessions.values()):
            wanted = INTENT_OF.get(event, GUILDS)
            if wanted and not session.intents & wanted:
                continue
            seen = data
            if event in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
                content = bool(session.intents & CONTENT)
                seen = shapes.seen_by_bot(self.world, data, content=content)
            for _ in range(2 if rule is not None and rule.duplicate else 1):
                self._put(session, event, seen)

    def _forget_old(self) -> None:
        now, keep = self.world.clock.steady(), self.world.settings.session_s
        for session in list(self.sessions.values()):
            if session.line is None and now - session.lost_at > keep:
                del self.sessions[session.id]

    def _put(self, session: Session, event: str, data: JSON) -> None:
        session.seq += 1
        text = json.dumps({"op": DISPATCH, "t": event, "s": session.seq, "d": data})
        session.log.append((session.seq, text))
        if session.line is not None:
            session.line.queue.put_nowait(text)

    def disconnect(self, code: int) -> None:
        """Closes every connection with this code; codes 1000 and 1001 end the sessions."""
        for line in self.lines:
            if code in (1000, 1001) and line.session is not None:
                self.sessions.pop(line.session.id, None)
            line.close(code)

    def abort(self) -> None:
        """Cuts every TCP connection without a word."""
        for line in self.lines:
            if line.transport is not None:
                line.transport.abort()

    def reconnect(self) -> None:
        """Op 7: asks to reconnect and resume."""
        for line in self.lines:
            line.send(RECONNECT)

    def invalidate(self, *, resumable: bool) -> None:
        """Op 9."""
        for line in self.lines:
            if not resumable and line.session is not None:
                self.sessions.pop(line.session.id, None)
            line.send(INVALID, resumable)

    async def stop(self) -> None:
        for line in list(self.lines):
            await line.socket.close(code=1001)
