// SPDX-License-Identifier: ISC
// One request, valid until the handler returns; its body is in Body.cs, its
// response in Response.cs.
using System;
using System.Collections.Generic;
using System.IO;

namespace Poold {

public sealed partial class Request {
	readonly Lease lease;
	readonly Scoreboard board;
	readonly int fd;
	readonly byte[] head;
	string path;

	internal Request(Lease lease, int fd, Scoreboard board) {
		this.lease = lease;
		this.fd = fd;
		this.board = board;
		head = new byte[lease.HeadLength];
		bodyLeft = lease.IsChunked ? 0 : lease.BodyLength;
	}

	public string Method { get { return Text(lease.Method); } }
	// As the client sent it.
	public string Target { get { return Text(lease.Target); } }
	// Canonical, without the query.
	public string Path { get { return path ?? (path = lease.Path); } }
	// The prefix of the route that matched, and what follows it.
	public string Route { get { return Path.Substring(0, lease.PrefixLength); } }
	public string PathInfo { get { return Path.Substring(lease.PrefixLength); } }
	// Raw; "" if there is none.
	public string Query { get { return Text(lease.Query); } }
	public string Host { get { return Text(lease.Host); } }
	public string ClientAddress { get { return lease.ClientAddress; } }
	public int ClientPort { get { return lease.ClientPort; } }
	public string LocalAddress { get { return lease.LocalAddress; } }
	public int LocalPort { get { return lease.LocalPort; } }
	// 32 hexadecimal digits.
	public string RequestId { get { return lease.RequestId; } }

	// The first parameter of this name in the query, decoded; null if there is none.
	public string Param(string name) { return Find(Query, name); }

	// The first field of this name, whatever its case; null if there is none.
	public string Header(string name) {
		foreach (KeyValuePair<string, string> field in Headers)
			if (string.Equals(field.Key, name, StringComparison.OrdinalIgnoreCase))
				return field.Value;
		return null;
	}

	// All fields, in the order of the request.
	public IEnumerable<KeyValuePair<string, string>> Headers {
		get {
			for (int i = 0; i < lease.FieldCount; i++)
				yield return new KeyValuePair<string, string>(
					Text(lease.FieldName(i)), Text(lease.FieldValue(i)));
		}
	}

	// One line to the log, with the id of the request.
	public void Log(string text) {
		Console.Error.WriteLine("[" + RequestId + "] " +
			text.Replace("\n", "\n[" + RequestId + "] "));
	}

	string Text(Span span) { return Latin1.Text(head, span.Offset, span.Length); }

	internal static string Find(string form, string name) {
		foreach (string pair in form.Split('&')) {
			int at = pair.IndexOf('=');
			string key = at == -1 ? pair : pair.Substring(0, at);
			if (Decode(key) == name)
				return at == -1 ? "" : Decode(pair.Substring(at + 1));
		}
		return null;
	}

	// Percent-encoding and plus signs, as UTF-8.
	static string Decode(string text) {
		return Uri.UnescapeDataString(text.Replace('+', ' '));
	}

	// Runs the handler and completes what it left open.  Never throws.
	internal void Handle(Handler handler) {
		try {
			ReadHead();
			try {
				handler(this);
			} catch (Exception e) {
				if (clientLeft)
					throw;
				Log("the handler failed: " + e);
				Fail();
				return;
			}
			Finish();
		} catch (IOException) {
			kept = false; // the client left
		} catch (Exception e) {
			kept = false;
			Log("the request failed: " + e);
		} finally {
			if (!complete)
				Native.Shutdown(fd);
		}
	}

	void ReadHead() {
		if (lease.IsReplay) {
			lease.CopyHead(head);
			return;
		}
		for (int have = 0; have < head.Length;)
			have += Receive(head, have, head.Length - have);
	}

	// At least one byte.
	int Receive(byte[] buffer, int offset, int count) {
		int n = Native.Read(fd, buffer, offset, count);
		if (n > 0)
			return n;
		clientLeft = true;
		throw new IOException("the client left");
	}
}

}
