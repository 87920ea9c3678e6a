// SPDX-License-Identifier: ISC
// What is the same for both kinds of leases: those of clients without a socket
// (poold-node-client.js), and those that come with one (poold-node-socket.js).
'use strict';

const kLease = Symbol('poold lease'); // of a socket that the application sees
const leases = new Map(); // by number

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

module.exports = { kLease, leases, isEvents, statusOf, endOf };
