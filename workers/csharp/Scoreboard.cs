// SPDX-License-Identifier: ISC
// The scoreboard: what this worker says there of itself and of its leases.
using System.Threading;

namespace Poold {

unsafe class Scoreboard {
	public const uint None = 0, Idle = 1, Taking = 2, Busy = 3;
	const uint Magic = 0x706f6f6c, Look = 1, Hot = 1;

	readonly byte *map;
	readonly byte *me;
	readonly uint worker, slotCount, slotOff, slotSize, flags;

	public Scoreboard(int fd, uint worker) {
		ulong size;
		map = Native.Map(fd, out size);
		if (size < 56 || U32(0) != Magic || U32(4) != 1)
			throw new ContractException("its scoreboard is not understood");
		flags = U32(16);
		uint count = U32(24), off = U32(28), each = U32(32);
		slotCount = U32(36);
		slotOff = U32(40);
		slotSize = U32(44);
		if (worker >= count || each < 80 || off + (ulong)count * each > size ||
		    slotSize < 56 || slotOff + (ulong)slotCount * slotSize > size)
			throw new ContractException("its scoreboard is not understood");
		this.worker = worker;
		me = map + off + (ulong)worker * each;
		for (int at = 24; at <= 40; at += 8) // requests, bytes, errors
			Volatile.Write(ref *(ulong *)(me + at), 0);
	}

	uint U32(int at) { return *(uint *)(map + at); }

	// The queue may stay in the epoll set.
	public bool IsHot { get { return (flags & Hot) != 0; } }

	// The control descriptor is to be looked at before the next lease.
	public bool IsToLook { get { return Volatile.Read(ref *(uint *)(me + 64)) == Look; } }

	public uint State { set { Volatile.Write(ref *(uint *)me, value); } }

	public bool HasSlot(uint slot) { return slot < slotCount; }

	// From here on the request is lost with this process.
	public void Own(Lease lease, ulong now) {
		if (!lease.IsCheck && HasSlot(lease.Slot)) {
			byte *slot = SlotAt(lease.Slot);
			Volatile.Write(ref *(ulong *)(slot + 40), now); // taken_ns
			Volatile.Write(ref *(ulong *)(slot + 48), 0);	// answer
			Volatile.Write(ref *(ulong *)(slot + 32),
				lease.Serial << 12 | worker + 1);	// owner
		}
		Volatile.Write(ref *(uint *)(me + 4), lease.Slot);
		Volatile.Write(ref *(ulong *)(me + 8), lease.Serial);
		Volatile.Write(ref *(ulong *)(me + 16), now);
		State = Busy;
	}

	// How long the response will be, before its first byte is written.
	public void Answer(Lease lease, ulong bytes, bool keep, int status) {
		if (!lease.IsCheck)
			Volatile.Write(ref *(ulong *)(SlotAt(lease.Slot) + 48),
				bytes << 16 | (keep ? 1ul << 15 : 0) | (uint)status);
	}

	public void Count(ulong bytes, bool error) {
		Add(24, 1);
		Add(32, bytes);
		Add(40, error ? 1ul : 0);
	}

	byte *SlotAt(uint slot) { return map + slotOff + (ulong)slot * slotSize; }

	// This process alone writes the word.
	void Add(int at, ulong n) {
		Volatile.Write(ref *(ulong *)(me + at), *(ulong *)(me + at) + n);
	}
}

}
