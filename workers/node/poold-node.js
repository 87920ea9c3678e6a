// SPDX-License-Identifier: ISC
/*
 * What poold-node has Node load before the application ("node -r").
 *
 * Leased requests: the first http.Server that listens binds nothing.  It gets
 * connections that have no socket: the requests of one client come from poold-node as
 * frames (frames.h), and what the server writes to it goes back as a whole response,
 * together with those of others.  Where that will not do, since the response is large
 * or is not finished at once, poold-node lends the client's socket for it, through
 * Node's own IPC channel (NODE_HANDLE, as child_process does).  Requests of which
 * poold-node has not all, and those that change the protocol, come with the socket
 * at once: see SocketLease.  Node then reads the body from the socket and never a
 * byte beyond it, so whatever the client sends next stays in the kernel for whoever
 * gets the next lease.
 *
 * With "mode = inherit" the first server that listens does so on the socket that
 * poold has given: see the end.
 */
'use strict';

const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const { performance } = require('perf_hooks');
const { isMainThread } = require('worker_threads');

const READ_MAX = 65536; // bytes
const DRAIN_MS = 200; // for the rest of a body that the application did not read
const TURN_MS = 0.5; // of requests, before the responses are sent
const IDLE_MS = 5000; // a client without a request is known that long, or twice
const CLIENTS_MAX = 1000;
const kLease = Symbol('poold lease');

// frames.h
const REQUEST_WHOLE = 1;
const REQUEST_KEEP = 1;
const REQUEST_RESET = 2;
const REQUEST_SIZE = 64;
const RESULT_LISTENS = 1;
const RESULT_CLOSED = 2;
const RESULT_WORDS = 3;
const RESULT_RESPONSE = 4;
const RESULT_DONE = 5;
const RESULT_LEND = 6;
const RESULT_DETACHED = 7;
const RESULT_ALIVE = 8;
const RESULT_SIZE = 32;
const RESULTS_MAX = 65536;
const RESPONSE_MAX = RESULTS_MAX - RESULT_SIZE - 8;
const HIGH = 0x100000000;

const [role, ...numbers] = (process.env.POOLD_NODE ?? '').split(' ');
const watchdog = Number(process.env.WATCHDOG_USEC ?? 0);
const ours = isMainThread && (role === 'listen' ||
	(role === 'lease' && process.channel !== undefined));
const [resultsFd, streamFd, boardFd] = numbers.map(Number);
// What the application starts is no worker.
delete process.env.POOLD_NODE;
delete process.env.WATCHDOG_USEC;

let served = null; // the server

// --- what poold-node is told

const out = Buffer.allocUnsafeSlow(RESULTS_MAX);
const outWords = new Uint32Array(out.buffer, out.byteOffset, RESULTS_MAX / 4);
let outLength = 0;
let isScheduled = false;
let unsent = []; // clients with a part of a response

function send() {
	const length = outLength;

	outLength = 0;
	if (length > 0)
		fs.writeSync(resultsFd, out, 0, length);
}

// At the end of the turn.  Who has not finished by then gets its socket.
function flush() {
	const list = unsent;

	isScheduled = false;
	if (list.length > 0)
		unsent = [];
	for (const client of list)
		client.unfinished();
	send();
}

// At the end of the process: what the application has finished still goes.
function flushLast() {
	for (const client of unsent)
		client.ended();
	send();
}

function schedule() {
	if (!isScheduled) {
		isScheduled = true;
		setImmediate(flush);
	}
}

// Adds a frame, with room for bytes behind it; they begin at outLength - room.
function frame(type, id, status, keep, bytes, room) {
	const size = RESULT_SIZE + ((room + 7) & ~7);

	if (outLength + size > RESULTS_MAX)
		send();
	const at = outLength / 4;
	outWords[at] = size;
	outWords[at + 1] = type;
	outWords[at + 2] = id % HIGH;
	outWords[at + 3] = id / HIGH;
	outWords[at + 4] = status;
	outWords[at + 5] = keep ? 1 : 0;
	outWords[at + 6] = bytes % HIGH;
	outWords[at + 7] = bytes / HIGH;
	outLength += size;
	schedule();
	return outLength - size + RESULT_SIZE;
}

function tellNow(type, text) {
	const length = Buffer.byteLength(text);

	out.write(text, frame(type, 0, 0, false, length, length));
	send();
}

// --- how long a response will be, for when this process dies before it says so

const answer = Buffer.alloc(8);

// The bytes of a response whose head was made, from its status line on; 0: not known.
function sizeOf(res) {
	const header = res._header;

	if (res._hasBody === false)
		return header.length;
	if (res.chunkedEncoding)
		return 0;
	const length = /\r\ncontent-length: *(\d+)/i.exec(header);
	return length === null ? 0 : header.length + Number(length[1]);
}

// Writes that to its place, where so many bytes come before them.
function announce(at, before, res) {
	const size = sizeOf(res);

	if (at === 0 || size === 0)
		return;
	answer.writeBigUInt64LE(BigInt(before + size) << 16n | (res.shouldKeepAlive ? 32768n : 0n) |
		BigInt(res.statusCode));
	if (os.endianness() === 'BE')
		answer.swap64();
	fs.writeSync(boardFd, answer, 0, 8, at);
}

// --- leases

const leases = new Map(); // by number; of both kinds

function isEvents(res) {
	return res._header.includes('text/event-stream');
}

// Of a response that Node has written by itself.
function statusOf(part) {
	return Number(/^HTTP\/1\.\d (\d{3})/.exec(String(part).slice(0, 16))?.[1] ?? 0);
}

function readReset() {
	return Object.assign(new Error('read ECONNRESET'),
		{ errno: -104, code: 'ECONNRESET', syscall: 'read' });
}

// The client has left while nothing was read from it.
function endOf(socket, reset) {
	if (reset) {
		socket.destroy(readReset());
	} else {
		socket.push(null);
		socket.read(0);
	}
}

// --- clients whose requests come without a socket

const clients = new Map(); // by cookie: those that may have another request
let round = 0; // of looks at those that have none

// What the application sees: a net.Socket by class, since it looks for what that has.
class ClientSocket extends net.Socket {
	constructor(client) {
		super({ allowHalfOpen: true });
		this[kLease] = client;
	}

	get pending() {
		return false;
	}

	get _bytesDispatched() {
		return this[kLease].bytesBefore + this[kLease].bytes;
	}

	_getpeername() {
		return this[kLease].peer;
	}

	_getsockname() {
		return this[kLease].local;
	}

	ref() {
		return this;
	}

	unref() {
		return this;
	}

	// its input does not come by reading
	_read() {}

	_write(chunk, encoding, callback) {
		const client = this[kLease];

		if (client.write(chunk, encoding))
			callback();
		else
			client.hold([{ chunk, encoding }], callback);
	}

	_writev(chunks, callback) {
		const client = this[kLease];
		let i = 0;

		while (i < chunks.length && client.write(chunks[i].chunk, chunks[i].encoding))
			i++;
		if (i === chunks.length)
			callback();
		else
			client.hold(chunks.slice(i), callback);
	}

	_destroy(error, callback) {
		this[kLease].destroyed();
		super._destroy(error, callback);
	}
}

// A client of which one request after the other comes from poold-node.
class Client {
	constructor(server, cookie, peer, local) {
		this.cookie = cookie;
		this.peer = peer;
		this.local = local;
		this.id = 0; // of the lease; 0: none
		this.round = 0;
		this.res = null;
		this.keep = false;
		this.answerAt = 0;
		this.headAt = 0; // bytes of the response before its head; -1: not known
		this.bytes = 0; // of the response, so far
		this.bytesBefore = 0; // it
		this.parts = []; // of the response, not yet sent
		this.partsSize = 0; // bytes, at most
		this.lent = false;
		this.inner = null; // the client's own socket, when it is lent
		this.waiting = null; // a write until then
		this.left = false; // the client's end of file was told
		this.socket = new ClientSocket(this);
		// so that server.close() waits for it
		this.socket._server = server;
		server._connections++;
		server.emit('connection', this.socket);
		if (this.socket.parser)
			this.watch(this.socket.parser);
	}

	watch(parser) {
		const incoming = parser.onIncoming;

		parser.onIncoming = (req, keep) => incoming(req, keep && this.keep);
	}

	isIdle() {
		const { socket } = this;

		return this.id === 0 && !socket.destroyed && !socket._paused && socket.parser &&
			!socket._httpMessage && socket.writable && !socket.writableEnded;
	}

	begin(id, keep, answerAt, data) {
		this.id = id;
		this.keep = keep;
		this.answerAt = answerAt;
		this.round = round;
		leases.set(id, this);
		this.socket._unrefTimer();
		this.socket.emit('data', data);
	}

	// Adds a part of the response.  false: it has to go through a socket.
	write(chunk, encoding) {
		let size = chunk.length;

		if (this.id === 0)
			return true; // nobody waits for it
		if (typeof chunk === 'string' && encoding !== 'latin1')
			size *= 3;
		this.socket._unrefTimer();
		if (this.partsSize + size > RESPONSE_MAX && typeof chunk === 'string')
			size = Buffer.byteLength(chunk, encoding);
		if (this.lent || this.partsSize + size > RESPONSE_MAX)
			return false;
		if (this.parts.length === 0) {
			unsent.push(this);
			schedule();
		}
		this.partsSize += size;
		this.parts.push(chunk, encoding);
		return true;
	}

	// Tells poold-node the parts.
	respond(status, keep) {
		const { parts } = this;
		const start = frame(RESULT_RESPONSE, this.id, status, keep, 0, this.partsSize);
		const word = (start - RESULT_SIZE) / 4;
		let at = start;

		for (let i = 0; i < parts.length; i += 2)
			if (typeof parts[i] === 'string') {
				at += out.write(parts[i], at, parts[i + 1]);
			} else {
				out.set(parts[i], at);
				at += parts[i].length;
			}
		// it may be less than was thought
		const size = RESULT_SIZE + ((at - start + 7) & ~7);
		outLength -= outWords[word] - size;
		outWords[word] = size;
		outWords[word + 6] = at - start;
		this.bytes += at - start;
		this.parts = [];
		this.partsSize = 0;
	}

	// Its head was made.
	head(res) {
		this.res = res;
		this.headAt = this.parts.length === 0 && this.socket.writableLength === 0 ?
			this.bytes : -1;
		if (isEvents(res)) {
			frame(RESULT_DETACHED, this.id, res.statusCode, false, 0, 0);
			this.lend();
		}
	}

	// The application and Node have done with it.
	finished(res) {
		if (this.id === 0)
			return;
		if (this.lent)
			frame(RESULT_DONE, this.id, res.statusCode, !res._last, this.bytes, 0);
		else
			this.respond(res.statusCode, !res._last);
		this.end();
	}

	// It is not whole at the end of a turn.
	unfinished() {
		if (this.parts.length > 0)
			this.lend();
	}

	// The process ends.
	ended() {
		if (this.parts.length > 0 && !this.lent && this.res?.writableEnded)
			this.respond(this.res.statusCode, false);
	}

	// The lease is over, for us.
	end() {
		leases.delete(this.id);
		this.id = 0;
		this.res = null;
		this.bytesBefore += this.bytes;
		this.bytes = 0;
		if (this.lent) {
			this.inner?.destroy(); // closes the descriptor, no more
			this.inner = null;
			this.lent = false;
		}
		if (this.cookie === 0 || served._handle === null)
			process.nextTick(() => this.socket.destroySoon());
	}

	destroyed() {
		if (clients.get(this.cookie) === this)
			clients.delete(this.cookie);
		if (this.id === 0)
			return;
		const status = this.res === null ? 0 : this.res.statusCode;
		if (this.lent || this.parts.length === 0)
			frame(RESULT_DONE, this.id, status, false, this.bytes, 0);
		else
			this.respond(status || statusOf(this.parts[0]), false);
		this.end();
	}

	// There will be no other request of it here.
	retire() {
		clients.delete(this.cookie);
		this.cookie = 0;
		if (this.id === 0)
			this.socket.destroy();
	}

	gone(reset) {
		if (this.left || this.socket.destroyed)
			return;
		this.left = true;
		endOf(this.socket, reset);
	}

	// --- with its socket

	lend() {
		if (this.lent || this.id === 0)
			return;
		this.lent = true;
		frame(RESULT_LEND, this.id, 0, false, 0, 0);
	}

	hold(chunks, callback) {
		this.lend();
		if (this.inner === null)
			this.waiting = { chunks, callback };
		else
			this.pass(chunks, callback);
	}

	pass(chunks, callback) {
		const { inner } = this;
		const last = chunks.length - 1;

		inner.cork();
		chunks.forEach(({ chunk, encoding }, i) => {
			inner.write(chunk, encoding, i === last ? callback : undefined);
			this.bytes += typeof chunk === 'string' ?
				Buffer.byteLength(chunk, encoding) : chunk.length;
		});
		inner.uncork();
	}

	borrowed(handle) {
		const { parts, waiting } = this;
		const chunks = [];

		for (let i = 0; i < parts.length; i += 2)
			chunks.push({ chunk: parts[i], encoding: parts[i + 1] });
		this.parts = [];
		this.partsSize = 0;
		this.waiting = null;
		this.inner = new net.Socket({ handle, allowHalfOpen: true, manualStart: true });
		this.inner.on('error', (error) => this.socket.destroy(error));
		if (this.res !== null && this.headAt !== -1)
			announce(this.answerAt, this.headAt, this.res);
		if (waiting !== null)
			this.pass(chunks.concat(waiting.chunks), waiting.callback);
		else if (chunks.length > 0)
			this.pass(chunks);
	}
}

// Those that have been without a request for a while go.
function clientsLook() {
	round++;
	for (const client of clients.values())
		if (client.id === 0 && client.round < round - 1)
			client.socket.destroy();
}

function clientsClose() {
	for (const client of clients.values())
		if (client.id === 0)
			client.socket.destroy();
}

function clientOf(cookie, peer, local) {
	let client = clients.get(cookie);

	if (client !== undefined) {
		if (client.isIdle())
			return client;
		client.retire();
	}
	if (clients.size >= CLIENTS_MAX)
		clients.values().next().value.retire();
	client = new Client(served, cookie, peer(), local());
	if (cookie !== 0 && !client.socket.destroyed)
		clients.set(cookie, client);
	return client;
}

// --- requests without a socket

let rest = null; // bytes that were not looked at yet
let restWaits = false; // for its turn

function family(address, port) {
	if (address === '')
		return {};
	return { address, port, family: net.isIPv6(address) ? 'IPv6' : 'IPv4' };
}

function requestTake(words, data, at) {
	const w = at / 4;
	const id = words[w + 3] * HIGH + words[w + 2];
	const flags = words[w + 6];

	if (words[w + 1] !== REQUEST_WHOLE) {
		leases.get(id)?.gone((flags & REQUEST_RESET) !== 0);
		return;
	}
	const peerAt = at + REQUEST_SIZE;
	const localAt = peerAt + words[w + 9];
	const start = localAt + words[w + 11];
	const end = start + words[w + 7] + words[w + 8];
	const client = clientOf(words[w + 5] * HIGH + words[w + 4],
		() => family(data.latin1Slice(peerAt, localAt), words[w + 10]),
		() => family(data.latin1Slice(localAt, start), words[w + 12]));
	let bytes = data.subarray(start, end);
	if (words[w + 8] > 0)
		bytes = Buffer.from(bytes); // the application may keep its body
	client.begin(id, (flags & REQUEST_KEEP) !== 0,
		words[w + 14] * HIGH + words[w + 13], bytes);
}

// Takes the requests in data, for a while, and returns where it stopped.
function requestsTake(data) {
	const words = new Uint32Array(data.buffer, data.byteOffset, data.length >> 2);
	const end = performance.now() + TURN_MS;
	let at = 0;

	while (data.length - at >= REQUEST_SIZE && data.length - at >= words[at / 4]) {
		const next = at + words[at / 4];

		try {
			requestTake(words, data, at);
		} catch (error) {
			// it is the application's, and none of the other requests'
			process.nextTick(() => { throw error; });
		}
		at = next;
		if (performance.now() > end)
			break;
	}
	return at;
}

// What is left is looked at when the responses so far were sent.
function restTake() {
	restWaits = false;
	const at = requestsTake(rest);
	rest = at === rest.length ? null : rest.subarray(at);
	if (at > 0 && rest !== null)
		restLater();
}

function restLater() {
	if (!restWaits) {
		restWaits = true;
		setImmediate(restTake);
	}
}

// buffer is used again for what comes next.
function streamTake(n, buffer) {
	if (rest !== null) {
		const joined = Buffer.allocUnsafeSlow(rest.length + n);

		rest.copy(joined);
		buffer.copy(joined, rest.length, 0, n);
		rest = joined;
		restLater();
		return true;
	}
	const at = requestsTake(n === buffer.length ? buffer : buffer.subarray(0, n));
	if (at < n) {
		rest = Buffer.allocUnsafeSlow(n - at);
		buffer.copy(rest, 0, at, n);
		restLater();
	}
	return true;
}

function streamOpen() {
	const socket = new net.Socket({
		fd: streamFd,
		readable: true,
		writable: false,
		onread: { buffer: Buffer.allocUnsafeSlow(READ_MAX), callback: streamTake },
	});

	// its end is the end of poold-node, and of this process
	return socket.on('error', () => {});
}

// --- a request that comes with its socket

class SocketLease {
	constructor(message, handle) {
		this.id = message.id;
		// bytes that may still be read from the socket
		this.left = message.body < 0 ? Infinity : message.body;
		this.keep = message.keep === 1;
		this.answerAt = message.answer;
		this.status = 0;
		this.req = null;
		this.detached = false;
		this.ended = false; // the client's end of file was told
		this.finished = false;
		this.over = false;
		this.timer = null;
		this.handle = handle;
		this.socket = null;
	}

	// The socket that the application sees.  Its handle reads only what is left.
	open(server) {
		const { handle } = this;
		const options = { handle, allowHalfOpen: true, readable: true, writable: true };

		// the parser must not read by itself, since it reads all there is
		handle._consumed = true;
		this.gate();
		if (this.left > 0 && this.left !== Infinity)
			options.onread = {
				buffer: () => this.left === 0 ? undefined :
					Buffer.allocUnsafeSlow(Math.min(this.left, READ_MAX)),
				callback: (n, buffer) => this.read(n, buffer),
			};
		else if (this.left === 0)
			options.manualStart = true;
		this.socket = new net.Socket(options);
		this.socket[kLease] = this;
		this.socket.server = server;
		// so that server.close() waits for it
		this.socket._server = server;
		server._connections++;
		this.socket.once('close', () => this.close());
	}

	gate() {
		const { handle } = this;
		const start = handle.readStart;

		handle.readStart = () => this.left > 0 ? start.call(handle) : 0;
	}

	read(n, buffer) {
		const chunk = n === buffer.length ? buffer : buffer.subarray(0, n);

		this.left -= n;
		const more = this.socket.push(chunk);
		if (this.left === 0 && this.finished)
			process.nextTick(() => this.giveBack());
		return more && this.left > 0;
	}

	begin(server, head) {
		this.open(server);
		server.emit('connection', this.socket);
		if (this.socket.parser)
			this.watch(this.socket.parser);
		if (!this.socket.destroyed)
			this.socket.emit('data', Buffer.from(head, 'latin1'));
	}

	watch(parser) {
		const incoming = parser.onIncoming;

		parser.onIncoming = (req, keep) => {
			// A client may send another request behind a chunked body.  The
			// connection ends with this one, so nobody answers it.
			if (this.req !== null)
				return 0;
			this.req = req;
			const action = incoming(req, keep && this.keep);
			if (action === 2)
				this.upgrade();
			else if (this.socket._httpMessage)
				this.follow(this.socket._httpMessage);
			return action;
		};
	}

	// The head of the response was made.
	head(res) {
		announce(this.answerAt, this.socket.bytesWritten, res);
		if (isEvents(res)) {
			this.status = res.statusCode;
			this.detach();
		}
	}

	follow(res) {
		res.on('finish', () => {
			this.status = res.statusCode;
			this.finish();
		});
		res.once('close', () => {
			if (res.headersSent)
				this.status = res.statusCode;
		});
	}

	// The first bytes of the answer tell whether the client gets its upgrade.
	upgrade() {
		const { handle, socket } = this;
		const write = socket.write;

		this.left = Infinity;
		handle.reading = false;
		socket.write = (...args) => {
			delete socket.write;
			this.status = statusOf(args[0]);
			if (this.status === 101)
				this.detach();
			return write.apply(socket, args);
		};
	}

	detach() {
		if (this.detached || this.over)
			return;
		this.detached = true;
		frame(RESULT_DETACHED, this.id, this.status, false, 0, 0);
	}

	finish() {
		const { socket } = this;

		this.finished = true;
		if (this.over || socket.destroyed || socket.writableEnded)
			return; // it ends by itself
		if (this.detached)
			socket.destroySoon();
		else if (this.left === 0)
			this.giveBack();
		else if (this.left > READ_MAX)
			socket.destroySoon();
		else // Node reads it away
			this.timer = setTimeout(() => socket.destroySoon(), DRAIN_MS);
	}

	giveBack() {
		if (this.over || this.socket.destroyed || this.socket.writableEnded)
			return;
		this.end(true);
	}

	close() {
		if (!this.over)
			this.end(false);
	}

	end(keep) {
		const { socket } = this;

		this.over = true;
		clearTimeout(this.timer);
		leases.delete(this.id);
		socket.destroy(); // closes the descriptor, no more
		frame(RESULT_DONE, this.id, this.status, keep, socket.bytesWritten, 0);
	}

	gone(reset) {
		if (this.over || this.ended || this.left > 0)
			return;
		this.ended = true;
		endOf(this.socket, reset);
	}
}

// What comes through the IPC channel.
function receive(message, handle) {
	if (message.cmd !== 'NODE_POOLD')
		return;
	if (message.gone !== undefined) {
		leases.get(message.gone)?.gone(message.reset === 1);
		return;
	}
	if (handle === undefined)
		return;
	if (message.lent !== undefined) {
		const client = leases.get(message.lent);

		if (client !== undefined)
			client.borrowed(handle);
		else
			handle.close();
		return;
	}
	const lease = new SocketLease(message, handle);
	leases.set(lease.id, lease);
	lease.begin(served, message.head);
}

// --- the server

let stream = null;

// Stands for the listening socket that there is not.
class Listener {
	constructor(address) {
		this.address = address;
		this.fd = -1;
	}

	getsockname(to) {
		Object.assign(to, this.address);
		return 0;
	}

	ref() {
		stream.ref();
	}

	unref() {
		stream.unref();
	}

	hasRef() {
		return true;
	}

	close() {
		this.unref();
		process.nextTick(clientsClose);
		tellNow(RESULT_CLOSED, '');
	}
}

// What address() says: what the application asked for.
function addressOf(args) {
	const options = typeof args[0] === 'object' && args[0] !== null ? args[0] :
		{ port: args[0], host: typeof args[1] === 'string' ? args[1] : undefined };
	const host = options.host || '::';

	return {
		address: host,
		family: net.isIPv4(host) ? 'IPv4' : 'IPv6',
		port: Number(options.port) || 0,
	};
}

// What every listen() does, whoever listens then.
function listenBegin(server, args) {
	const callback = args[args.length - 1];

	served = server;
	if (typeof callback === 'function')
		server.once('listening', callback);
	if (args[0]?.signal instanceof AbortSignal)
		args[0].signal.addEventListener('abort', () => server.close(), { once: true });
}

function listen(...args) {
	if (served !== null) // it is poold's, or another beside it
		return net.Server.prototype.listen.apply(this, args);
	listenBegin(this, args);
	// how long a connection is kept is not ours to say
	this.keepAliveTimeout = 0;
	stream = streamOpen();
	this._handle = new Listener(addressOf(args));
	process.on('internalMessage', receive);
	setInterval(clientsLook, IDLE_MS).unref();
	process.nextTick(() => {
		if (this._handle === null)
			return; // closed already
		this.emit('listening');
		tellNow(RESULT_LISTENS, '');
	});
	return this;
}

function startLeased() {
	const { writeHead, detachSocket } = http.ServerResponse.prototype;
	const send_ = process._send;

	// poold-node waits for no acknowledgement: it knows by the answer
	process._send = function poold(message, ...others) {
		if (message?.cmd === 'NODE_HANDLE_ACK')
			return true;
		return send_.call(this, message, ...others);
	};
	http.Server.prototype.listen = listen;
	http.ServerResponse.prototype.writeHead = function poold(...args) {
		const made = writeHead.apply(this, args);

		this.socket?.[kLease]?.head(this);
		return made;
	};
	http.ServerResponse.prototype.writeHeader = http.ServerResponse.prototype.writeHead;
	// the server calls it for each response that is finished
	http.ServerResponse.prototype.detachSocket = function poold(socket) {
		detachSocket.call(this, socket);
		if (socket instanceof ClientSocket)
			socket[kLease].finished(this);
	};
}

// --- "mode = inherit"

const listeners = []; // of sockets beyond the first
let isEnding = false;

// A server has one socket; where poold has given several, others accept for it.
function listenBeside(server, fd) {
	const beside = net.createServer({ allowHalfOpen: true, noDelay: true });

	beside.on('connection', (socket) => server.emit('connection', socket));
	beside.listen({ fd });
	listeners.push(beside);
}

// SIGTERM: requests that are under way are answered, and nothing else.
function endBegin() {
	const isAlone = process.listenerCount('SIGTERM') === 1;

	if (isEnding)
		return;
	isEnding = true;
	for (const beside of listeners)
		beside.close();
	served.close(() => {
		if (isAlone)
			process.exit(0);
	});
	served.closeIdleConnections?.();
}

function startListening() {
	const { listen: listenOwn } = net.Server.prototype;
	const { writeHead, detachSocket } = http.ServerResponse.prototype;
	const [, count] = numbers.map(Number);

	net.Server.prototype.listen = function poold(...args) {
		if (served !== null)
			return listenOwn.apply(this, args);
		listenBegin(this, args);
		this.once('listening', () => {
			for (let i = 1; i < count; i++)
				listenBeside(this, 3 + i);
			process.on('SIGTERM', endBegin);
			tellNow(RESULT_LISTENS, '');
		});
		return listenOwn.call(this, { fd: 3 });
	};
	http.ServerResponse.prototype.writeHead = function poold(...args) {
		if (isEnding)
			this.shouldKeepAlive = false;
		return writeHead.apply(this, args);
	};
	http.ServerResponse.prototype.writeHeader = http.ServerResponse.prototype.writeHead;
	http.ServerResponse.prototype.detachSocket = function poold(socket) {
		detachSocket.call(this, socket);
		if (isEnding && !this._last)
			process.nextTick(() => socket.destroySoon());
	};
	if (watchdog > 0)
		setInterval(() => tellNow(RESULT_ALIVE, ''), watchdog / 2000).unref();
}

// --- the beginning

// Where and what, in one line.
function wordsOf(error) {
	const text = error instanceof Error ? String(error.stack) : String(error);
	const message = error instanceof Error ? `${error.name}: ${error.message}` : text;
	const at = /^(\/.*:\d+)$/m.exec(text) || /\((?:file:\/\/)?(\/[^)]*:\d+):\d+\)/.exec(text) ||
		/at (?:file:\/\/)?(\/.*:\d+):\d+$/m.exec(text);

	return `${at ? `${at[1]}: ` : ''}${message}`.replace(/\s*\n\s*/g, '; ').slice(0, 900);
}

if (ours) {
	process.on('uncaughtExceptionMonitor', (error) => {
		if (served === null)
			tellNow(RESULT_WORDS, wordsOf(error));
	});
	process.on('exit', flushLast);
	if (role === 'lease')
		startLeased();
	else
		startListening();
}
