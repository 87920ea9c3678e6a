# SPDX-License-Identifier: ISC
"""What t/python-asgi.t asks of a server, one function for each path."""

import asyncio
import json
import os
import sys

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
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}, scope["asgi"]
    scope["state"]["answer"] = 42
    scope["state"]["list"] = []
    note("lifespan", "startup")
    if os.environ.get("FAIL"):
        await send({"type": "lifespan.startup.failed", "message": "no database <here>"})
        return
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    note("lifespan", "shutdown")
    if os.environ.get("STAY"):
        await asyncio.sleep(3600)
    if os.environ.get("FAIL_LATE"):
        await send({"type": "lifespan.shutdown.failed", "message": "cannot <close>"})
        return
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


async def refused(scope, receive, send):
    """A response that is wrong: the first field of it is not."""
    how, status, body = scope["query_string"].decode(), 200, b"x"
    fields = {
        "name": [(b"x y", b"1")], "colon": [(b"x:", b"1")], "newline": [(b"x", b"1\r\nset-cookie: a=b")],
        "nul": [(b"x", b"1\0")], "text": [("x", "1")], "pair": [(b"x", b"1", b"2")],
        "none": [None], "huge": [(b"x-%d" % i, b"y" * 1000) for i in range(40)],
        "length": [(b"content-length", b"-1")], "lengths": [(b"content-length", b"1"), (b"content-length", b"2")],
    }.get(how, [])
    status = {"status": 99, "high": 1000, "word": "200"}.get(how, 200)
    body = {"body": "text", "part": 7}.get(how, body)
    await send({"type": "http.response.start", "status": status,
                "headers": PLAIN + [(b"set-cookie", b"secret=1")] + fields})
    await send({"type": "http.response.body", "body": body, "more_body": how == "part"})


async def any_iterable(scope, receive, send):
    """Fields are an iterable of iterables, and need not be a list."""
    def fields():
        yield iter((b"x-one", b"1"))
        yield [bytes(b"x-" + b"two"), bytes(b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": fields()})
    await send({"type": "http.response.body", "body": memoryview(b"a view")})


async def leaves(scope, receive, send):
    raise SystemExit(3) if scope["query_string"] == b"exit" else KeyboardInterrupt


async def behind(name, call):
    """A task that the application leaves behind."""
    try:
        note("behind", f"{name} {(await call)['type']}")
    except BaseException as error:
        note("behind", f"{name} {type(error).__name__}")


async def left_behind(scope, receive, send):
    """Returns while its tasks wait for the client in both directions."""
    async def flood():
        while True:
            await send({"type": "http.response.body", "body": b"x" * 200000, "more_body": True})
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    left_behind.tasks = [asyncio.create_task(behind(f"receive {n}", receive())) for n in range(2)]
    left_behind.tasks.append(asyncio.create_task(behind("send", flood())))
    await asyncio.sleep(0.1)


async def waiters(scope, receive, send):
    """Several that wait for one body, and several for the end."""
    async def all_of_it():
        n = 0
        while (message := await receive())["type"] == "http.request":
            n += len(message.get("body", b""))
        return n
    tasks = [asyncio.create_task(all_of_it()) for _ in range(3)]
    await asyncio.sleep(0.05)
    await respond(send, b"go on")
    note("waiters", str(sum(await asyncio.gather(*tasks))))


async def gone_then_send(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": b"x", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    try:
        await send({"type": "http.response.body", "body": b"y", "more_body": True})
    except OSError as error:
        note("left", f"and then {type(error).__name__} {type(error) is not OSError}")
        raise


async def fds(scope, receive, send):
    await respond(send, b"%d" % len(os.listdir("/proc/self/fd")))


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
    if "raise" in scope["path"]:
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


async def shout(scope, receive, send):
    """Tasks that send at the same time, to a client that does not read yet."""
    count = 0

    async def many(name):
        nonlocal count
        for i in range(40):
            await send({"type": "websocket.send", "text": f"{name} {i} " + os.urandom(50000).hex()})
            count += 1

    async def watch():
        seen = -1
        while seen < count:
            seen = count
            await asyncio.sleep(0.2)
        note("shout", "full")
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.gather(watch(), *(many(name) for name in "abcd"))
    await send({"type": "websocket.close"})


async def listeners(scope, receive, send):
    """Tasks that receive at the same time."""
    await receive()
    await send({"type": "websocket.accept"})
    messages = await asyncio.gather(receive(), receive(), receive())
    await send({"type": "websocket.send", "text": " ".join(sorted(m["text"] for m in messages))})
    ends = await asyncio.gather(receive(), receive())
    note("websocket", "listeners " + " ".join(f"{m['code']}{m['reason']}" for m in ends))


async def ws_scope(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(plain(scope))})


async def ws_wrong(scope, receive, send):
    """Messages that are out of order, or neither text nor bytes."""
    answers = []

    async def attempt(**message):
        try:
            await send(message)
            answers.append("accepted")
        except Exception as error:
            answers.append(type(error).__name__)
    await attempt(type="websocket.send", text="before")
    await receive()
    await attempt(type="websocket.accept", headers=[(b"x", b"1\r\ny: 2")])
    await attempt(type="http.response.start", status=200)
    await send({"type": "websocket.accept"})
    await attempt(type="websocket.accept")
    await attempt(type="websocket.send")
    await attempt(type="websocket.send", text="a", bytes=b"b")
    await attempt(type="websocket.send", text=None, bytes=b"b")
    await send({"type": "websocket.send", "text": " ".join(answers)})
    message = await receive()
    await attempt(type="websocket.send", text="after")
    note("websocket", f"wrong {message['code']} {message['reason']} {answers[-1]}")


async def impatient(scope, receive, send):
    """From here on, clients are asked often whether they are there."""
    sys.modules["poold_asgi"].WS_PING_INTERVAL = 0.1
    await receive()
    await send({"type": "websocket.accept"})
    note("websocket", f"asked {(await receive())['code']}")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        name = scope["path"].rpartition("/")[2]
        await globals().get(name, echo)(scope, receive, send)
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
