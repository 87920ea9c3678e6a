// SPDX-License-Identifier: ISC
// The response: whole, or streamed.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace Poold {

public sealed partial class Request {
	enum State { None, Begun, Done }

	static readonly string[] reserved = { "Content-Length", "Transfer-Encoding",
		"Connection", "Date" };

	State state;
	bool kept, complete, clientLeft;
	long left = -1; // of the declared length; -1: none was
	bool sendsChunks;
	readonly List<KeyValuePair<string, string>> fields =
		new List<KeyValuePair<string, string>>();

	internal ulong BytesSent { get; private set; }
	internal bool IsKept { get { return kept && complete; } }
	// Of the response; 0 while there is none.
	public int Status { get; private set; }

	// Adds a field to a response that has not begun.
	public void SetHeader(string name, string value) {
		if (state != State.None)
			throw new InvalidOperationException("the response has begun");
		if (!IsToken(name) || Array.Exists(reserved, r =>
			r.Equals(name, StringComparison.OrdinalIgnoreCase)))
			throw new ArgumentException("field name: " + name);
		if (!IsValue(value))
			throw new ArgumentException("field value of " + name);
		fields.Add(new KeyValuePair<string, string>(name, value));
	}

	// A whole response; text is sent as UTF-8.  type may be null.
	public void Respond(int status, string type, string text) {
		Respond(status, type, Encoding.UTF8.GetBytes(text));
	}

	public void Respond(int status, string type, byte[] body) {
		byte[] start = Begin(status, type, body.Length);
		if (!HasBody) {
			Send(start);
		} else {
			byte[] all = new byte[start.Length + body.Length];
			Buffer.BlockCopy(start, 0, all, 0, start.Length);
			Buffer.BlockCopy(body, 0, all, start.Length, body.Length);
			Send(all);
		}
		left = 0;
		End();
	}

	// application/problem+json (RFC 9457).
	public void Problem(int status, string detail) {
		Respond(status, "application/problem+json", "{\"type\":\"about:blank\",\"title\":" +
			Json.Text(Reason(status)) + ",\"status\":" + status + ",\"detail\":" +
			Json.Text(detail) + "}");
	}

	// A streamed response: Start, Write as often as needed, End.  length -1:
	// unknown.
	public void Start(int status, string type, long length = -1) {
		Send(Begin(status, type, length));
		left = length;
	}

	public void Write(string text) {
		byte[] bytes = Encoding.UTF8.GetBytes(text);
		Write(bytes, 0, bytes.Length);
	}

	public void Write(byte[] buffer, int offset, int count) {
		if (state != State.Begun)
			throw new InvalidOperationException("no response is under way");
		if (count == 0 || !HasBody)
			return;
		if (left != -1 && (left -= count) < 0)
			throw new InvalidOperationException("more than the declared length");
		if (sendsChunks)
			Send(Latin1.Bytes(count.ToString("x") + "\r\n"));
		Send(buffer, offset, count);
		if (sendsChunks)
			Send(Latin1.Bytes("\r\n"));
	}

	public void End() {
		if (state != State.Begun)
			throw new InvalidOperationException("no response is under way");
		if (left > 0 && HasBody)
			throw new InvalidOperationException("less than the declared length");
		if (sendsChunks && HasBody)
			Send(Latin1.Bytes("0\r\n\r\n"));
		state = State.Done;
		complete = true;
	}

	bool HasBody {
		get { return Method != "HEAD" && Status != 204 && Status != 304; }
	}

	// The head, which is to be sent.  Whether the connection is kept is decided
	// here, since the head says so.
	byte[] Begin(int status, string type, long length) {
		if (state != State.None)
			throw new InvalidOperationException("there is a response already");
		if (status < 200 || status > 599)
			throw new ArgumentException("status: " + status);
		if (type != null && !IsValue(type))
			throw new ArgumentException("the type has characters that it may not have");
		Status = status;
		state = State.Begun;
		sendsChunks = length == -1 && !lease.IsHttp10;
		bool untilClose = length == -1 && lease.IsHttp10 && HasBody;
		kept = lease.MayKeep && !untilClose && DrainBody();
		byte[] start = Latin1.Bytes(Head(type, length));
		if (length != -1)
			board.Answer(lease, BytesSent + (ulong)start.Length +
				(HasBody ? (ulong)length : 0), kept, status);
		return start;
	}

	string Head(string type, long length) {
		StringBuilder text = new StringBuilder("HTTP/1.1 " + Status + " " + Reason(Status));
		text.Append("\r\nDate: ").Append(DateTime.UtcNow.ToString("r",
			CultureInfo.InvariantCulture));
		text.Append("\r\nX-Request-Id: ").Append(RequestId);
		if (type != null)
			text.Append("\r\nContent-Type: ").Append(type);
		if (length != -1 && Status != 204)
			text.Append("\r\nContent-Length: ").Append(length);
		else if (sendsChunks && Status != 204 && Status != 304)
			text.Append("\r\nTransfer-Encoding: chunked");
		if (!kept)
			text.Append("\r\nConnection: close");
		else if (lease.IsHttp10)
			text.Append("\r\nConnection: keep-alive");
		foreach (KeyValuePair<string, string> field in fields)
			text.Append("\r\n" + field.Key + ": " + field.Value);
		return text.Append("\r\n\r\n").ToString();
	}

	// The handler has thrown: the client learns no more than that.
	void Fail() {
		fields.Clear();
		if (state == State.None && bodyProblem != 0)
			Problem(bodyProblem, "the body is broken or too long");
		else if (state == State.None)
			Problem(500, "the application failed");
	}

	// The handler has returned.
	void Finish() {
		if (state == State.None) {
			Log("the handler has not answered");
			Fail();
		}
		if (state == State.Begun && left <= 0)
			End();
	}

	void Send(byte[] bytes) { Send(bytes, 0, bytes.Length); }

	void Send(byte[] bytes, int offset, int count) {
		try {
			Native.Write(fd, bytes, offset, count);
		} catch (IOException) {
			clientLeft = true;
			throw;
		}
		BytesSent += (ulong)count;
	}

	static bool IsToken(string text) {
		foreach (char c in text)
			if (c <= ' ' || c >= 0x7f || "\"(),/:;<=>?@[\\]{}".IndexOf(c) != -1)
				return false;
		return text.Length > 0;
	}

	// What is beyond Latin-1 would become something else on the way.
	static bool IsValue(string text) {
		foreach (char c in text)
			if ((c < ' ' && c != '\t') || c == 0x7f || c > 0xff)
				return false;
		return true;
	}

	static string Reason(int status) {
		string name = ((System.Net.HttpStatusCode)status).ToString();
		if (status == 200)
			return "OK";
		StringBuilder text = new StringBuilder();
		foreach (char c in name) { // NotFound: Not Found
			if (char.IsUpper(c) && text.Length > 0)
				text.Append(' ');
			if (!char.IsDigit(c))
				text.Append(c);
		}
		return text.ToString();
	}
}

// Texts as JSON.
public static class Json {
	public static string Text(string text) {
		StringBuilder json = new StringBuilder("\"");
		foreach (char c in text)
			if (c == '"' || c == '\\')
				json.Append('\\').Append(c);
			else if (c < ' ' || c == 0x7f || char.IsSurrogate(c))
				json.AppendFormat(CultureInfo.InvariantCulture, "\\u{0:x4}", (int)c);
			else
				json.Append(c);
		return json.Append('"').ToString();
	}
}

}
