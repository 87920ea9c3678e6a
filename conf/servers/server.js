// SPDX-License-Identifier: ISC
// The smallest server on an inherited socket.  It says which process answers;
// /slow takes a second for it.
'use strict';
const http = require('http');

const server = http.createServer((request, response) => {
	const answer = JSON.stringify({
		pid: process.pid,
		generation: Number(process.env.POOLD_GENERATION || 0),
	});
	setTimeout(() => {
		// the last one on this connection, once the server is to stop
		if (!server.listening)
			response.setHeader('Connection', 'close');
		response.setHeader('Content-Type', 'application/json');
		response.setHeader('Content-Length', Buffer.byteLength(answer));
		response.end(answer);
	}, request.url === '/slow' ? 1000 : 0);
});

// Accept no more, finish what is there; then nothing keeps the process.
process.on('SIGTERM', () => server.close());
server.listen({ fd: 3 });
