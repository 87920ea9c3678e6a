// SPDX-License-Identifier: ISC
/*
 * Leased requests: the first http.Server that listens binds nothing, and gets
 * connections of poold's clients.
 */
'use strict';

const http = require('http');
const net = require('net');
const { ClientSocket, clientsFlush, clientsEnd, clientsLook, clientsClose } =
	require('./poold-node-client.js');
const { kLease, leases } = require('./poold-node-leases.js');
const { listenBegin } = require('./poold-node-listening.js');
const { TYPES, open, send, tellNow } = require('./poold-node-results.js');
const { SocketLease } = require('./poold-node-socket.js');
const { streamOpen } = require('./poold-node-stream.js');

const IDLE_MS = 5000; // a client without a request is known that long, or twice

let served = null; // the server
let stream = null;
let streamFd = -1;

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
		tellNow(TYPES.CLOSED, '');
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
	if (served !== null) // it is poold's, or another beside it
		return net.Server.prototype.listen.apply(this, args);
	served = this;
	listenBegin(this, args);
	// how long a connection is kept is not ours to say
	this.keepAliveTimeout = 0;
	stream = streamOpen(streamFd, this);
	this._handle = new Listener(addressOf(args));
	process.on('internalMessage', receive);
	setInterval(clientsLook, IDLE_MS).unref();
	process.nextTick(() => {
		if (this._handle === null)
			return; // closed already
		this.emit('listening');
		tellNow(TYPES.LISTENS, '');
	});
	return this;
}

function start(resultsFd, requestsFd, boardFd) {
	const { writeHead, detachSocket } = http.ServerResponse.prototype;
	const send_ = process._send;

	streamFd = requestsFd;
	open(resultsFd, boardFd, clientsFlush);
	process.on('exit', () => {
		clientsEnd();
		send();
	});

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

module.exports = { start, isServing: () => served !== null };
