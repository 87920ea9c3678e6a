// SPDX-License-Identifier: ISC
// The body of a request: never a byte more than belongs to it.
using System;
using System.IO;
using System.Text;

namespace Poold {

public sealed partial class Request {
	const int FormMax = 65536, DrainMax = 65536, LineMax = 4096, TrailersMax = 100;

	ulong bodyLeft;	     // of it, or of the chunk
	ulong bodyRead;
	bool chunksOver, continued;
	int bodyProblem;     // the status that says what is wrong with it; 0: nothing
	byte[] whole;
	readonly byte[] one = new byte[1];

	// Bytes; -1 when it is chunked.
	public long BodyLength {
		get { return lease.IsChunked ? -1 : (long)lease.BodyLength; }
	}

	// Reads at least one byte of the body, at most count; 0 at its end.  Throws an
	// IOException when the client leaves or its chunks are broken; a handler that
	// does not catch it has answered 400 or 413.
	public int Read(byte[] buffer, int offset, int count) {
		if (count == 0 || (lease.IsChunked ? !NextChunk() : bodyLeft == 0))
			return 0;
		Continue();
		int n = Receive(buffer, offset, (int)Math.Min((ulong)count, bodyLeft));
		bodyLeft -= (ulong)n;
		bodyRead += (ulong)n;
		if (lease.IsChunked && bodyLeft == 0 && ReadLine() != "")
			throw Broken(400, "more than its chunk");
		return n;
	}

	// The whole body, max bytes at most; throws an IOException if it is longer.
	public byte[] Body(int max = 1 << 20) {
		if (whole != null)
			return whole;
		MemoryStream stream = new MemoryStream();
		byte[] buffer = new byte[16384];
		int n;
		while ((n = Read(buffer, 0, buffer.Length)) > 0) {
			if (stream.Length + n > max)
				throw Broken(413, "more than " + max + " bytes");
			stream.Write(buffer, 0, n);
		}
		return whole = stream.ToArray();
	}

	// The first field of this name in a form, decoded; null if there is none.
	public string Form(string name) {
		string type = Header("Content-Type") ?? "";
		if (!type.StartsWith("application/x-www-form-urlencoded",
			StringComparison.OrdinalIgnoreCase))
			return null;
		return Find(Encoding.ASCII.GetString(Body(FormMax)), name);
	}

	// Whether the body is read to its end; a short rest of it is.
	bool DrainBody() {
		if (lease.IsChunked || bodyProblem != 0)
			return false;
		if (bodyLeft > DrainMax || (bodyLeft > 0 && lease.IsExpected && !continued))
			return false;
		byte[] scratch = new byte[4096];
		while (bodyLeft > 0)
			bodyLeft -= (ulong)Receive(scratch, 0,
				(int)Math.Min((ulong)scratch.Length, bodyLeft));
		return true;
	}

	void Continue() {
		if (!lease.IsExpected || continued || state != State.None)
			return;
		continued = true;
		Send(Latin1.Bytes("HTTP/1.1 100 Continue\r\n\r\n"));
	}

	// Whether there is more to read in this chunk or the next (RFC 9112 section 7.1).
	bool NextChunk() {
		if (bodyLeft > 0 || chunksOver)
			return !chunksOver;
		Continue();
		string size = ReadLine().Split(';')[0].Trim();
		ulong length;
		if (size.Length > 16 || !ulong.TryParse(size,
			System.Globalization.NumberStyles.AllowHexSpecifier,
			System.Globalization.CultureInfo.InvariantCulture, out length))
			throw Broken(400, "a bad chunk");
		if (length > lease.BodyMax - bodyRead)
			throw Broken(413, "a body that is too long");
		bodyLeft = length;
		if (length > 0)
			return true;
		chunksOver = true;
		for (int trailers = 0; ReadLine() != ""; trailers++)
			if (trailers == TrailersMax)
				throw Broken(400, "too many trailers");
		return false;
	}

	// Byte by byte, since what is behind it may not be read.
	string ReadLine() {
		StringBuilder line = new StringBuilder();
		for (;;) {
			Receive(one, 0, 1);
			if (one[0] == '\n' && line.Length > 0 && line[line.Length - 1] == '\r')
				return line.ToString(0, line.Length - 1);
			if (one[0] == '\n' || line.Length == LineMax)
				throw Broken(400, "a bad line between chunks");
			line.Append((char)one[0]);
		}
	}

	IOException Broken(int status, string what) {
		bodyProblem = status;
		return new IOException("the client sent " + what);
	}
}

}
