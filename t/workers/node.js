// SPDX-License-Identifier: ISC
// What t/node.t serves: a plain http application.
'use strict';
const fs = require('fs');
const http = require('http');

const notes = process.env.NOTES;
const note = (name, text) => fs.appendFileSync(`${notes}/${name}`, `${text}\n`);
const chunk = Buffer.alloc(65536, 'abcdefgh');

const pages = {
	show(req, res) {
		req.socket.requests = (req.socket.requests ?? 0) + 1;
		const { remoteAddress, remotePort, localAddress, localPort } = req.socket;
		res.setHeader('Content-Type', 'application/json');
		res.setHeader('Set-Cookie', ['a=1', 'b=2']);
		res.end(JSON.stringify({ pid: process.pid, node: process.version, method: req.method, url: req.url,
			headers: req.headers, version: req.httpVersion,
			remoteAddress, remotePort, localAddress, localPort, requests: req.socket.requests,
			address: server.address(), slot: process.env.POOLD_SLOT,
			words: process.argv.slice(2), options: process.execArgv,
			protocol: process.env.POOLD_PROTOCOL || 'none' }));
	},
	// counts a body; slowly: it does not read for a while
	read(req, res, query) {
		let length = 0, sum = 0;
		req.on('data', (data) => {
			length += data.length;
			sum = (sum + data[0]) % 65536;
			if (query.has('slowly') && length === data.length) {
				req.pause();
				setTimeout(() => req.resume(), 100);
			}
		});
		req.on('aborted', () => note('aborted', length));
		req.on('end', () => res.end(`${length} ${sum}`));
	},
	unread(req, res) { res.end('unread'); },
	big(req, res, query) {
		let left = query.get('mib') * 16;
		const more = () => {
			while (left-- > 0)
				if (!res.write(chunk))
					return res.once('drain', more);
			return res.end();
		};
		more();
	},
	// waits until there is a file
	hold(req, res, query) {
		const look = setInterval(() => {
			if (!fs.existsSync(`${notes}/${query.get('until')}`))
				return;
			clearInterval(look);
			res.end(`held by ${process.pid}`);
		}, 10);
		res.on('close', () => {
			clearInterval(look);
			note('closed', `${query.get('until')} ${res.writableFinished}`);
		});
		note('held', query.get('until'));
	},
	events(req, res) {
		res.writeHead(200, { 'Content-Type': 'text/event-stream' });
		res.write('data: first\n\n');
		const timer = setInterval(() => res.write('data: next\n\n'), 50);
		req.on('close', () => {
			clearInterval(timer);
			note('events', 'closed');
		});
		setTimeout(() => res.end('data: last\n\n'), 3000);
	},
	stream(req, res) {
		res.write('first\n');
		setTimeout(() => res.end('second\n'), 100);
	},
	status(req, res, query) {
		res.statusCode = Number(query.get('is'));
		if (query.has('close'))
			res.setHeader('Connection', 'close');
		res.end('status');
	},
	throws() { throw new Error('thrown by the application'); },
	// dies once
	die(req, res, query) {
		try {
			fs.writeFileSync(`${notes}/${query.get('once')}`, '', { flag: 'wx' });
		} catch {
			return res.end('alive');
		}
		return process.kill(process.pid, 'SIGKILL');
	},
	// dies once, when the client has all of its answer, but nobody knows yet
	last(req, res, query) {
		const isFirst = !fs.existsSync(`${notes}/${query.get('once')}`);

		if (isFirst)
			fs.writeFileSync(`${notes}/${query.get('once')}`, String(process.pid));
		req.resume().on('end', () => {
			res.end(Buffer.alloc(Number(query.get('bytes')), 'x'),
				() => isFirst && process.kill(process.pid, 'SIGKILL'));
		});
	},
	said(req, res) {
		console.log('said on stdout');
		console.error('said on stderr');
		res.end('said');
	},
	destroy(req) { req.socket.destroy(); },
	// ends the socket itself, at once or when it has been lent
	ended(req, res, query) {
		res.write('ended');
		const end = () => req.socket.end();
		if (query.has('later'))
			setTimeout(end, 50);
		else
			end();
	},
	// one buffer for all of it
	again(req, res) {
		const buffer = Buffer.alloc(4);
		let letters = 'abc';
		const more = () => {
			if (letters === '')
				return res.end();
			buffer.fill(letters[0]);
			letters = letters.slice(1);
			return res.write(buffer, more);
		};
		more();
	},
	// as many bytes as are asked for, whatever was said
	length(req, res, query) {
		res.setHeader('Content-Length', 5);
		res.end('x'.repeat(query.get('bytes')));
	},
};

const server = http.createServer((req, res) => {
	const url = new URL(req.url, 'http://localhost');
	const page = pages[url.pathname.split('/').pop()];

	if (page)
		return page(req, res, url.searchParams);
	res.statusCode = 404;
	return res.end('no such page');
});
server.on('checkContinue', (req, res) => {
	if (req.headers['x-refuse']) {
		res.writeHead(413);
		return res.end('too large');
	}
	res.writeContinue();
	return server.emit('request', req, res);
});
server.listen(process.env.PORT || 3000, () => {
	note('listening', JSON.stringify(server.address()));
	note('connections', String(server.listening));
});
process.on('SIGTERM', () => {
	note('end', 'SIGTERM');
	server.close(() => {
		note('end', 'closed');
		process.exit(0);
	});
});
