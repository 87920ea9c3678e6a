# SPDX-License-Identifier: ISC
"""What t/python-asgi.t asks of a server, one function for each path."""

import asyncio
import json
import os

HERE = os.environ.get("NOTES", "/nonexistent")
PLAIN = [(b"content-type", b"text/plain")]
running = 0


def note(name, text):
    """Leaves word for the test: a client that left hears nothing."""
    with open(os.path.join(HERE, name), "a") as out:
        out.write(text + "\n")


async def respond(send, body, status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": PLAIN + list(headers)})
    await send({"type": "http.response.body", "body": body})


async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["answer"] = 42
    scope["state"]["list"] = []
    note("lifespan", "startup")
    if os.environ.get("FAIL"):
        await send({"type": "lifespan.startup.failed", "message": "no database <here>"})
        return
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    note("lifespan", "shutdown")
    await send({"type": "lifespan.shutdown.complete"})


def plain(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


async def show(scope, receive, send):
    types = {k: type(v).__name__ for k, v in scope.items()}
    types["name"] = type(scope["headers"][0][0]).__name__
    shown = plain(scope)
    shown.update(types=types, pid=os.getpid())
    scope["state"]["mine"] = 1
    await respond(send, json.dumps(shown).encode())


async def read(scope, receive, send):
    """The body in the messages that it comes in."""
    parts, more = [], True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    await respond(send, b"%d %d" % (len(b"".join(parts)), sum(b"".join(parts))))


async def early(scope, receive, send):
    """Answers before it has read; then receive tells when all is over."""
    await respond(send, b"early")
    while (message := await receive())["type"] == "http.request":
        pass
    note("early", message["type"])


async def unread(scope, receive, send):
    await respond(send, b"unread")


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
    while not os.path.exists(os.path.join(HERE, "go")):
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"second\n", "more_body": True})
    await send({"type": "http.response.body"})


async def lazy_head(scope, receive, send):
    """The head waits for the first body: until then an exception is a 500."""
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    raise RuntimeError("before the body")


async def gibibyte(scope, receive, send):
    blocks, block = int(scope["query_string"]), b"x" * (1 << 20)
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    for _ in range(blocks):
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body"})


async def memory(scope, receive, send):
    with open("/proc/self/status") as status:
        peak = [line.split()[1] for line in status if line.startswith("VmHWM")][0]
    await respond(send, peak.encode())


async def endless(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    except OSError as error:
        note("left", "send " + type(error).__name__)
        raise


async def wait_gone(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"x", "more_body": True})
    while (message := await receive())["type"] != "http.disconnect":
        pass
    note("left", "receive " + message["type"])


async def together(scope, receive, send):
    """Waits until as many as asked are there at once."""
    global running
    running += 1
    for _ in range(1000):
        if running >= int(scope["query_string"]):
            break
        await asyncio.sleep(0.01)
    await respond(send, b"%d" % running)


async def length(scope, receive, send):
    await respond(send, b"1234", headers=[(b"content-length", scope["query_string"])])


async def hop(scope, receive, send):
    await respond(send, b"ok", headers=[(b"connection", b"close"), (b"transfer-encoding", b"chunked"),
                                        [b"x-list", b"yes"], (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])


async def wrong(scope, receive, send):
    how, answer = scope["query_string"].decode(), "accepted"
    messages = {
        "body": [{"type": "http.response.body", "body": b"x"}],
        "type": [{"type": "http.response.nonsense"}],
        "websocket": [{"type": "websocket.accept"}],
        "twice": [{"type": "http.response.start", "status": 200, "headers": []}] * 2,
    }[how]
    try:
        for message in messages:
            await send(message)
    except Exception as error:
        answer = type(error).__name__
    if how == "twice":
        await send({"type": "http.response.body", "body": answer.encode()})
    else:
        await respond(send, answer.encode())


async def after(scope, receive, send):
    await respond(send, b"complete")
    try:
        await send({"type": "http.response.body", "body": b"more"})
    except Exception as error:
        note("after", type(error).__name__)


async def boom(scope, receive, send):
    raise RuntimeError("boom <secret>")


async def boom_begun(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise RuntimeError("boom later")


async def silent(scope, receive, send):
    pass


async def half(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def echo(scope, receive, send):
    """A WebSocket that gives back what it gets."""
    assert (await receive())["type"] == "websocket.connect"
    if "refuse" in scope["path"]:
        await send({"type": "websocket.close"})
        return
    if "boom" in scope["path"]:
        raise RuntimeError("boom in a websocket")
    chosen = scope["subprotocols"][0] if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-mine", b"yes")]})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            note("websocket", f"disconnect {message['code']}")
            return
        assert message["type"] == "websocket.receive"
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4321, "reason": "asked"})
            message = await receive()
            note("websocket", f"closed {message['code']}")
            return
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        await echo(scope, receive, send)
    else:
        name = scope["path"].removeprefix(scope["root_path"]).split("/")[1]
        await globals()[name](scope, receive, send)


class Instance:
    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await respond(send, b"an instance without lifespan")


instance = Instance()


def hidden(scope, receive, send):
    """Gives a coroutine, but does not look like it: interface = asgi."""
    return app(scope, receive, send)
