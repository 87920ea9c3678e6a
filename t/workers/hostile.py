# SPDX-License-Identifier: ISC
"""Applications that do what they should not: WSGI, and ASGI by its name."""

import asyncio
import os
import sys
import threading
import time

TEXT = [("Content-Type", "text/plain")]
HERE = os.environ.get("NOTES", "/nonexistent")


def note(name, text):
    with open(os.path.join(HERE, name), "a") as out:
        out.write(text + "\n")


def answer(start_response, text="ok"):
    start_response("200 OK", TEXT)
    return [text.encode()]


def pid(environ, start_response):
    return answer(start_response, str(os.getpid()))


def fds(environ, start_response):
    return answer(start_response, str(len(os.listdir("/proc/self/fd"))))


def fork_and_keep(environ, start_response):
    """A child that keeps the client's socket, and all others."""
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    note("children", str(child))
    return answer(start_response)


def fork_and_answer(environ, start_response):
    """Both answer, and both think that they are the worker."""
    if os.fork() == 0:
        note("children", str(os.getpid()))
    return answer(start_response)


def leave(environ, start_response):
    os._exit(3)


def recursion(environ, start_response):
    return recursion(environ, start_response)


def memory(environ, start_response):
    kept = []
    while True:
        kept.append(bytearray(1 << 24))


def generator(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun"
    raise {"exit": SystemExit(1), "interrupt": KeyboardInterrupt(), "stop": StopAsyncIteration(),
           "left": GeneratorExit()}[environ["QUERY_STRING"]]


def in_del(environ, start_response):
    class Parts(list):
        def __del__(self):
            raise RuntimeError("in __del__")

        def close(self):
            raise SystemExit(1)
    start_response("200 OK", TEXT)
    return Parts([b"ok"])


def strange(environ, start_response):
    """Things that are no response."""
    class Endless:
        def __getitem__(self, i):
            if i > 2:
                raise KeyError(i)
            return b"x"

    class Lies(list):
        def __len__(self):
            return 1

    class Broken(list):
        def __len__(self):
            raise SystemExit(2)
    start_response("200 OK", TEXT)
    return {"none": None, "text": "text", "number": 7, "bytes": b"abc", "endless": Endless(),
            "lies": Lies([b"a", b"b"]), "broken": Broken([b"a", b"b"])}[environ["QUERY_STRING"]]


def thread(environ, start_response):
    """A thread that is left behind, and raises."""
    def late():
        time.sleep(0.05)
        environ["wsgi.errors"].write("said by a thread\n")
        environ["wsgi.input"].read()
    threading.Thread(target=late).start()
    return answer(start_response)


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].split("/")[1]](environ, start_response)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if os.environ.get("HANG") == "startup":
            await asyncio.Event().wait()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if os.environ.get("HANG") == "shutdown":
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass
        return
    name = scope["path"].rpartition("/")[2]
    if name == "leave":
        os._exit(3)
    if name == "loop":
        asyncio.get_running_loop().stop()
    if name == "callback":
        def fail():
            raise SystemExit(1)
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.1)
    if name == "memory":
        kept = []
        while True:
            kept.append(bytearray(1 << 24))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
