# SPDX-License-Identifier: ISC
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

ready = []


async def hello(request):
    name = request.path_params["name"]
    return JSONResponse({"framework": "Starlette", "name": name, "args": dict(request.query_params),
                         "url": str(request.url), "header": request.headers.get("x-some"),
                         "cookie": request.cookies.get("c"), "ready": ready})


async def upload(request):
    return JSONResponse({"size": len(await request.body())})


async def stream(request):
    async def parts():
        for i in range(1000):
            yield f"{i}\n"
    return StreamingResponse(parts(), media_type="text/plain")


async def file(request):
    return FileResponse(__file__, media_type="text/plain")


async def boom(request):
    raise RuntimeError("boom in Starlette")


async def echo(websocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


app = Starlette(on_startup=[lambda: ready.append("yes")], routes=[
    Route("/hello/{name}", hello), Route("/upload", upload, methods=["POST"]),
    Route("/stream", stream), Route("/file", file), Route("/boom", boom),
    WebSocketRoute("/echo", echo)])
