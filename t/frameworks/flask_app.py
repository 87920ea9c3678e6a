# SPDX-License-Identifier: ISC
from flask import Flask, jsonify, request, send_file, stream_with_context, url_for

app = Flask(__name__)


@app.route("/hello/<name>")
def hello(name):
    return jsonify(framework="Flask", name=name, args=request.args,
                   here=url_for("hello", name=name), url=request.url,
                   header=request.headers.get("X-Some"), cookie=request.cookies.get("c"))


@app.post("/form")
def form():
    upload = request.files["file"]
    return jsonify(field=request.form["field"], name=upload.filename, size=len(upload.read()))


@app.get("/stream")
def stream():
    return app.response_class(stream_with_context(f"{i}\n" for i in range(1000)), mimetype="text/plain")


@app.get("/file")
def file():
    return send_file(__file__, mimetype="text/plain", conditional=True)


@app.get("/boom")
def boom():
    raise RuntimeError("boom in Flask")
