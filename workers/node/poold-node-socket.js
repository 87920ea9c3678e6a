// SPDX-License-Identifier: ISC
/*
 * A request that comes with its client's socket, through the IPC channel: poold-node
 * has read its head.  Node reads the body from the socket and never a byte beyond it,
 * so whatever the client sends next stays in the kernel for whoever gets the next
 * lease.
 */
'use strict';

const net = require('net');
const { kLease, leases, isEvents, statusOf, endOf } = require('./poold-node-leases.js');
const { TYPES, frame, announce } = require('./poold-node-results.js');

const READ_MAX = 65536; // bytes
const DRAIN_MS = 200; // for the rest of a body that the application did not read

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
		let more = true;

		this.left -= n;
		try {
			more = this.socket.push(chunk);
		} catch (error) {
			// it is the application's: without a next buffer Node would use this one again
			process.nextTick(() => { throw error; });
		}
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
		frame(TYPES.DETACHED, this.id, this.status, false, 0, 0);
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
		frame(TYPES.DONE, this.id, this.status, keep, socket.bytesWritten, 0);
	}

	gone(reset) {
		if (this.over || this.ended || this.left > 0)
			return;
		this.ended = true;
		endOf(this.socket, reset);
	}
}

module.exports = { SocketLease };
