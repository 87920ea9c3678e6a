// SPDX-License-Identifier: ISC
// What t/node.t serves: Express, and WebSockets by ws on the same server.
'use strict';
const express = require('express');
const { WebSocketServer } = require('ws');

const app = express();
app.use(express.json());
app.use(express.urlencoded({ extended: false }));
app.get('/x/hello/:name', (req, res) =>
	res.json({ hello: req.params.name, ip: req.ip, query: req.query, pid: process.pid }));
app.post('/x/form', (req, res) => res.status(201).json(req.body));
app.get('/x/file', (req, res) => res.sendFile(__filename));
app.get('/x/wrong', () => { throw new Error('caught by Express'); });
app.get('/x/later', async (req, res) => {
	await new Promise((resolve) => setTimeout(resolve, 20));
	res.type('text').send('later');
});
app.get('/x/redirect', (req, res) => res.redirect('/x/hello/again'));

const server = app.listen(3000);
const sockets = new WebSocketServer({ server, path: '/x/socket' });
sockets.on('connection', (socket, req) => {
	socket.on('message', (data, binary) => {
		if (String(data) === 'bye')
			return socket.close(1000, 'bye');
		return socket.send(`${req.socket.remoteAddress} ${binary} ${data}`);
	});
	socket.on('close', (code) => console.log(`websocket closed ${code}`));
});
