// SPDX-License-Identifier: ISC
/*
 * What poold-node has Node load before the application ("node -r").
 *
 * Leased requests (poold-node-leased.js): the first http.Server that listens binds
 * nothing.  It gets connections that have no socket: the requests of one client come
 * from poold-node as frames (poold-node-stream.js), and what the server writes to it
 * goes back as a whole response, or to the client's socket, which poold-node lends for
 * that (poold-node-client.js).  Requests of which poold-node has not all, and those that
 * change the protocol, come with the socket at once (poold-node-socket.js).
 * Descriptors go through Node's own IPC channel (NODE_HANDLE, as child_process does).
 *
 * With "mode = inherit" the first server that listens does so on the socket that
 * poold has given (poold-node-listening.js).
 */
'use strict';

const { isMainThread } = require('worker_threads');

const [role, ...numbers] = (process.env.POOLD_NODE ?? '').split(' ');
const watchdog = Number(process.env.WATCHDOG_USEC ?? 0);
const ours = isMainThread && (role === 'listen' ||
	(role === 'lease' && process.channel !== undefined));
// What the application starts is no worker.
delete process.env.POOLD_NODE;
delete process.env.WATCHDOG_USEC;

// Where and what, in one line.
function wordsOf(error) {
	const text = error instanceof Error ? String(error.stack) : String(error);
	const message = error instanceof Error ? `${error.name}: ${error.message}` : text;
	const at = /^(\/.*:\d+)$/m.exec(text) || /\((?:file:\/\/)?(\/[^)]*:\d+):\d+\)/.exec(text) ||
		/at (?:file:\/\/)?(\/.*:\d+):\d+$/m.exec(text);

	return `${at ? `${at[1]}: ` : ''}${message}`.replace(/\s*\n\s*/g, '; ').slice(0, 900);
}

if (ours) {
	const { start, isServing } = require(role === 'lease' ?
		'./poold-node-leased.js' : './poold-node-listening.js');
	const { TYPES, tellNow } = require('./poold-node-results.js');

	process.on('uncaughtExceptionMonitor', (error) => {
		if (!isServing())
			tellNow(TYPES.WORDS, wordsOf(error));
	});
	start(...numbers.map(Number), watchdog);
}
