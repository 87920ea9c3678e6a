// SPDX-License-Identifier: ISC
// The C# service of the demo: says who answered, and with what parameters.
//	mcs -r:Poold.dll Demo.cs
using System;
using Poold;

static class Demo {
	static int Main() {
		int pid = System.Diagnostics.Process.GetCurrentProcess().Id;
		return Worker.Serve(request => {
			if (request.Method != "GET" && request.Method != "HEAD") {
				request.SetHeader("Allow", "GET, HEAD");
				request.Problem(405, "only GET and HEAD are answered here");
				return;
			}
			request.Respond(200, "application/json",
				"{\"language\":\"csharp\",\"version\":" + Json.Text(Environment.Version.ToString()) +
				",\"service\":" + Json.Text(request.Param("service") ?? "") +
				",\"data\":" + Json.Text(request.Param("data") ?? "") +
				",\"pid\":" + pid + ",\"port\":" + request.LocalPort + "}");
		});
	}
}
