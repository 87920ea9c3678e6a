// SPDX-License-Identifier: ISC
// A worker of poold in C#: the life of the process, as poold-lease(7) has it.
//
//	using Poold;
//
//	class Hello {
//		static int Main() {
//			return Worker.Serve(request =>
//				request.Respond(200, "text/plain", "hello\n"));
//		}
//	}
using System;
using System.IO;

namespace Poold {

public delegate void Handler(Request request);

public sealed unsafe class Worker {
	internal const int LEASE = 1, DONE = 3, READY = 4, GO = 5, STOP = 6, CHECK = 7;
	const int Queue = 3, Control = 4, Board = 5, Done = 6;
	const uint KEEP = 1, CLOSE = 2, REFUSED = 4;
	enum Taken { Nothing, Message, End }

	readonly Handler handler;
	readonly Scoreboard board;
	readonly byte[] message = new byte[Lease.MessageMax];
	readonly int epoll;
	bool going, stopping, queued;

	// Answers requests with handler, one at a time, until poold says that it is
	// enough; returns what Main should.  An exception of the handler goes to the
	// log, and 500 to the client.
	public static int Serve(Handler handler) {
		Worker worker;
		try {
			worker = new Worker(handler);
		} catch (ContractException e) {
			Console.Error.WriteLine("started as a worker of poold, but " + e.Message);
			return 76;
		}
		worker.Run();
		return 0;
	}

	Worker(Handler handler) {
		uint slot;
		if (Environment.GetEnvironmentVariable("POOLD_PROTOCOL") == null)
			throw new ContractException("poold has not started it");
		if (Environment.GetEnvironmentVariable("POOLD_PROTOCOL") != "1")
			throw new ContractException("with a protocol other than 1");
		if (!uint.TryParse(Environment.GetEnvironmentVariable("POOLD_SLOT"), out slot))
			throw new ContractException("POOLD_SLOT is no number");
		this.handler = handler;
		for (int fd = Queue; fd <= Done; fd++)
			Native.CloseOnExec(fd);
		// What this process starts is no worker.
		Environment.SetEnvironmentVariable("POOLD_PROTOCOL", null);
		Environment.SetEnvironmentVariable("POOLD_FDS", null);
		board = new Scoreboard(Board, slot);
		epoll = Native.EpollCreate();
		Native.EpollAdd(epoll, Control, Native.EPOLLIN);
	}

	void Run() {
		byte *ready = stackalloc byte[8];
		*(ushort *)ready = READY;
		*(ushort *)(ready + 2) = 0;
		*(int *)(ready + 4) = Native.ProcessId;
		stopping = !Native.SendPacket(Control, ready, 8);
		while (!stopping) {
			if (board.IsToLook)
				LookAtControl();
			Taken taken = going && !stopping ? TakeLease() : Taken.Nothing;
			if (taken == Taken.End)
				return;
			if (taken == Taken.Nothing && !stopping)
				Wait();
		}
		// A wake-up that this process was given is not passed on to another.
		if (queued)
			Native.EpollRemove(epoll, Queue);
		while (going && TakeLease() == Taken.Message)
			;
	}

	// Who is added to the queue anew stands last there: round-robin.
	void Wait() {
		if (going) {
			board.State = Scoreboard.Idle;
			if (queued && !board.IsHot)
				Native.EpollRemove(epoll, Queue);
			if (!queued || !board.IsHot)
				Native.EpollAdd(epoll, Queue, Native.EPOLLIN | Native.EPOLLEXCLUSIVE);
			queued = true;
		}
		Native.EpollWait(epoll);
		LookAtControl();
	}

	Taken TakeLease() {
		int fd;
		board.State = Scoreboard.Taking;
		int length = Native.Receive(Queue, message, out fd);
		if (length <= 0)
			return length == 0 ? Taken.End : Taken.Nothing;
		if (TypeOf(length) == LEASE && Lease.IsLongEnough(length))
			Answer(length, fd, Done);
		else if (fd != -1)
			Native.Close(fd);
		return Taken.Message;
	}

	void LookAtControl() {
		int fd, length;
		while ((length = Native.Receive(Control, message, out fd)) > 0) {
			int type = TypeOf(length);
			if (type == CHECK && Lease.IsLongEnough(length)) {
				Answer(length, fd, Control);
				board.State = going ? Scoreboard.Taking : Scoreboard.None;
				continue;
			}
			if (fd != -1)
				Native.Close(fd);
			going = going || type == GO;
			stopping = stopping || type == STOP;
		}
		stopping = stopping || length == 0;
	}

	int TypeOf(int length) { return length < 2 ? 0 : BitConverter.ToUInt16(message, 0); }

	void Answer(int length, int fd, int socket) {
		Lease lease = new Lease(message, length);
		ulong now = Native.Now();
		Request request = null;
		board.Own(lease, now);
		if (fd != -1 && lease.IsValid && (lease.IsCheck || board.HasSlot(lease.Slot)))
			request = new Request(lease, fd, board);
		if (request != null)
			request.Handle(handler);
		// Before DONE: whoever reads that gives the connection to another.
		if (fd != -1)
			Native.Close(fd);
		if (request != null && !lease.IsCheck)
			board.Count(request.BytesSent, request.Status >= 500);
		SendDone(lease, request, socket, now);
	}

	void SendDone(Lease lease, Request request, int socket, ulong taken) {
		byte *done = stackalloc byte[48];
		for (int i = 0; i < 6; i++)
			((ulong *)done)[i] = 0;
		*(ushort *)done = DONE;
		*(uint *)(done + 4) = request == null ? REFUSED : request.IsKept ? KEEP : CLOSE;
		*(ulong *)(done + 8) = lease.Serial;
		*(uint *)(done + 16) = lease.Slot;
		*(uint *)(done + 20) = (uint)Math.Min((Native.Now() - taken) / 1000 + 1, uint.MaxValue);
		if (request != null) {
			*(ushort *)(done + 2) = (ushort)request.Status;
			*(ulong *)(done + 24) = request.BytesSent;
		}
		if (!Native.SendPacket(socket, done, 48))
			stopping = true;
	}
}

}
