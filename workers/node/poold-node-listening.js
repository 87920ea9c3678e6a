// SPDX-License-Identifier: ISC
// "mode = inherit": the first server that listens does so on the socket that poold has
// given.
'use strict';

const http = require('http');
const net = require('net');
const { TYPES, open, tellNow } = require('./poold-node-results.js');

// What every listen() does, whoever listens then.
function listenBegin(server, args) {
	const callback = args[args.length - 1];

	if (typeof callback === 'function')
		server.once('listening', callback);
	if (args[0]?.signal instanceof AbortSignal)
		args[0].signal.addEventListener('abort', () => server.close(), { once: true });
}

const listeners = []; // of sockets beyond the first
let served = null; // the server
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

function start(resultsFd, count, watchdog) {
	const { listen: listenOwn } = net.Server.prototype;
	const { writeHead, detachSocket } = http.ServerResponse.prototype;

	open(resultsFd, -1);
	net.Server.prototype.listen = function poold(...args) {
		if (served !== null)
			return listenOwn.apply(this, args);
		served = this;
		listenBegin(this, args);
		this.once('listening', () => {
			for (let i = 1; i < count; i++)
				listenBeside(this, 3 + i);
			process.on('SIGTERM', endBegin);
			tellNow(TYPES.LISTENS, '');
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
		setInterval(() => tellNow(TYPES.ALIVE, ''), watchdog / 2000).unref();
}

module.exports = { start, listenBegin, isServing: () => served !== null };
