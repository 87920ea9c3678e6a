#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A server that knows nothing of poold.

It accepts on the first inherited socket (LISTEN_FDS, as systemd defines it)
and answers every request with its pid and with what it was given.
"""
import json
import os
import select
import signal
import socket


def answer(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65536)
        if not data:
            return
        head += data
    body = json.dumps({
        "pid": os.getpid(),
        "listen_fds": os.environ.get("LISTEN_FDS"),
        "listen_pid": os.environ.get("LISTEN_PID"),
        "listen_fdnames": os.environ.get("LISTEN_FDNAMES"),
        "target": head.split()[1].decode(),
    }).encode()
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def main():
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise SystemExit("LISTEN_PID is not mine")
    # SIGTERM ends it between two requests, never within one.
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGTERM, lambda *_: None)
    listener = socket.socket(fileno=3)
    listener.setblocking(False)
    while told not in select.select([listener, told], [], [])[0]:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            continue  # another process took it
        with connection:
            answer(connection)


main()
