// SPDX-License-Identifier: ISC
/*
 * Clients whose requests come without a socket, one after the other.  What the server
 * writes to one of them goes back as a whole response.  Where that will not do, since
 * the response is large or is not finished at once, poold-node lends the client's
 * socket for it.
 */
'use strict';

const net = require('net');
const { kLease, leases, isEvents, statusOf, endOf } = require('./poold-node-leases.js');
const { TYPES, RESPONSE_MAX, out, frame, shrink, schedule, sizeOf, announce } =
	require('./poold-node-results.js');

const CLIENTS_MAX = 1000;

const clients = new Map(); // by cookie: those that may have another request
let round = 0; // of looks at those that have none
let unsent = []; // those with a part of a response

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

	// what the application ends is at an end for the client, too
	_final(callback) {
		const over = (error) => {
			callback(error);
			process.nextTick(() => this.destroy());
		};

		if (this[kLease].lent) // behind what is on its way
			this[kLease].hold([{ chunk: '', encoding: 'latin1' }], over);
		else
			over();
	}

	_destroy(error, callback) {
		this[kLease].destroyed();
		super._destroy(error, callback);
	}
}

// A client of which one request after the other comes from poold-node.
class Client {
	constructor(server, cookie, peer, local) {
		this.server = server;
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
		try {
			this.socket.emit('data', data);
		} catch (error) {
			this.retire(); // its parser takes nothing more
			throw error;
		}
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
		// as soon as it was written, the application may use its buffer again
		this.parts.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk), encoding);
		return true;
	}

	// Tells poold-node the parts.  size: of the whole response, for the connection to
	// be kept; 0: not known.
	respond(status, keep, size) {
		const { parts } = this;
		const start = frame(TYPES.RESPONSE, this.id, status, false, 0, this.partsSize);
		let at = start;

		for (let i = 0; i < parts.length; i += 2)
			if (typeof parts[i] === 'string') {
				at += out.write(parts[i], at, parts[i + 1]);
			} else {
				out.set(parts[i], at);
				at += parts[i].length;
			}
		this.bytes += at - start;
		// it may be less than was thought
		shrink(start, at - start, keep && (size === 0 || size === this.bytes));
		this.parts = [];
		this.partsSize = 0;
	}

	// Its head was made.
	head(res) {
		this.res = res;
		this.headAt = this.parts.length === 0 && this.socket.writableLength === 0 ?
			this.bytes : -1;
		if (isEvents(res)) {
			frame(TYPES.DETACHED, this.id, res.statusCode, false, 0, 0);
			this.lend();
		}
	}

	// The application and Node have done with it.
	finished(res) {
		if (this.id === 0)
			return;
		// one that is not as long as it says would be mixed up with the next one
		const said = this.headAt === -1 ? 0 : sizeOf(res);
		const size = said === 0 ? 0 : this.headAt + said;

		if (this.lent)
			frame(TYPES.DONE, this.id, res.statusCode,
				!res._last && (size === 0 || size === this.bytes), this.bytes, 0);
		else
			this.respond(res.statusCode, !res._last, size);
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
			this.respond(this.res.statusCode, false, 0);
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
		if (this.cookie === 0 || this.server._handle === null)
			process.nextTick(() => this.socket.destroySoon());
	}

	destroyed() {
		if (clients.get(this.cookie) === this)
			clients.delete(this.cookie);
		if (this.id === 0)
			return;
		const status = this.res === null ? 0 : this.res.statusCode;
		if (this.lent || this.parts.length === 0)
			frame(TYPES.DONE, this.id, status, false, this.bytes, 0);
		else
			this.respond(status || statusOf(this.parts[0]), false, 0);
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
		frame(TYPES.LEND, this.id, 0, false, 0, 0);
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

// At the end of a turn: who has not finished by then gets its socket.
function clientsFlush() {
	const list = unsent;

	if (list.length === 0)
		return;
	unsent = [];
	for (const client of list)
		client.unfinished();
}

// At the end of the process: what the application has finished still goes.
function clientsEnd() {
	for (const client of unsent)
		client.ended();
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

// peer and local are functions that tell the addresses of a new one.
function clientOf(server, cookie, peer, local) {
	let client = clients.get(cookie);

	if (client !== undefined) {
		if (client.isIdle())
			return client;
		client.retire();
	}
	if (clients.size >= CLIENTS_MAX)
		clients.values().next().value.retire();
	client = new Client(server, cookie, peer(), local());
	if (cookie !== 0 && !client.socket.destroyed)
		clients.set(cookie, client);
	return client;
}

module.exports = { ClientSocket, clientOf, clientsFlush, clientsEnd, clientsLook, clientsClose };
