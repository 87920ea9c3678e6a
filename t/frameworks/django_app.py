# SPDX-License-Identifier: ISC
from django.conf import settings

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for a test", DEBUG=False,
                   MIDDLEWARE=["django.middleware.common.CommonMiddleware"])

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import FileResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path, reverse  # noqa: E402


def hello(request, name):
    return JsonResponse({"framework": "Django", "name": name, "args": request.GET.dict(),
                         "here": reverse("hello", args=[name]), "url": request.build_absolute_uri(),
                         "header": request.headers.get("X-Some"), "cookie": request.COOKIES.get("c")})


def form(request):
    upload = request.FILES["file"]
    return JsonResponse({"field": request.POST["field"], "name": upload.name, "size": upload.size})


def stream(request):
    return StreamingHttpResponse((f"{i}\n" for i in range(1000)), content_type="text/plain")


def file(request):
    return FileResponse(open(__file__, "rb"), content_type="text/plain")


def boom(request):
    raise RuntimeError("boom in Django")


urlpatterns = [path("hello/<name>", hello, name="hello"), path("form", form), path("stream", stream),
               path("file", file), path("boom", boom)]
application = get_wsgi_application()
asgi = get_asgi_application()
