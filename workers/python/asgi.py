# SPDX-License-Identifier: ISC
"""The server's side of ASGI 3, over what asgi.c gives: requests that never wait."""

import asyncio
import base64
import collections
import errno
import hashlib
import os
import sys

try:
    from wsproto import connection as ws, events as ws_events
    from wsproto.extensions import PerMessageDeflate
    from wsproto.handshake import server_extensions_handshake
except ImportError:
    ws = None

READ_SIZE = 64 * 1024
WS_READ_SIZE = 16 * 1024  # compressed, it may be a thousand times as much
WS_MESSAGE_MAX = 16 * 1024 * 1024
WS_QUEUE_MAX = 16  # messages that the application has not received
WS_CLOSE_TIMEOUT = 2.0
SHUTDOWN_TIMEOUT = 5.0
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WS_FRAGMENT_COST = 64  # bytes that a fragment counts for, however small it is
WS_PING_INTERVAL = 20.0
WS_PING_MAX = 3  # without an answer
VERSION = {"version": "3.0", "spec_version": "2.5"}
LIFESPAN_VERSION = {"version": "3.0", "spec_version": "2.0"}


class Exchange:
    """A request, its client and what waits for it.

    Any number of the application's tasks may wait at the same time: they share
    one future for each direction.  One that stays when the application has
    returned is woken by finish(), since the loop must forget a descriptor that
    soon is another client's.
    """

    __slots__ = ("server", "request", "fd", "scope", "gone", "watched", "writable")

    def __init__(self, server, request):
        self.server = server
        self.request = request
        self.fd = request.fileno()
        self.gone = False  # the client left, or the response is complete
        self.watched = False  # for what it sends
        self.writable = None  # those who wait for it to take something

    def make_scope(self, kind):
        (version, method, path, root, headers, raw_path, query, client, local, length,
         request_id) = self.request.facts()
        self.scope = {
            "type": kind, "asgi": VERSION, "http_version": version,
            "method": method.upper(), "scheme": "http", "raw_path": raw_path,
            "path": path[len(root):] if self.server.is_relative else path,
            "query_string": query, "root_path": root, "headers": headers,
            "client": client if client[0] and client[1] else None,
            "server": local if local[1] else (local[0], None),
            "state": self.server.state.copy(),
            "extensions": {"poold": {"request_id": request_id}},
        }
        return length

    def watch(self, wanted=True):
        if wanted and not self.watched:
            self.server.loop.add_reader(self.fd, self.on_readable)
        elif self.watched and not wanted:
            self.server.loop.remove_reader(self.fd)
        self.watched = wanted

    def on_writable(self):
        self.server.loop.remove_writer(self.fd)
        self.writable = wake(self.writable)

    async def wait_flushed(self):
        """Until the client has taken what is queued."""
        while not self.request.flush():
            if self.writable is None:
                self.writable = self.server.loop.create_future()
                self.server.loop.add_writer(self.fd, self.on_writable)
            await asyncio.shield(self.writable)

    async def write(self, data):
        while not self.request.write(data):
            await self.wait_flushed()

    def finish(self):
        self.gone = True
        self.watch(False)
        if self.writable is not None:
            self.on_writable()
        self.request.finish()


def wake(future):
    if future is not None and not future.done():
        future.set_result(None)


def client_left(error):
    """What send() raises: a subclass of OSError."""
    raise OSError(errno.EPIPE, "the client left") from error


class Http(Exchange):
    __slots__ = ("length", "left", "body_over", "status", "headers", "begun", "complete",
                 "body_error", "readable", "left_future")

    def __init__(self, server, request):
        super().__init__(server, request)
        self.length = self.make_scope("http")
        self.left = self.length
        self.body_over = self.length == 0
        self.body_error = None
        self.status = None  # http.response.start has come
        self.begun = False  # the head is on its way
        self.complete = False
        self.readable = None  # those who wait for more of the body
        self.left_future = None  # those who wait for the end

    async def receive(self):
        if self.body_over and self.left is not None:
            self.left = None  # the empty body, once
            if self.length == 0 and not self.complete:
                return {"type": "http.request", "body": b"", "more_body": False}
        data = None
        while data is None:
            if self.gone or self.complete:
                return {"type": "http.disconnect"}
            if self.body_over:
                await self.wait_gone()
                return {"type": "http.disconnect"}
            try:
                data = self.request.read(READ_SIZE)
            except OSError as error:
                self.body_error = error.errno
                self.leave()
            if data is None and not self.gone:
                await self.wait_readable()
        if self.length > 0:
            self.left -= len(data)
        if not data or self.left == 0:
            self.body_over = True
        return {"type": "http.request", "body": data, "more_body": not self.body_over}

    async def wait_readable(self):
        if self.readable is None:
            self.readable = self.server.loop.create_future()
        self.watch()
        await asyncio.shield(self.readable)

    async def wait_gone(self):
        """Until the client leaves or the response is complete."""
        if self.left_future is None:
            self.left_future = self.server.loop.create_future()
        self.watch()
        await asyncio.shield(self.left_future)

    def on_readable(self):
        there = True
        if self.left_future is not None:
            there = self.request.there()
        # not there, or hidden by its next request, or nobody waits for more
        if there is not True or self.left_future is None:
            self.watch(False)
        self.readable = wake(self.readable)
        if there is False:
            self.leave()

    def leave(self):
        self.gone = True
        wake(self.left_future)

    def finish(self):
        self.leave()
        self.readable = wake(self.readable)
        super().finish()

    async def send(self, message):
        kind = message["type"]
        if kind == "http.response.start":
            if self.status is not None:
                raise RuntimeError("http.response.start was sent before")
            if not 200 <= message["status"] <= 599:
                raise ValueError(f"the status {message['status']} is not one of a response")
            self.status = message["status"]
            self.headers = message.get("headers", ())
            return
        if kind != "http.response.body":
            raise RuntimeError(f"a response has no message {kind!r}")
        if self.status is None:
            raise RuntimeError("http.response.start must be sent first")
        if self.complete:
            raise RuntimeError("the response is complete")
        if self.gone and self.body_error is None:
            client_left(None)
        body = message.get("body", b"")
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError(f"a body must be bytes, not {type(body).__name__!r}")
        try:
            if message.get("more_body", False):
                await self.send_part(body)
            else:
                await self.send_last(body)
        except (ConnectionError, TimeoutError) as error:
            self.leave()
            client_left(error)

    async def send_part(self, body):
        if not self.begun:
            self.request.start(self.status, self.headers)
            self.begun = True
        await self.write(body)

    async def send_last(self, body):
        if not self.begun:
            self.request.respond(self.status, self.headers, body)
            self.begun = True
        else:
            if body:
                await self.write(body)
            self.request.end()
        self.complete = True
        wake(self.left_future)
        self.readable = wake(self.readable)

    async def run(self):
        try:
            await self.server.application(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            self.request.log("the request was cancelled")
        except Exception as error:
            if not (self.gone and isinstance(error, OSError)):
                self.request.failed(error)
        except BaseException as error:  # SystemExit: of this request alone
            self.request.failed(error)
        else:
            if not self.complete and not self.gone:
                self.request.log("the application ended without a complete response")
        if not self.begun:
            self.refuse()
        self.finish()

    def refuse(self):
        try:
            if self.body_error == errno.EMSGSIZE:
                self.request.problem(413, "The body is too large.")
            elif self.body_error == errno.EBADMSG:
                self.request.problem(400, "The body is not chunked as it says.")
            else:
                self.request.problem(500, "The application failed.")
        except OSError:
            pass  # it left


class WebSocket(Exchange):
    __slots__ = ("messages", "waiter", "wire", "accepted", "closed", "parts", "size",
                 "connected", "code", "reason", "key", "offers", "subprotocols", "order",
                 "unheard", "timer")

    def __init__(self, server, request):
        super().__init__(server, request)
        self.make_scope("websocket")
        self.scope["scheme"] = "ws"
        del self.scope["method"]
        fields = collections.defaultdict(list)
        for name, value in self.scope["headers"]:
            fields[name].append(value)
        self.key = b"".join(fields[b"sec-websocket-key"])
        self.offers = [x.strip().decode("latin-1")
                       for x in b",".join(fields[b"sec-websocket-extensions"]).split(b",") if x.strip()]
        self.subprotocols = [x.strip().decode("latin-1")
                             for x in b",".join(fields[b"sec-websocket-protocol"]).split(b",") if x.strip()]
        self.scope["subprotocols"] = self.subprotocols
        self.messages = collections.deque()
        self.waiter = None
        self.connected = False  # websocket.connect was received
        self.accepted = False
        self.closed = False  # nothing more is sent
        self.code, self.reason = 1005, ""
        self.parts, self.size = [], 0
        self.order = asyncio.Lock()  # compressed, a message builds upon the one before
        self.unheard = 0  # pings since it last said something
        self.timer = None

    # what the application calls

    async def receive(self):
        if not self.connected:
            self.connected = True
            return {"type": "websocket.connect"}
        while not self.messages:
            if self.gone or self.closed:
                return {"type": "websocket.disconnect", "code": self.code, "reason": self.reason}
            await self.wait()
        message = self.messages.popleft()
        self.listen()
        return message

    async def wait(self):
        """Until something comes of the client, or it leaves."""
        if self.waiter is None:
            self.waiter = self.server.loop.create_future()
        self.listen()
        await asyncio.shield(self.waiter)

    async def send(self, message):
        kind = message["type"]
        if kind == "websocket.accept" and not self.accepted and not self.closed:
            self.accept(message)
        elif kind == "websocket.send" and self.accepted and not self.closed:
            await self.emit(event_of(message))
        elif kind == "websocket.close" and not self.closed:
            if self.accepted:
                await self.close(message.get("code", 1000), message.get("reason") or "")
            else:
                self.closed = True
                self.request.problem(403, "The application refuses this WebSocket.")
        elif self.gone:
            client_left(None)
        else:
            raise RuntimeError(f"the message {kind!r} is not possible now")

    def accept(self, message):
        digest = base64.b64encode(hashlib.sha1(self.key + GUID).digest())
        headers = [(b"Sec-WebSocket-Accept", digest)]
        extensions, supported = [], PerMessageDeflate()
        agreed = server_extensions_handshake(self.offers, [supported]) if self.offers else None
        if agreed:
            headers.append((b"Sec-WebSocket-Extensions", agreed))
            extensions.append(supported)
        if message.get("subprotocol") is not None:
            headers.append((b"Sec-WebSocket-Protocol", message["subprotocol"].encode("latin-1")))
        headers += [tuple(header) for header in message.get("headers", ())]
        self.wire = ws.Connection(ws.ConnectionType.SERVER, extensions)
        try:
            self.request.upgrade(headers)
        except ConnectionError as error:
            self.leave(1006)
            client_left(error)
        self.accepted = True
        self.server.sockets.add(self)
        self.timer = self.server.loop.call_later(WS_PING_INTERVAL, self.ping)
        self.listen()

    async def close(self, code, reason):
        self.closed = True
        self.code, self.reason = code, reason
        await self.emit(ws_events.CloseConnection(code, reason))

    async def emit(self, event):
        async with self.order:
            if self.gone:
                client_left(None)
            try:
                await self.write(self.wire.send(event))
            except (ConnectionError, TimeoutError) as error:
                self.leave(1006)
                client_left(error)

    # the client

    def listen(self):
        """Reads from the client unless the application is behind."""
        self.watch(self.accepted and not self.gone and len(self.messages) < WS_QUEUE_MAX)

    def on_readable(self):
        try:
            data = os.read(self.fd, WS_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.leave(1006)
            return
        self.unheard = 0
        try:
            self.wire.receive_data(data)
            for event in self.wire.events():
                self.handle(event)
        except Exception:  # wsproto: what it got is no WebSocket
            self.leave(1002)
        self.listen()

    def handle(self, event):
        if isinstance(event, (ws_events.TextMessage, ws_events.BytesMessage)):
            self.parts.append(event.data)
            self.size += len(event.data) + WS_FRAGMENT_COST
            if self.size > WS_MESSAGE_MAX:
                self.refuse(1009, "the message is too large")
            elif event.message_finished:
                is_text = isinstance(event, ws_events.TextMessage)
                whole = ("" if is_text else b"").join(self.parts)
                self.parts, self.size = [], 0
                self.put({"type": "websocket.receive", "text" if is_text else "bytes": whole})
        elif isinstance(event, ws_events.Ping):
            self.push(self.wire.send(event.response()))
        elif isinstance(event, ws_events.CloseConnection):
            if not self.closed:
                self.push(self.wire.send(event.response()))
            self.leave(int(event.code) if event.code is not None else 1005, event.reason)

    def push(self, data):
        """Sends a small frame; a client that does not read gets no answer to pings."""
        try:
            self.request.write(data)
        except OSError:
            self.leave(1006)

    def refuse(self, code, reason):
        self.push(self.wire.send(ws_events.CloseConnection(code, reason)))
        self.leave(code)

    def put(self, message):
        self.messages.append(message)
        self.waiter = wake(self.waiter)

    def leave(self, code, reason=None):
        if not self.gone:
            if not self.closed:
                self.code, self.reason = code, reason or ""
            self.gone = self.closed = True
            self.listen()
        self.waiter = wake(self.waiter)

    def ping(self):
        """Asks whether the client is there still; one that was asked in vain is not."""
        if self.closed:
            return
        if self.unheard >= WS_PING_MAX:
            self.leave(1006)
            return
        if self.watched:  # else the application is behind
            self.unheard += 1
            self.push(self.wire.send(ws_events.Ping()))
        self.timer = self.server.loop.call_later(WS_PING_INTERVAL, self.ping)

    def finish(self):
        if self.timer is not None:
            self.timer.cancel()
        self.waiter = wake(self.waiter)
        super().finish()

    def stop(self):
        """The worker is to end."""
        if not self.closed and self.accepted:
            self.push(self.wire.send(ws_events.CloseConnection(1012, "restart")))
            self.leave(1012)

    async def run(self):
        try:
            await self.server.application(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            if not (self.gone and isinstance(error, OSError)):
                self.request.failed(error)
                self.code = 1011
        try:
            await asyncio.wait_for(self.end(), WS_CLOSE_TIMEOUT)
        except (OSError, asyncio.TimeoutError, asyncio.CancelledError):
            pass
        self.server.sockets.discard(self)
        self.finish()

    async def end(self):
        if self.accepted and not self.closed:
            await self.close(self.code if self.code == 1011 else 1000, "")
        elif not self.accepted and not self.closed:
            self.request.problem(500 if self.code == 1011 else 403,
                                 "The application did not accept this WebSocket.")
        if self.accepted:
            await self.wait_flushed()
            while not self.gone:  # its answer to our close frame
                self.messages.clear()
                await self.wait()


def event_of(message):
    """What a websocket.send says: exactly one of its two keys."""
    text, data = message.get("text"), message.get("bytes")
    if (text is None) == (data is None):
        raise RuntimeError("websocket.send needs either text or bytes")
    return ws_events.BytesMessage(data) if text is None else ws_events.TextMessage(text)


class Lifespan:
    def __init__(self, server):
        self.server = server
        self.to_application = asyncio.Queue()
        self.answers = asyncio.Queue()
        self.task = None

    async def receive(self):
        return await self.to_application.get()

    async def send(self, message):
        await self.answers.put(message)

    async def run(self):
        scope = {"type": "lifespan", "asgi": LIFESPAN_VERSION, "state": self.server.state}
        try:
            await self.server.application(scope, self.receive, self.send)
        except Exception as error:
            await self.answers.put({"type": "exception", "error": error})
        else:
            await self.answers.put({"type": "returned"})

    async def startup(self):
        """None, or why the application cannot start."""
        self.task = self.server.loop.create_task(self.run())
        await self.to_application.put({"type": "lifespan.startup"})
        answer = await self.answers.get()
        if answer["type"] == "lifespan.startup.complete":
            return None
        if answer["type"] == "lifespan.startup.failed":
            return answer.get("message") or "its start-up failed"
        self.task = None  # it knows no lifespan
        return None

    async def shutdown(self):
        if self.task is None:
            return None
        await self.to_application.put({"type": "lifespan.shutdown"})
        answer = await self.answers.get()
        if answer["type"] == "lifespan.shutdown.complete" or answer["type"] == "returned":
            return None
        if answer["type"] == "exception":
            return repr(answer["error"])
        return answer.get("message") or "its shut-down failed"


def wants_relative_path():
    """Starlette before 0.33 looks for routes in a path without its root_path."""
    version = getattr(sys.modules.get("starlette"), "__version__", "")
    return tuple(int(n) for n in version.split(".")[:2] if n.isdigit()) < (0, 33) if version \
        else False


class Server:
    def __init__(self, application, worker, name):
        self.is_relative = wants_relative_path()
        self.application = application
        self.worker = worker
        self.name = name
        self.state = {}
        self.tasks = set()
        self.sockets = set()

    def take(self):
        """Requests that have come, each in a task of its own."""
        while True:
            request = self.worker.next()
            if request is None:
                return
            if request is False:
                self.loop.remove_reader(self.fd)
                wake(self.stopped)
                return
            exchange = self.make(request)
            if exchange is None:
                continue
            task = self.loop.create_task(exchange.run())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def make(self, request):
        """What will answer it; None: it was refused."""
        exchange = Http(self, request)
        if ws is None:
            return exchange
        upgrade = [v for n, v in exchange.scope["headers"] if n == b"upgrade"]
        if not upgrade or upgrade[0].lower() != b"websocket" or exchange.length != 0:
            return exchange
        fields = dict(exchange.scope["headers"])
        if exchange.scope["method"] != "GET" or b"sec-websocket-key" not in fields:
            return exchange
        if fields.get(b"sec-websocket-version") != b"13":  # RFC 6455 section 4.4
            try:
                request.respond(400, [(b"sec-websocket-version", b"13")], b"")
            except OSError:
                pass  # the client left
            request.finish()
            return None
        return WebSocket(self, request)

    async def run(self):
        self.loop = asyncio.get_running_loop()
        self.stopped = self.loop.create_future()
        lifespan = Lifespan(self)
        why = await lifespan.startup()
        if why is not None:
            self.worker.fail(f"app {self.name}: {why}")
            return
        self.fd = self.worker.open()
        if self.fd is None:
            return
        self.loop.add_reader(self.fd, self.take)
        self.take()
        await self.stopped
        for socket in list(self.sockets):
            socket.stop()
        while self.tasks:
            await asyncio.wait(self.tasks)
        self.worker.close()
        try:
            why = await asyncio.wait_for(lifespan.shutdown(), SHUTDOWN_TIMEOUT)
        except asyncio.TimeoutError:
            why = "it does not answer"
        if why is not None:
            print(f"app {self.name}: shut-down: {why}", flush=True)


def serve(application, worker, name):
    asyncio.run(Server(application, worker, name).run())
