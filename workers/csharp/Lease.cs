// SPDX-License-Identifier: ISC
// A LEASE or CHECK as it came: where everything lies in the head.
using System;

namespace Poold {

struct Span {
	public int Offset, Length;
}

class Lease {
	public const int MessageMax = 65536;
	const int HeaderMin = 144, FieldsMax = 100, HeadMax = 32768, PathMax = 8192;
	const uint Keep = 1, Replay = 2, Expect = 8, Http10 = 16;

	public readonly bool IsCheck;
	public readonly ulong Serial;
	public readonly uint Slot;
	public readonly int HeadLength;
	public readonly ulong BodyLength, BodyMax;
	readonly byte[] message;
	readonly int length, header, fieldCount, pathLength;
	readonly uint flags;

	// The message is read in place, until the request is over.  It is as long as
	// a LEASE at least.
	public Lease(byte[] message, int length) {
		this.message = message;
		this.length = length;
		IsCheck = U16(0) == Worker.CHECK;
		header = U16(2);
		flags = U32(4);
		Serial = BitConverter.ToUInt64(message, 8);
		BodyLength = BitConverter.ToUInt64(message, 24);
		Slot = U32(104);
		HeadLength = (int)Math.Min(U32(108), int.MaxValue);
		pathLength = U16(128);
		fieldCount = U16(132);
		BodyMax = BitConverter.ToUInt64(message, 136);
	}

	public static bool IsLongEnough(int length) { return length >= HeaderMin; }

	// Whether its lengths agree with each other.
	public bool IsValid {
		get {
			if (header < HeaderMin || HeadLength > HeadMax || pathLength > PathMax ||
			    fieldCount > FieldsMax || PrefixLength > pathLength ||
			    header + fieldCount * 8 + pathLength +
			    (IsReplay ? HeadLength : 0) != length)
				return false;
			for (int at = 112; at < 128; at += 4)
				if (!IsInside(SpanAt(at)))
					return false;
			for (int i = 0; i < fieldCount; i++)
				if (!IsInside(FieldName(i)) || !IsInside(FieldValue(i)))
					return false;
			return true;
		}
	}

	public bool MayKeep { get { return (flags & Keep) != 0; } }
	public bool IsReplay { get { return (flags & Replay) != 0; } }
	public bool IsExpected { get { return (flags & Expect) != 0; } }
	public bool IsHttp10 { get { return (flags & Http10) != 0; } }
	public bool IsChunked { get { return BodyLength == ulong.MaxValue; } }
	public int FieldCount { get { return fieldCount; } }
	public int PrefixLength { get { return U16(130); } }
	public Span Method { get { return SpanAt(112); } }
	public Span Target { get { return SpanAt(116); } }
	public Span Query { get { return SpanAt(120); } }
	public Span Host { get { return SpanAt(124); } }
	public ulong AcceptedNs { get { return BitConverter.ToUInt64(message, 32); } }

	public Span FieldName(int i) { return SpanAt(header + i * 8); }
	public Span FieldValue(int i) { return SpanAt(header + i * 8 + 4); }

	public string Path {
		get { return Latin1.Text(message, header + fieldCount * 8, pathLength); }
	}

	public string RequestId {
		get {
			return BitConverter.ToString(message, 48, 16).Replace("-", "")
				.ToLowerInvariant();
		}
	}

	public string ClientAddress { get { return Address(64); } }
	public int ClientPort { get { return U16(66); } }
	public string LocalAddress { get { return Address(84); } }
	public int LocalPort { get { return U16(86); } }

	public void CopyHead(byte[] to) {
		Buffer.BlockCopy(message, length - HeadLength, to, 0, HeadLength);
	}

	ushort U16(int at) { return BitConverter.ToUInt16(message, at); }
	uint U32(int at) { return BitConverter.ToUInt32(message, at); }

	Span SpanAt(int at) { return new Span { Offset = U16(at), Length = U16(at + 2) }; }

	bool IsInside(Span span) { return span.Offset + span.Length <= HeadLength; }

	string Address(int at) {
		int family = U16(at), size = family == 4 ? 4 : 16;
		if (family != 4 && family != 6)
			return family == 1 ? "unix" : "";
		byte[] bytes = new byte[size];
		Buffer.BlockCopy(message, at + 4, bytes, 0, size);
		return new System.Net.IPAddress(bytes).ToString();
	}
}

// Bytes of a head as text, each one a character.
static class Latin1 {
	static readonly System.Text.Encoding encoding =
		System.Text.Encoding.GetEncoding("ISO-8859-1");

	public static string Text(byte[] bytes, int offset, int length) {
		return encoding.GetString(bytes, offset, length);
	}

	public static byte[] Bytes(string text) { return encoding.GetBytes(text); }
}

}
