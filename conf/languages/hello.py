# SPDX-License-Identifier: ISC
"""The smallest Python applications: WSGI and ASGI answer the same."""

import json
import os
import platform
from urllib.parse import parse_qsl


def answer(query, port):
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    return json.dumps({"language": "python", "version": platform.python_version(),
                       "service": parameters.get("service", ""),
                       "data": parameters.get("data", ""),
                       "pid": os.getpid(), "port": port}).encode()


def application(environ, start_response):
    body = answer(environ["QUERY_STRING"], int(environ["SERVER_PORT"]))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = answer(scope["query_string"].decode("latin-1"), scope["server"][1])
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
