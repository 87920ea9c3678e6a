# SPDX-License-Identifier: ISC
# What all Python servers of bench/run --python serve.
BODY = b"x" * 64


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "64")])
    return [BODY]
