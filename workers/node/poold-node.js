// SPDX-License-Identifier: ISC
/*
 * What poold-node has Node load before the application ("node -r").
 *
 * The first http.Server that listens binds nothing: it gets the connections of
 * the requests that poold leases.  poold-node sends each client's socket through
 * Node's own IPC channel (NODE_HANDLE, as child_process does), with the head of
 * the request, which it has read already, and the length of the body.  So Node
 * reads the body from the socket and never a byte beyond it: whatever the client
 * sends next stays in the kernel for whoever gets the next lease.  When the
 * response is finished, this process closes its descriptor, which sends no FIN
 * since others have the socket too, and says so on another descriptor:
 *
 *	L			the application listens
 *	C			it has closed its server
 *	E WORDS			why it cannot start
 *	U ID STATUS		the connection is no longer a lease's (WebSocket, events)
 *	D ID STATUS BYTES KEEP	the request is over
 */
'use strict';

const fs = require('fs');
const http = require('http');
const net = require('net');
const { isMainThread } = require('worker_threads');

const READ_MAX = 65536; // bytes
const DRAIN_MS = 200; // for the rest of a body that the application did not read
const kLease = Symbol('poold lease');

const results = Number(process.env.POOLD_NODE_FD);
const ours = process.env.POOLD_NODE_FD !== undefined && isMainThread &&
	process.channel !== undefined;
// What the application starts is no worker.
delete process.env.POOLD_NODE_FD;

const leases = new Map();
let served = null; // the server

function tell(text) {
	fs.writeSync(results, text);
}

// --- one lease

class Lease {
	constructor(message, handle) {
		this.id = message.id;
		// bytes that may still be read from the socket
		this.left = message.body < 0 ? Infinity : message.body;
		this.keep = message.keep === 1;
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
			const line = /^HTTP\/1\.1 (\d{3})/.exec(String(args[0]).slice(0, 16));
			this.status = line === null ? 0 : Number(line[1]);
			if (this.status === 101)
				this.detach();
			return write.apply(socket, args);
		};
	}

	detach() {
		if (this.detached || this.over)
			return;
		this.detached = true;
		tell(`U ${this.id} ${this.status}`);
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
		this.end(1);
	}

	close() {
		if (!this.over)
			this.end(0);
	}

	end(keep) {
		const { socket } = this;

		this.over = true;
		clearTimeout(this.timer);
		leases.delete(this.id);
		socket.destroy(); // closes the descriptor, no more
		tell(`D ${this.id} ${this.status} ${socket.bytesWritten} ${keep}`);
	}

	// The client has left while nothing was read from it.
	gone(reset) {
		const { socket } = this;

		if (this.over || this.ended || this.left > 0)
			return;
		this.ended = true;
		if (reset) {
			socket.destroy(Object.assign(new Error('read ECONNRESET'),
				{ errno: -104, code: 'ECONNRESET', syscall: 'read' }));
		} else {
			socket.push(null);
			socket.read(0);
		}
	}
}

function receive(message, handle) {
	if (message.cmd !== 'NODE_POOLD')
		return;
	if (message.gone !== undefined) {
		leases.get(message.gone)?.gone(message.reset === 1);
		return;
	}
	if (handle === undefined)
		return;
	const lease = new Lease(message, handle);
	leases.set(lease.id, lease);
	lease.begin(served, message.head);
}

// --- the server

// Stands for the listening socket that there is not.
class Listener {
	constructor(address) {
		this.address = address;
		this.fd = -1;
	}

	getsockname(out) {
		Object.assign(out, this.address);
		return 0;
	}

	ref() {
		process.channel?.ref();
	}

	unref() {
		process.channel?.unref();
	}

	hasRef() {
		return true;
	}

	close() {
		this.unref();
		tell('C');
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

function listen(...args) {
	const callback = args[args.length - 1];

	if (served !== null) // it is poold's, or another beside it
		return net.Server.prototype.listen.apply(this, args);
	served = this;
	if (typeof callback === 'function')
		this.once('listening', callback);
	if (args[0]?.signal instanceof AbortSignal)
		args[0].signal.addEventListener('abort', () => this.close(), { once: true });
	// how long a connection is kept is not ours to say
	this.keepAliveTimeout = 0;
	this._handle = new Listener(addressOf(args));
	process.on('internalMessage', receive);
	this._handle.ref();
	process.nextTick(() => {
		if (this._handle === null)
			return; // closed already
		this.emit('listening');
		tell('L');
	});
	return this;
}

// Server-sent events go on for as long as the client likes: no time limit is to
// end them.
function writeHead(original) {
	return function poold(...args) {
		const answer = original.apply(this, args);
		const lease = this.socket?.[kLease];

		if (lease !== undefined && this._header.includes('text/event-stream')) {
			lease.status = this.statusCode;
			lease.detach();
		}
		return answer;
	};
}

// --- the beginning

// Where and what, in one line.
function words(error) {
	const text = error instanceof Error ? String(error.stack) : String(error);
	const message = error instanceof Error ? `${error.name}: ${error.message}` : text;
	const at = /^(\/.*:\d+)$/m.exec(text) || /\((?:file:\/\/)?(\/[^)]*:\d+):\d+\)/.exec(text) ||
		/at (?:file:\/\/)?(\/.*:\d+):\d+$/m.exec(text);

	return `${at ? `${at[1]}: ` : ''}${message}`.replace(/\s*\n\s*/g, '; ').slice(0, 900);
}

function start() {
	const send = process._send;

	// poold-node waits for no acknowledgement: it knows by the answer
	process._send = function poold(message, ...rest) {
		if (message?.cmd === 'NODE_HANDLE_ACK')
			return true;
		return send.call(this, message, ...rest);
	};
	process.on('uncaughtExceptionMonitor', (error) => {
		if (served === null)
			tell(`E ${words(error)}`);
	});
	http.Server.prototype.listen = listen;
	http.ServerResponse.prototype.writeHead = writeHead(http.ServerResponse.prototype.writeHead);
	http.ServerResponse.prototype.writeHeader = http.ServerResponse.prototype.writeHead;
}

if (ours)
	start();
