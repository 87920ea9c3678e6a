# SPDX-License-Identifier: ISC
"""The smallest application, for WSGI (gunicorn) and for ASGI (uvicorn).

It says which process answers; /slow takes a second for it.
"""
import asyncio
import json
import os
import time


def body():
    return json.dumps({
        "pid": os.getpid(),
        "generation": int(os.environ.get("POOLD_GENERATION", 0)),
    }).encode()


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    answer = body()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(scope, receive, send):
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    answer = body()
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode())]})
    await send({"type": "http.response.body", "body": answer})
