// SPDX-License-Identifier: ISC
'use strict';
const http = require('http');

http.createServer((req, res) => {
	const query = new URL(req.url, 'http://localhost').searchParams;

	res.setHeader('Content-Type', 'application/json');
	res.end(`${JSON.stringify({
		language: 'node',
		version: process.version,
		service: query.get('service') || '',
		data: query.get('data') || '',
		pid: process.pid,
		port: req.socket.localPort,
	})}\n`);
}).listen(process.env.PORT || 3000);
