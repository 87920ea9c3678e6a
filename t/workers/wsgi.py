# SPDX-License-Identifier: ISC
"""What t/python-wsgi.t asks of a server, one function for each path."""

import atexit
import gzip
import io
import json
import os
import sys
import tempfile
import threading
import time
from wsgiref.validate import validator

HERE = os.environ.get("NOTES", "/nonexistent")
TEXT = [("Content-Type", "text/plain")]
ticks = 0


def note(name, text):
    """Leaves word for the test: a client that left hears nothing."""
    with open(os.path.join(HERE, name), "a") as out:
        out.write(text + "\n")


@atexit.register
def farewell():
    note("atexit", str(os.getpid()))


def tick():
    global ticks
    while True:
        time.sleep(0.01)
        ticks += 1


def start_ticking():
    threading.Thread(target=tick, daemon=True).start()


# a thread would be lost in a process that is forked from this one
if "POOLD_TEMPLATE" in os.environ:
    os.register_at_fork(after_in_child=start_ticking)
else:
    start_ticking()


class Parts:
    """An iterable that says when it is closed."""

    def __init__(self, name, parts, length=None):
        self.name, self.parts, self.length = name, parts, length

    def __iter__(self):
        return iter(self.parts)

    def close(self):
        note("closed", self.name)


class Counted(Parts):
    def __len__(self):
        return 1


def show_environ(environ, start_response):
    plain = {k: v for k, v in environ.items() if isinstance(v, (str, bool, tuple))}
    plain["types"] = sorted({type(v).__name__ for k, v in environ.items() if k.isupper()})
    plain["dict"] = type(environ) is dict
    plain.update(pid=os.getpid(), argv=sys.argv, prefix=sys.prefix, path=sys.path,
                 executable=sys.executable, name=__name__)
    start_response("200 OK", TEXT)
    return [json.dumps(plain).encode()]


def own(environ, start_response):
    """environ is the application's to change."""
    before = "mine" in environ
    environ["mine"] = 1
    environ.clear()
    start_response("200 OK", TEXT)
    return [b"%d" % before]


def read(environ, start_response):
    body, how = environ["wsgi.input"], environ["QUERY_STRING"]
    got = {
        "all": lambda: [body.read(), body.read(), body.read(5)],
        "none": lambda: [body.read(None)],
        "zero": lambda: [body.read(0), body.read(3), body.read(-1)],
        "beyond": lambda: [body.read(1 << 40), body.read(1)],
        "lines": lambda: [body.readline(), body.readline(3), body.readline(0)] + body.readlines(),
        "hint": lambda: body.readlines(4) + [body.read()],
        "iterate": lambda: list(body),
        "mixed": lambda: [body.readline(), body.read(2), body.readline(), body.read()],
        "pieces": lambda: [x for x in iter(lambda: body.read(7), b"")],
        "nothing": lambda: [],
    }[how]()
    start_response("200 OK", TEXT)
    return [json.dumps([x.decode("latin-1") for x in got]).encode()]


def count_body(environ, start_response):
    total = 0
    while True:
        part = environ["wsgi.input"].read(65536)
        if not part:
            break
        total += len(part)
    start_response("200 OK", TEXT)
    return [b"%d" % total]


def keep_input(environ, start_response):
    """An input that outlives its request gives nothing of the next one."""
    kept = getattr(keep_input, "kept", None)
    keep_input.kept = environ["wsgi.input"]
    try:
        answer = kept.read() if kept else b"first"
    except ValueError as error:
        answer = str(error).encode()
    start_response("200 OK", TEXT)
    return [answer]


def late_start(environ, start_response):
    """start_response may be called when the first part is asked for."""
    def parts():
        start_response("202 Later", TEXT)
        yield b"late"
    return parts()


def empty_first(environ, start_response):
    def parts():
        yield b""
        start_response("201 Created", TEXT)
        yield b""
        yield b"x"
    return parts()


def no_start(environ, start_response):
    return [b"data"]


def twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"not reached"]


def replace(environ, start_response):
    """With exc_info another response takes the place of one not yet sent."""
    start_response("200 OK", TEXT + [("X-First", "1")])
    try:
        raise ValueError("on purpose")
    except ValueError:
        start_response("503 Sorry", TEXT + [("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


def replace_late(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"begun ")
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 Error", TEXT, sys.exc_info())
    return [b"never"]


def write(environ, start_response):
    send = start_response("200 OK", TEXT)
    send(b"one ")
    send(b"two ")
    return [b"three"]


def write_sized(environ, start_response):
    send = start_response("200 OK", TEXT + [("Content-Length", "7")])
    send(b"one ")
    send(b"two")
    return []


def streamed(environ, start_response):
    """Each part is sent before the next is made: the test lets it go on."""
    start_response("200 OK", TEXT)

    def parts():
        yield b"first\n"
        while not os.path.exists(os.path.join(HERE, "go")):
            time.sleep(0.01)
        yield b"second\n"
    return Parts("streamed", parts())


def one_of_one(environ, start_response):
    start_response("200 OK", TEXT)
    return Counted("counted", [b"all there is"])


def several(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"a", b"bc", b"", b"def"]


def nothing(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"x"')])
    return []


def head(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "1000")])
    if environ["REQUEST_METHOD"] == "HEAD":
        return []
    return [b"x" * 1000]


def too_few(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return Parts("few", [b"1234"])


def too_many(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "4")])
    return Parts("many", [b"12", b"3456", b"78"])


def boom(environ, start_response):
    raise RuntimeError("boom <secret>")


def boom_begun(environ, start_response):
    start_response("200 OK", TEXT)

    def parts():
        yield b"begun "
        raise RuntimeError("boom later")
    return Parts("boomed", parts())


def boom_close(environ, start_response):
    class Bad(Parts):
        def close(self):
            raise RuntimeError("boom in close")
    start_response("200 OK", TEXT)
    return Bad("bad", [b"good"])


def bad(environ, start_response):
    """Responses that start_response must refuse."""
    args = {
        "status": ("OK", TEXT),
        "number": (200, TEXT),
        "control": ("200 O\nK", TEXT),
        "informational": ("100 Continue", TEXT),
        "fields": ("200 OK", tuple(TEXT)),
        "pair": ("200 OK", [("X", "y", "z")]),
        "list": ("200 OK", [["X", "y"]]),
        "bytes": ("200 OK", [("X", b"y")]),
        "colon": ("200 OK", [("X:", "y")]),
        "newline": ("200 OK", [("X", "y\r\nZ: 1")]),
        "nul": ("200 OK", [("X", "y\0")]),
        "wide": ("200 OK", [("X", "\u20ac")]),
        "connection": ("200 OK", [("Connection", "close")]),
        "transfer": ("200 OK", [("transfer-encoding", "chunked")]),
        "length": ("200 OK", [("Content-Length", "x")]),
        "exc": ("200 OK", TEXT, 7),
    }[environ["QUERY_STRING"]]
    try:
        start_response(*args)
        answer = b"accepted"
    except Exception as error:
        answer = type(error).__name__.encode() + b": " + str(error).encode()
    try:
        raise KeyError
    except KeyError:
        start_response("200 OK", TEXT, sys.exc_info())
    return [answer]


def boom_started(environ, start_response):
    start_response("200 OK", TEXT + [("Set-Cookie", "secret=1")])
    raise RuntimeError("boom before the first part")


def boom_empty(environ, start_response):
    start_response("200 OK", TEXT + [("Set-Cookie", "secret=1")])
    yield b""
    raise RuntimeError("boom after an empty part")


def changed(environ, start_response):
    """Fields that were good when start_response looked at them."""
    fields = list(TEXT)
    start_response("200 OK", fields)
    fields.append(("X-Split", "a\r\nSet-Cookie: b=1"))
    return [b"x"]


def huge_head(environ, start_response):
    start_response("200 OK", [(f"X-{i}", "y" * 1000) for i in range(40)])
    return [b"x"]


def keywords(environ, start_response):
    start_response(status="200 OK", headers=TEXT + [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], exc_info=None)
    return (b"key", b"words")


def binary(environ, start_response):
    start_response("200 OK", TEXT)
    return iter([bytes(range(256)), b"\r\n\r\n", b"0\r\n\r\n"])


class Class:
    """An application that is a class: its instance is the response."""

    def __init__(self, environ, start_response):
        self.start_response = start_response

    def __iter__(self):
        self.start_response("200 OK", TEXT)
        yield b"made by a class"


def url(environ, start_response):
    """URL Reconstruction, as the specification writes it."""
    from urllib.parse import quote
    url = environ["wsgi.url_scheme"] + "://"
    if environ.get("HTTP_HOST"):
        url += environ["HTTP_HOST"]
    else:
        url += environ["SERVER_NAME"]
        if environ["SERVER_PORT"] != "80":
            url += ":" + environ["SERVER_PORT"]
    url += quote(environ.get("SCRIPT_NAME", ""), encoding="latin-1")
    url += quote(environ.get("PATH_INFO", ""), encoding="latin-1")
    if environ.get("QUERY_STRING"):
        url += "?" + environ["QUERY_STRING"]
    start_response("200 OK", TEXT)
    return [url.encode("latin-1")]


def middleware(environ, start_response):
    """What wsgi.file_wrapper gives is an iterable for others too: of blocks."""
    class File:
        def __init__(self):
            self.left, self.sizes = 10, []

        def read(self, size):
            self.sizes.append(size)
            part, self.left = b"y" * min(size, self.left), max(0, self.left - size)
            return part
    file = File()
    wrapper = environ["wsgi.file_wrapper"](file, 4)
    parts = list(wrapper)
    if hasattr(wrapper, "close"):
        wrapper.close()
    start_response("200 OK", TEXT)
    return [b"%s %r" % (b"|".join(parts), file.sizes)]


def keep_write(environ, start_response):
    """A write() that outlives its request writes nothing into the next one."""
    kept = getattr(keep_write, "kept", None)
    keep_write.kept = start_response("200 OK", TEXT), start_response
    answers = []
    for call, *args in ((kept[0], b"leak"), (kept[1], "500 Bad", [])) if kept else ():
        try:
            call(*args)
        except RuntimeError as error:
            answers.append(str(error))
    return [" ".join(answers).encode()]


def bad_part(environ, start_response):
    start_response("200 OK", TEXT)
    return ["text"]


def latin(environ, start_response):
    start_response("200 OK", TEXT + [("X-Latin", "caf\xe9"), ("Date", "never"), ("Server", "mine")])
    return [b"x"]


def errors(environ, start_response):
    out = environ["wsgi.errors"]
    out.write("error one\nerror ")
    out.writelines(["two\n", "caf\u00e9 "])
    out.flush()
    out.write("without an end")
    print("printed to stdout")
    print("printed to stderr", file=sys.stderr)
    start_response("200 OK", TEXT)
    return [b"ok"]


def send_file(environ, start_response):
    wrapper, how = environ["wsgi.file_wrapper"], environ["QUERY_STRING"]
    data = b"".join(b"%07d\n" % i for i in range(20000))
    path = os.path.join(HERE, "data")
    if not os.path.exists(path):
        with open(path + ".new", "wb") as out:
            out.write(data)
        os.rename(path + ".new", path)
    fields = list(TEXT)
    if how == "raw":
        file = open(path, "rb", buffering=0)
    elif how == "offset":
        file = open(path, "rb")
        file.readline()
    elif how == "part":
        file = open(path, "rb")
        fields.append(("Content-Length", "80"))
    elif how == "memory":
        file = io.BytesIO(data)
    elif how == "gzip":
        with gzip.open(path + ".gz", "wb") as out:
            out.write(data)
        file = gzip.open(path + ".gz", "rb")
    elif how == "temporary":
        file = tempfile.NamedTemporaryFile()
        file.write(data)
        file.seek(0)
    elif how == "pipe":
        ours, theirs = os.pipe()
        os.write(theirs, b"through a pipe")
        os.close(theirs)
        file = os.fdopen(ours, "rb")
    else:
        file = open(path, "rb")
    send_file.last = file
    start_response("200 OK", fields)
    return wrapper(file, 4096)


def file_closed(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"%d" % send_file.last.closed]


def endless(environ, start_response):
    start_response("200 OK", TEXT)

    def parts():
        try:
            while True:
                yield b"x" * 65536
        except GeneratorExit:
            note("closed", "generator")
            raise
    return parts()


def endless_write(environ, start_response):
    send = start_response("200 OK", TEXT)
    try:
        while True:
            send(b"x" * 65536)
    except OSError as error:
        note("closed", "write " + type(error).__name__)
        raise


def gibibyte(environ, start_response):
    block, blocks = b"x" * (1 << 20), int(environ["QUERY_STRING"])
    start_response("200 OK", TEXT)
    return (block for _ in range(blocks))


def memory(environ, start_response):
    with open("/proc/self/status") as status:
        peak = [line.split()[1] for line in status if line.startswith("VmHWM")][0]
    start_response("200 OK", TEXT)
    return [peak.encode()]


def background(environ, start_response):
    """Threads go on while the worker waits for a request."""
    start_response("200 OK", TEXT)
    return [b"%d" % ticks]


def slow(environ, start_response):
    note("slow", "begun")
    time.sleep(float(environ["QUERY_STRING"]))
    start_response("200 OK", TEXT)
    return [b"slept"]


def leave(environ, start_response):
    sys.exit(3)


@validator
def valid(environ, start_response):
    got = environ["wsgi.input"].read(1 << 20)
    start_response("200 OK", [("Content-Type", "text/plain"),
                              ("Content-Length", str(len(got) + 3))])
    return [b"ok ", got] if environ["REQUEST_METHOD"] != "HEAD" else [b""]


def application(environ, start_response):
    name = environ["PATH_INFO"].split("/")[1] if environ["PATH_INFO"] else "show_environ"
    return globals()[name](environ, start_response)


class Instance:
    def __call__(self, environ, start_response):
        start_response("200 OK", TEXT)
        return [b"an instance"]


class nested:
    instance = Instance()


def make():
    return Instance()
