// SPDX-License-Identifier: ISC
// A worker in C# that does what t/csharp.t asks it for.
using System;
using System.Threading;
using Poold;

static class Contract {
	static int Main() { return Worker.Serve(Answer); }

	static void Answer(Request request) {
		switch (request.PathInfo) {
		case "/body": Body(request); break;
		case "/whole": request.Respond(200, "text/plain", request.Body()); break;
		case "/form": request.Respond(200, "text/plain", request.Form("name") ?? "(none)"); break;
		case "/stream": Stream(request); break;
		case "/exact": Exact(request, request.Param("length")); break;
		case "/throw": throw new Exception("a secret of the application");
		case "/late": request.Start(200, "text/plain"); request.Write("begun"); throw new Exception("too late");
		case "/silent": break;
		case "/empty": request.Respond(204, null, ""); break;
		case "/big": Big(request); break;
		case "/problem": request.Problem(422, "\"no\"\u0001"); break;
		case "/forbidden": Forbidden(request); break;
		default: Echo(request); break;
		}
	}

	static void Echo(Request request) {
		string fields = "";
		foreach (var field in request.Headers)
			fields += (fields == "" ? "" : ",") + Json.Text(field.Key + ": " + field.Value);
		request.SetHeader("X-Own", "set");
		request.Respond(200, "application/json", "{\"method\":" + Json.Text(request.Method) +
			",\"target\":" + Json.Text(request.Target) + ",\"path\":" + Json.Text(request.Path) +
			",\"route\":" + Json.Text(request.Route) + ",\"info\":" + Json.Text(request.PathInfo) +
			",\"query\":" + Json.Text(request.Query) + ",\"host\":" + Json.Text(request.Host) +
			",\"a\":" + Json.Text(request.Param("a") ?? "(none)") +
			",\"client\":" + Json.Text(request.ClientAddress) +
			",\"client_port\":" + request.ClientPort + ",\"port\":" + request.LocalPort +
			",\"id\":" + Json.Text(request.RequestId) + ",\"fields\":[" + fields + "]" +
			",\"length\":" + request.BodyLength +
			",\"pid\":" + System.Diagnostics.Process.GetCurrentProcess().Id + "}");
	}

	static void Body(Request request) {
		byte[] buffer = new byte[65536];
		long total = 0, sum = 0;
		int n;
		while ((n = request.Read(buffer, 0, buffer.Length)) > 0) {
			total += n;
			for (int i = 0; i < n; i++)
				sum = (sum * 31 + buffer[i]) % 1000000007;
		}
		request.Respond(200, "application/json", "{\"bytes\":" + total + ",\"sum\":" + sum + "}");
	}

	static void Stream(Request request) {
		request.Start(200, "text/plain");
		for (int i = 0; i < 3; i++)
			request.Write("part " + i + "\n");
		request.End();
	}

	static void Exact(Request request, string length) {
		request.Start(200, "text/plain", long.Parse(length));
		request.Write("12345");
	}

	static void Big(Request request) {
		byte[] part = new byte[65536];
		request.Start(200, "application/octet-stream", -1);
		try {
			for (int i = 0; i < 4096; i++)
				request.Write(part, 0, part.Length);
		} catch (System.IO.IOException) {
			request.Log("noticed that the client left");
			throw;
		}
	}

	static void Forbidden(Request request) {
		string refused = "";
		foreach (string name in new[] { "Content-Length", "connection", "bad name", "" })
			try {
				request.SetHeader(name, "1");
			} catch (ArgumentException) {
				refused += name + ";";
			}
		foreach (string value in new[] { "a\r\nX-Forged: b", "a\u0001", "a\u010a" })
			try {
				request.SetHeader("X-Split", value);
			} catch (ArgumentException) {
				refused += "split;";
			}
		try {
			request.Respond(200, "text/plain\r\nX-Forged: b", "");
		} catch (ArgumentException) {
			refused += "type";
		}
		request.Respond(200, "text/plain", refused);
	}
}
