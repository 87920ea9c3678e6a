// SPDX-License-Identifier: ISC
// Requests without a socket: frames (frames.h), one after the other.
'use strict';

const net = require('net');
const { performance } = require('perf_hooks');
const { clientOf } = require('./poold-node-client.js');
const { leases } = require('./poold-node-leases.js');
const { HIGH } = require('./poold-node-results.js');

const READ_MAX = 65536; // bytes
const TURN_MS = 0.5; // of requests, before the responses are sent
const REQUEST_WHOLE = 1;
const REQUEST_KEEP = 1;
const REQUEST_RESET = 2;
const REQUEST_SIZE = 64;

let server = null; // the application's
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
	const client = clientOf(server, words[w + 5] * HIGH + words[w + 4],
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

// Returns the socket that they come by.
function streamOpen(fd, served) {
	server = served;
	const socket = new net.Socket({
		fd,
		readable: true,
		writable: false,
		onread: { buffer: Buffer.allocUnsafeSlow(READ_MAX), callback: streamTake },
	});

	// its end is the end of poold-node, and of this process
	return socket.on('error', () => {});
}

module.exports = { streamOpen };
