// SPDX-License-Identifier: ISC
// What poold-node is told: frames (frames.h), those of a turn of the event loop together.
'use strict';

const fs = require('fs');
const os = require('os');

const TYPES = {
	LISTENS: 1, CLOSED: 2, WORDS: 3, RESPONSE: 4, DONE: 5, LEND: 6, DETACHED: 7, ALIVE: 8,
};
const RESULT_SIZE = 32;
const RESULTS_MAX = 65536;
const RESPONSE_MAX = RESULTS_MAX - RESULT_SIZE - 8; // bytes
const HIGH = 0x100000000;

const out = Buffer.allocUnsafeSlow(RESULTS_MAX);
const outWords = new Uint32Array(out.buffer, out.byteOffset, RESULTS_MAX / 4);
let outLength = 0;
let isScheduled = false;
let beforeSend = () => {}; // what else is to be said at the end of a turn
let resultsFd = -1;
let boardFd = -1;

function send() {
	const length = outLength;

	outLength = 0;
	if (length > 0)
		fs.writeSync(resultsFd, out, 0, length);
}

// At the end of the turn.
function flush() {
	isScheduled = false;
	beforeSend();
	send();
}

function schedule() {
	if (!isScheduled) {
		isScheduled = true;
		setImmediate(flush);
	}
}

// Adds a frame, with room for bytes behind it, and returns where in out they begin.
function frame(type, id, status, keep, bytes, room) {
	const size = RESULT_SIZE + ((room + 7) & ~7);

	if (outLength + size > RESULTS_MAX)
		send();
	const at = outLength / 4;
	outWords[at] = size;
	outWords[at + 1] = type;
	outWords[at + 2] = id % HIGH;
	outWords[at + 3] = id / HIGH;
	outWords[at + 4] = status;
	outWords[at + 5] = keep ? 1 : 0;
	outWords[at + 6] = bytes % HIGH;
	outWords[at + 7] = bytes / HIGH;
	outLength += size;
	schedule();
	return outLength - size + RESULT_SIZE;
}

// The last frame, whose bytes begin at start, has only so many.
function shrink(start, bytes, keep) {
	const at = (start - RESULT_SIZE) / 4;
	const size = RESULT_SIZE + ((bytes + 7) & ~7);

	outLength -= outWords[at] - size;
	outWords[at] = size;
	outWords[at + 5] = keep ? 1 : 0;
	outWords[at + 6] = bytes;
}

function tellNow(type, text) {
	const length = Buffer.byteLength(text);

	out.write(text, frame(type, 0, 0, false, length, length));
	send();
}

// --- how long a response will be, for when this process dies before it says so

const answer = Buffer.alloc(8);

// The bytes of a response whose head was made, from its status line on; 0: not known.
function sizeOf(res) {
	const header = res._header;

	if (res._hasBody === false)
		return header.length;
	if (res.chunkedEncoding)
		return 0;
	const length = /\r\ncontent-length: *(\d+)/i.exec(header);
	return length === null ? 0 : header.length + Number(length[1]);
}

// Writes that to its place, where so many bytes come before them.
function announce(at, before, res) {
	const size = sizeOf(res);

	if (at === 0 || size === 0)
		return;
	answer.writeBigUInt64LE(BigInt(before + size) << 16n | (res.shouldKeepAlive ? 32768n : 0n) |
		BigInt(res.statusCode));
	if (os.endianness() === 'BE')
		answer.swap64();
	fs.writeSync(boardFd, answer, 0, 8, at);
}

// fd: of poold-node; board: where lengths are said; atEnd: comes before each send.
function open(fd, board, atEnd) {
	resultsFd = fd;
	boardFd = board;
	if (atEnd !== undefined)
		beforeSend = atEnd;
}

module.exports = {
	TYPES, RESPONSE_MAX, HIGH, out, open, frame, shrink, schedule, send, tellNow, sizeOf, announce,
};
