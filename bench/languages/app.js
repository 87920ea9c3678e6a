// SPDX-License-Identifier: ISC
// What bench/chaos has poold-node serve: the line "id pid" again and again, up to size
// bytes, once at least.
'use strict';
const http = require('http');

http.createServer((req, res) => {
	const query = new URL(req.url, 'http://localhost').searchParams;
	const line = `${query.get('id')} ${process.pid}\n`;
	const size = Math.max(Number(query.get('size')), line.length);
	const answer = () => {
		res.setHeader('Content-Type', 'text/plain');
		res.end(line.repeat(size / line.length + 1).slice(0, size));
	};

	if (query.has('sleep_us'))
		setTimeout(answer, Number(query.get('sleep_us')) / 1000);
	else
		answer();
}).listen(3000);
