# SPDX-License-Identifier: ISC
"""What bench/chaos has poold-python serve, by WSGI and by ASGI."""

import asyncio
import os
import time
from urllib.parse import parse_qsl


def body_of(query):
    """The line "id pid" again and again, up to size bytes, once at least."""
    line = b"%s %d\n" % (query["id"].encode(), os.getpid())
    size = max(int(query.get("size", 0)), len(line))
    return (line * (size // len(line) + 1))[:size]


def application(environ, start_response):
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    time.sleep(int(query.get("sleep_us", 0)) / 1e6)
    body = body_of(query)
    start_response("200 OK", [("Content-Type", "text/plain"),
                              ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    await asyncio.sleep(int(query.get("sleep_us", 0)) / 1e6)
    body = body_of(query)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain"),
                            (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
