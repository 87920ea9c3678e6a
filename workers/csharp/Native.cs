// SPDX-License-Identifier: ISC
// The system calls that a worker needs, as Linux has them on 64-bit machines.
using System;
using System.IO;
using System.Runtime.InteropServices;

namespace Poold {

static unsafe class Native {
	public const int EINTR = 4, EAGAIN = 11;
	public const int MSG_CTRUNC = 0x8, MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000,
		MSG_CMSG_CLOEXEC = 0x40000000;
	public const short POLLIN = 1, POLLOUT = 4;
	public const uint EPOLLIN = 1, EPOLLEXCLUSIVE = 1u << 28;
	public const int EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2;
	const int SOL_SOCKET = 1, SCM_RIGHTS = 1, F_SETFD = 2, FD_CLOEXEC = 1;
	const int EPOLL_CLOEXEC = 0x80000, CLOCK_MONOTONIC = 1, SHUT_RDWR = 2;
	const int PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, SEEK_END = 2;

	[StructLayout(LayoutKind.Sequential)]
	struct Vector { public byte *Base; public UIntPtr Length; }

	[StructLayout(LayoutKind.Sequential)]
	struct Message {
		public IntPtr Name;
		public uint NameLength;
		public Vector *Vectors;
		public UIntPtr Count;
		public byte *Control;
		public UIntPtr ControlLength;
		public int Flags;
	}

	[StructLayout(LayoutKind.Sequential)]
	struct PollEntry { public int Fd; public short Events, Found; }

	// Packed on x86-64 alone, so it is taken apart by hand.
	static readonly bool packed =
		RuntimeInformation.ProcessArchitecture == Architecture.X64;

	[StructLayout(LayoutKind.Sequential)]
	struct Time { public long Seconds, Nanoseconds; }

	[DllImport("libc", SetLastError = true)]
	static extern IntPtr recvmsg(int fd, ref Message message, int flags);
	[DllImport("libc", SetLastError = true)]
	static extern IntPtr recv(int fd, byte *buffer, UIntPtr size, int flags);
	[DllImport("libc", SetLastError = true)]
	static extern IntPtr send(int fd, byte *buffer, UIntPtr size, int flags);
	[DllImport("libc", SetLastError = true)]
	static extern int poll(ref PollEntry entry, UIntPtr count, int timeout);
	[DllImport("libc", SetLastError = true)]
	static extern int epoll_create1(int flags);
	[DllImport("libc", SetLastError = true)]
	static extern int epoll_ctl(int epoll, int op, int fd, byte *entry);
	[DllImport("libc", SetLastError = true)]
	static extern int epoll_wait(int epoll, byte *entries, int count, int timeout);
	[DllImport("libc", SetLastError = true)]
	static extern byte *mmap(IntPtr at, UIntPtr size, int prot, int flags, int fd, IntPtr off);
	[DllImport("libc", SetLastError = true)]
	static extern IntPtr lseek(int fd, IntPtr off, int whence);
	[DllImport("libc")]
	static extern int close(int fd);
	[DllImport("libc")]
	static extern int shutdown(int fd, int how);
	[DllImport("libc", SetLastError = true)]
	static extern int fcntl(int fd, int command, int argument);
	[DllImport("libc")]
	static extern int clock_gettime(int clock, out Time time);
	[DllImport("libc")]
	static extern int getpid();

	static int Error { get { return Marshal.GetLastWin32Error(); } }

	public static int ProcessId { get { return getpid(); } }

	public static void Close(int fd) { close(fd); }

	// Whoever else holds the socket: the client sees its end.
	public static void Shutdown(int fd) { shutdown(fd, SHUT_RDWR); }

	public static void CloseOnExec(int fd) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
			throw new ContractException("descriptor " + fd + " is missing");
	}

	// CLOCK_MONOTONIC, in nanoseconds.
	public static ulong Now() {
		Time time;
		clock_gettime(CLOCK_MONOTONIC, out time);
		return (ulong)time.Seconds * 1000000000ul + (ulong)time.Nanoseconds;
	}

	// Maps the whole of a memory file, for the life of the process.
	public static byte *Map(int fd, out ulong size) {
		long end = (long)lseek(fd, IntPtr.Zero, SEEK_END);
		if (end <= 0)
			throw new ContractException("descriptor " + fd + " is no file");
		size = (ulong)end;
		byte *map = mmap(IntPtr.Zero, (UIntPtr)size, PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, IntPtr.Zero);
		if ((long)map == -1)
			throw new ContractException("descriptor " + fd + " cannot be mapped");
		return map;
	}

	// One packet: its length, 0 at the end of file, -1 when there is none now.  fd
	// is -1 if none came with it.
	public static int Receive(int socket, byte[] buffer, out int fd) {
		byte *control = stackalloc byte[64];
		fixed (byte *bytes = buffer) {
			Vector vector = new Vector { Base = bytes,
				Length = (UIntPtr)buffer.Length };
			Message message;
			long n;
			do {
				message = new Message { Vectors = &vector, Count = (UIntPtr)1,
					Control = control, ControlLength = (UIntPtr)64 };
				n = (long)recvmsg(socket, ref message,
					MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
			} while (n == -1 && Error == EINTR);
			fd = -1;
			if (n == -1)
				return Error == EAGAIN ? -1 : 0;
			// struct cmsghdr: its length, level, type; then the descriptor
			if ((ulong)message.ControlLength >= 20 && *(int *)(control + 8) == SOL_SOCKET &&
			    *(int *)(control + 12) == SCM_RIGHTS)
				fd = *(int *)(control + 16);
			if ((message.Flags & MSG_CTRUNC) != 0 && fd != -1) {
				close(fd);
				fd = -1;
			}
			return (int)n;
		}
	}

	// One packet; false: nobody is there any more.
	public static bool SendPacket(int socket, byte *packet, int length) {
		while ((long)send(socket, packet, (UIntPtr)length, MSG_NOSIGNAL) == -1) {
			if (Error == EAGAIN)
				Wait(socket, POLLOUT);
			else if (Error != EINTR)
				return false;
		}
		return true;
	}

	// At least one byte, waited for; 0 at the end of file.
	public static int Read(int fd, byte[] buffer, int offset, int count) {
		fixed (byte *bytes = buffer)
			for (;;) {
				long n = (long)recv(fd, bytes + offset, (UIntPtr)count, 0);
				if (n >= 0)
					return (int)n;
				Retry(fd, POLLIN, "the client left");
			}
	}

	public static void Write(int fd, byte[] buffer, int offset, int count) {
		fixed (byte *bytes = buffer)
			while (count > 0) {
				long n = (long)send(fd, bytes + offset, (UIntPtr)count, MSG_NOSIGNAL);
				if (n == -1)
					Retry(fd, POLLOUT, "the client left");
				else {
					offset += (int)n;
					count -= (int)n;
				}
			}
	}

	static void Retry(int fd, short events, string what) {
		int error = Error;
		if (error == EAGAIN)
			Wait(fd, events);
		else if (error != EINTR)
			throw new IOException(what);
	}

	static void Wait(int fd, short events) {
		PollEntry entry = new PollEntry { Fd = fd, Events = events };
		poll(ref entry, (UIntPtr)1, -1);
	}

	public static int EpollCreate() {
		int epoll = epoll_create1(EPOLL_CLOEXEC);
		if (epoll == -1)
			throw new ContractException("epoll_create1: error " + Error);
		return epoll;
	}

	public static void EpollAdd(int epoll, int fd, uint events) {
		byte *entry = stackalloc byte[16];
		*(uint *)entry = events;
		*(int *)(entry + (packed ? 4 : 8)) = fd;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, entry) == -1)
			throw new ContractException("epoll_ctl: error " + Error);
	}

	public static void EpollRemove(int epoll, int fd) {
		byte *entry = stackalloc byte[16];
		epoll_ctl(epoll, EPOLL_CTL_DEL, fd, entry);
	}

	// Waits until something can be read, or a signal came.
	public static void EpollWait(int epoll) {
		byte *entries = stackalloc byte[64];
		epoll_wait(epoll, entries, 4, -1);
	}
}

// poold and this worker do not understand each other.
class ContractException : Exception {
	public ContractException(string what) : base(what) { }
}

}
