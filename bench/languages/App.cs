// SPDX-License-Identifier: ISC
// What bench/chaos has poold-csharp serve: the line "id pid" again and again, up to
// size bytes, once at least.
using System;
using System.Diagnostics;
using System.Text;
using System.Threading;
using Poold;

static class App {
	static int Number(Request request, string name) {
		return int.Parse(request.Param(name) ?? "0");
	}

	static int Main() {
		int pid = Process.GetCurrentProcess().Id;
		return Worker.Serve(request => {
			Thread.Sleep(Number(request, "sleep_us") / 1000);
			string line = request.Param("id") + " " + pid + "\n";
			int size = Math.Max(Number(request, "size"), line.Length);
			StringBuilder body = new StringBuilder();
			while (body.Length < size)
				body.Append(line);
			request.Respond(200, "text/plain", body.ToString(0, size));
		});
	}
}
