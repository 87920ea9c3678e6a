/* The dashboard.  Everything that came from elsewhere is set as text. */
(() => {
'use strict';

const $ = (id) => document.getElementById(id);
const KEEP_EVENTS = 256, SHOW_EVENTS = 80, SHOW_SLOW = 30, SPAN_MS = 15 * 60e3;

let status = null;          // the last one
let session = { change: false, private: false, admin: false, service: '' };
let source = null, retry = 0, heard = 0;
const events = new Map();   // id -> event
const cards = new Map();    // service -> its card

// --- elements ----------------------------------------------------------------

function el(name, props, ...children) {
	const node = document.createElement(name);
	for (const [key, value] of Object.entries(props || {})) {
		if (value === null || value === undefined || value === false) continue;
		if (key === 'class') node.className = value;
		else if (key === 'on') for (const [type, fn] of Object.entries(value)) node.addEventListener(type, fn);
		else if (key === 'data') Object.assign(node.dataset, value);
		else if (key in node && typeof value !== 'string') node[key] = value;
		else node.setAttribute(key, value);
	}
	node.append(...children.filter((child) => child !== null && child !== undefined));
	return node;
}
function svg(name, attributes) {
	const node = document.createElementNS('http://www.w3.org/2000/svg', name);
	for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
	return node;
}
function setText(node, text) { if (node.textContent !== text) node.textContent = text; }
function setData(node, key, value) { if (node.dataset[key] !== String(value)) node.dataset[key] = value; }
// What is shown, with the figure itself, for whoever compares.
function setFigure(node, text, value) { setText(node, text); setData(node, 'value', value === null || value === undefined ? '' : value); }

// --- figures -----------------------------------------------------------------

const NONE = '–';
function count(n) {
	if (n === null || n === undefined) return NONE;
	if (n < 10000) return String(Math.round(n));
	for (const [size, unit] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']])
		if (n >= size) return (n / size).toFixed(n < 10 * size ? 2 : n < 100 * size ? 1 : 0) + unit;
	return String(n);
}
function rate(n) { return n === null || n === undefined ? NONE : n >= 1000 ? count(n) : n >= 100 ? n.toFixed(0) : n > 0 ? n.toFixed(1) : '0'; }
function bytes(n) {
	if (n === null || n === undefined) return NONE;
	for (const [size, unit] of [[2 ** 30, 'GB'], [2 ** 20, 'MB'], [2 ** 10, 'kB']])
		if (n >= size) return (n / size).toFixed(n < 10 * size ? 1 : 0) + ' ' + unit;
	return n + ' B';
}
function seconds(s) {
	if (s === null || s === undefined) return NONE;
	if (s === 0) return '0 s';
	if (s < 0.001) return Math.round(s * 1e6) + ' µs';
	if (s < 1) return (s * 1e3).toFixed(s < 0.01 ? 1 : 0) + ' ms';
	if (s < 60) return s.toFixed(s < 10 ? 1 : 0) + ' s';
	if (s < 3600) return Math.floor(s / 60) + ' min';
	if (s < 86400) return Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min';
	return Math.floor(s / 86400) + ' d ' + Math.floor(s % 86400 / 3600) + ' h';
}
// Two of them in the unit of the greater one.
function secondsPair(a, b) {
	if (a === null || a === undefined || b === null || b === undefined) return NONE;
	if (a < b / 50) return seconds(a) + ' · ' + seconds(b);
	const [factor, unit] = b < 0.001 ? [1e6, 'µs'] : b < 1 ? [1e3, 'ms'] : [1, 's'];
	return [a, b].map((value) => { value *= factor; return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(value < 100 && unit !== 'µs' ? 1 : 0) : value.toFixed(value === 0 ? 0 : unit === 'µs' ? 0 : 1); }).join(' · ') + ' ' + unit;
}
function clock(ms) {
	const date = new Date(ms);
	return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
}
function plural(n, one, many) { return n + ' ' + (n === 1 ? one : many || one + 's'); }
// From 0 (just begun) to 1 (half a minute).
function heat(age) { return age === null || age === undefined ? 0 : Math.min(1, Math.log10(1 + age) / Math.log10(31)); }

const TONES = { running: 'good', asleep: 'good', starting: 'warn', degraded: 'warn', drained: 'warn', stopping: 'warn', down: 'bad', failing: 'bad' };
const STATE_WORDS = { drained: 'drained: refuses requests', failing: 'failing: circuit breaker open', asleep: 'asleep: no worker needed' };

// --- a service's card --------------------------------------------------------

function spark(name, label, lines) {
	const value = el('b', {});
	const picture = svg('svg', { viewBox: '0 0 60 26', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
	const paths = lines.map((line) => {
		const path = svg('path', { class: line });
		picture.append(path);
		return path;
	});
	return { value, paths, node: el('div', { class: 'spark ' + name }, el('div', { class: 'label' }, el('span', {}, label), value), picture) };
}
function points(list, top) {
	let text = '', pen = 'M';
	(list || []).forEach((value, i) => {
		if (value === null) { pen = 'M'; return; }
		text += pen + i + ' ' + (25 - 23 * Math.min(1, value / top)).toFixed(1);
		pen = 'L';
	});
	return text;
}
function area(list, top) {
	const known = (list || []).map((value) => value === null ? 0 : value);
	return known.length ? 'M0 26' + known.map((value, i) => 'L' + i + ' ' + (25 - 23 * Math.min(1, value / top)).toFixed(1)).join('') + 'L' + (known.length - 1) + ' 26Z' : '';
}
function bars(list, top) {
	return (list || []).map((value, i) => value ? 'M' + (i + .5) + ' 26V' + (25 - 23 * Math.min(1, value / top)).toFixed(1) : '').join('');
}
function most(...lists) { return Math.max(0, ...lists.flat().filter((value) => value !== null && value !== undefined)); }

function figure(card, key, label) {
	const value = el('b', { data: { field: key } }), word = el('span', {}, label);
	const node = el('span', {}, value, ' ', word);
	card.figures[key] = { value, word, node };
	return node;
}

function makeCard(name) {
	const card = { figures: {}, squares: new Map(), open: false };
	card.state = el('span', { class: 'state' });
	card.tags = el('span', { class: 'tags' });
	card.about = el('p', { class: 'about' });
	card.list = el('ul', { class: 'squares' });
	card.rate = spark('rate', 'requests/s', ['area', 'line']);
	card.latency = spark('latency', 'p50·p99', ['p99', 'p50']);
	card.errors = spark('errors', 'errors', ['bars']);
	card.fill = el('div', { class: 'fill' });
	card.queue = el('b', { data: { field: 'queued' } });
	card.queueRow = el('div', { class: 'queue' }, el('span', {}, 'queue'), el('div', { class: 'track' }, card.fill), card.queue);
	card.foot = el('div', { class: 'foot', hidden: true });
	card.tries = el('div', { class: 'tries' });
	card.more = el('div', {});
	card.details = el('details', { on: { toggle: () => { fillDetails(card); } } }, el('summary', {}, 'Workers, routes and examples'), card.more);
	card.node = el('article', { class: 'card', tabindex: '-1', id: 'service-' + name, 'aria-label': 'Service ' + name, data: { service: name } },
		el('div', { class: 'head' }, el('h3', { title: name }, name), card.state, card.tags), card.about, card.list,
		el('div', { class: 'counts' }, figure(card, 'workers_busy', 'busy'), figure(card, 'workers_idle', 'idle'),
			figure(card, 'workers_starting', 'starting'), figure(card, 'workers_max', 'at most'),
			figure(card, 'requests', 'requests'), figure(card, 'memory_bytes', ''), figure(card, 'restarts', 'restarts')),
		card.queueRow, el('div', { class: 'sparks' }, card.rate.node, card.latency.node, card.errors.node), card.tries, card.foot, card.details);
	makeButtons(card, name);
	return card;
}

function squareTitle(worker) {
	const parts = ['worker ' + worker.slot, worker.pid ? 'pid ' + worker.pid : 'no process', worker.state];
	if (worker.request_seconds !== null && worker.request_seconds !== undefined) parts[2] += ' for ' + seconds(worker.request_seconds);
	if (worker.request) parts.push(worker.request);
	if (worker.requests !== null) parts.push(plural(worker.requests, 'request'));
	if (worker.last_exit) parts.push('the one before ' + worker.last_exit);
	return parts.join(' · ');
}
function showSquares(card, workers) {
	// this very page keeps its worker busy for as long as it is open
	const seen = new Set(), ours = card.service.service === session.service;
	for (const worker of workers) {
		const key = worker.generation + ':' + worker.slot;
		let square = card.squares.get(key);
		seen.add(key);
		if (!square) {
			square = el('li', { class: 'w' });
			card.squares.set(key, square);
			card.list.append(square);
		} else if (worker.pid && square.dataset.pid !== String(worker.pid)) {
			square.classList.remove('fresh');
			void square.offsetWidth; // begins the animation anew
			square.classList.add('fresh');
		}
		setData(square, 'state', worker.state);
		setData(square, 'pid', worker.pid || '');
		setData(square, 'slot', worker.slot);
		square.style.setProperty('--age', worker.state === 'busy' && !ours ? heat(worker.request_seconds).toFixed(2) : '0');
		square.title = squareTitle(worker);
	}
	for (const [key, square] of card.squares)
		if (!seen.has(key)) { square.remove(); card.squares.delete(key); }
	card.list.classList.toggle('many', workers.length > 24);
	card.list.setAttribute('aria-label', plural(workers.length, 'worker') + ': ' + [...new Set(workers.map((w) => w.state))].map((state) => workers.filter((w) => w.state === state).length + ' ' + state).join(', '));
}

function showFigures(card, service) {
	for (const key of ['workers_busy', 'workers_idle', 'workers_starting', 'workers_max', 'requests', 'restarts'])
		setFigure(card.figures[key].value, count(service[key]), service[key]);
	setFigure(card.figures.memory_bytes.value, bytes(service.memory_bytes), service.memory_bytes);
	card.figures.workers_starting.node.hidden = !service.workers_starting;
	card.figures.restarts.node.hidden = !service.restarts;
	setText(card.figures.restarts.word, service.restarts === 1 ? 'restart' : 'restarts');
	card.figures.restarts.node.classList.toggle('hurt', service.restarts > 0);
	card.figures.workers_busy.node.hidden = card.figures.workers_idle.node.hidden = card.figures.requests.node.hidden = service.requests === null;
	const limit = service.queue_limit || 0, queued = service.queued;
	card.queueRow.hidden = service.mode !== 'lease';
	setFigure(card.queue, queued ? count(queued) + (limit ? ' of ' + count(limit) : '') : queued === 0 ? '0' : NONE, queued);
	// a short queue is seen, too
	card.fill.style.width = queued && limit ? Math.min(100, Math.max(3, 100 * Math.sqrt(queued / limit))) + '%' : '0';
	card.fill.classList.toggle('full', limit > 0 && queued > limit / 2);
}
function showSparks(card, service) {
	const history = service.history || {};
	setFigure(card.rate.value, rate(service.requests_per_second), service.requests_per_second);
	card.rate.value.dataset.field = 'requests_per_second';
	const top = most(history.rate || []) || 1;
	card.rate.paths[0].setAttribute('d', area(history.rate, top));
	card.rate.paths[1].setAttribute('d', points(history.rate, top));
	setText(card.latency.value, secondsPair(service.p50_seconds, service.p99_seconds));
	const slowest = most(history.p99 || [], history.p50 || []) || 1;
	card.latency.paths[0].setAttribute('d', points(history.p99, slowest));
	card.latency.paths[1].setAttribute('d', points(history.p50, slowest));
	setFigure(card.errors.value, count(service.errors), service.errors);
	card.errors.value.dataset.field = 'errors';
	card.errors.value.classList.toggle('bad', most(history.errors || []) > 0);
	card.errors.paths[0].setAttribute('d', bars(history.errors, most(history.errors || []) || 1));
}
function showCard(card, service) {
	const tone = TONES[service.state] || 'warn';
	card.service = service;
	setData(card.node, 'tone', tone);
	setData(card.node, 'state', service.state);
	setText(card.state, STATE_WORDS[service.state] || service.state);
	setData(card.state, 'tone', tone);
	setText(card.about, service.description || '');
	card.about.title = service.description || '';
	const tags = (service.tags || []).join(' ');
	if (card.tags.dataset.tags !== tags) {
		card.tags.dataset.tags = tags;
		card.tags.replaceChildren(...(service.tags || []).map((tag) => el('span', { class: 'tag' }, tag)));
	}
	showSquares(card, service.workers || []);
	showFigures(card, service);
	showSparks(card, service);
	showButtons(card);
	showFirstExample(card);
	fillDetails(card);
}

// --- what there is about a service -------------------------------------------

function routeText(route) {
	return route.prefix === null ? 'all of ' + route.listener : (route.host || '') + route.prefix + (route.weight === null ? '' : ' weight ' + route.weight) + ' on ' + route.listener;
}
function addressOf(name) { const found = (status.listeners || []).find((listener) => listener.name === name); return found ? found.address : ''; }
function portOf(address) { const match = /:(\d+)$/.exec(address); return match ? match[1] : ''; }
function ownListeners() {
	const own = status.services.find((service) => service.service === session.service);
	return own ? own.routes.map((route) => route.listener) : [];
}
// Where a request for the service goes: here, or the origin of another listener; null: nowhere that a browser reaches.
function originOf(service) {
	const listeners = (service.routes || []).map((route) => route.listener), own = ownListeners();
	if (listeners.some((name) => own.includes(name))) return '';
	for (const name of listeners) {
		const port = portOf(addressOf(name));
		if (port) return 'http://' + location.hostname + ':' + port;
	}
	return null;
}
function isPath(text) { return /^\/(?![/\\])/.test(text); }

async function tryExample(text, place, button) {
	const began = performance.now(), heads = el('p', {}, '…'), body = el('pre', { tabindex: '0' });
	place.replaceChildren(el('div', { class: 'answer' }, heads, body));
	button.disabled = true;
	try {
		// nobody's cookies go along, and no answer leads elsewhere
		const answer = await fetch(text, { cache: 'no-store', credentials: 'omit', redirect: 'manual', referrerPolicy: 'no-referrer' });
		const got = await answer.text(), took = performance.now() - began;
		let pid = null;
		try { pid = JSON.parse(got).pid; } catch (error) { /* it is no JSON */ }
		setText(heads, [answer.type === 'opaqueredirect' ? 'a redirect' : 'status ' + answer.status, took.toFixed(1) + ' ms', answer.headers.get('Content-Type') || '', pid ? 'from pid ' + pid : ''].filter(Boolean).join(' · '));
		heads.dataset.status = answer.status;
		heads.dataset.pid = pid || '';
		setText(body, got.length > 4096 ? got.slice(0, 4096) + '\n…' : got);
	} catch (error) {
		setText(heads, 'no answer: ' + error.message);
	}
	button.disabled = false;
}
function exampleRow(service, text) {
	const origin = originOf(service), place = el('div', {}), row = el('div', { class: 'example' }, el('code', { title: text }, text));
	if (origin === '' && isPath(text)) {
		const button = el('button', { type: 'button', class: 'try', 'aria-label': 'Try ' + text, on: { click: () => tryExample(text, place, button) } }, 'Try');
		row.append(button);
	} else if (origin && isPath(text)) {
		row.append(el('a', { href: origin + text, target: '_blank', rel: 'noopener noreferrer' }, 'Open'));
	}
	return [row, place];
}
// One click, without opening anything.
function showFirstExample(card) {
	const examples = card.service.examples || [], about = JSON.stringify([examples[0], originOf(card.service)]);
	if (card.triesText === about) return;
	card.triesText = about;
	card.tries.replaceChildren(...(examples.length ? exampleRow(card.service, examples[0]) : []));
}
function workerRow(worker) {
	const cell = (text, numeric) => el('td', numeric ? { class: 'number' } : {}, text);
	return el('tr', {}, cell(String(worker.slot), true), cell(worker.pid ? String(worker.pid) : NONE, true), cell(worker.state + (worker.request_seconds ? ' ' + seconds(worker.request_seconds) : '')),
		cell(count(worker.requests), true), cell(seconds(worker.cpu_seconds), true), cell(bytes(worker.memory_bytes), true), cell(seconds(worker.uptime_seconds), true), el('td', { class: 'wide' }, worker.request || worker.last_exit || ''));
}
function fillDetails(card) {
	const service = card.service;
	if (!card.details.open || !service) return;
	const about = JSON.stringify([service.routes, service.examples, service.description, session.service]);
	if (card.aboutText !== about) {
		card.aboutText = about;
		card.rows = el('tbody', {});
		const head = ['slot', 'pid', 'state', 'requests', 'CPU', 'memory', 'up', 'request, or how the last one ended'];
		card.more.replaceChildren(
			...(service.description ? [el('p', {}, service.description)] : []),
			el('h4', {}, 'Routes'), el('div', { class: 'routes-of' }, ...(service.routes || []).map((route) => el('code', {}, routeText(route)))),
			...((service.examples || []).length > 1 ? [el('h4', {}, 'More examples'), ...service.examples.slice(1).flatMap((text) => exampleRow(service, text))] : []),
			el('h4', {}, 'Workers'), el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Workers of ' + service.service },
				el('table', {}, el('thead', {}, el('tr', {}, ...head.map((text, i) => el('th', i === 2 || i === 7 ? {} : { class: 'number' }, text)))), card.rows)));
	}
	card.rows.replaceChildren(...(service.workers || []).map(workerRow));
}

// --- changing ----------------------------------------------------------------

let saidTimer = 0;
function say(text, bad) {
	const said = $('said');
	said.classList.toggle('bad', Boolean(bad));
	setText(said, text);
	clearTimeout(saidTimer);
	saidTimer = setTimeout(() => setText(said, ''), bad ? 8000 : 4000);
}
async function post(path, body) {
	const answer = await fetch(path, { method: 'POST', cache: 'no-store', credentials: 'same-origin', headers: { 'Content-Type': 'application/json', 'X-Poold-Admin': '1' }, body: JSON.stringify(body) });
	const reply = await answer.json().catch(() => ({}));
	if (!answer.ok) throw Object.assign(new Error(reply.detail || 'status ' + answer.status), { status: answer.status });
	return reply;
}
async function act(name, body, done) {
	try {
		await post('actions/' + name, body);
		say(done);
	} catch (error) {
		say(error.message, true);
		if (error.status === 401) { session.admin = false; showSession(); openLogin(); }
	}
}
// The second click within some seconds is meant.
function sure(button, fn) {
	let timer = 0, label = '';
	const calm = () => { clearTimeout(timer); timer = 0; button.classList.remove('sure'); button.textContent = label; };
	button.addEventListener('click', () => {
		if (timer) { calm(); fn(); return; }
		label = button.textContent;
		button.classList.add('sure');
		button.textContent = 'Sure?';
		timer = setTimeout(calm, 4000);
	});
	button.addEventListener('blur', () => { if (timer) calm(); });
	return button;
}
function makeButtons(card, name) {
	const button = (label, title, fn) => el('button', { type: 'button', title: title + ' ' + name, 'aria-label': title + ' ' + name, data: { action: title.toLowerCase() }, on: fn ? { click: fn } : {} }, label);
	const scale = (by) => {
		const target = Math.max(1, card.service.workers_target + by);
		act('scale', { service: name, workers: target }, name + ': ' + plural(target, 'worker') + ' wanted');
	};
	card.fewer = button('−', 'Fewer workers for', () => scale(-1));
	card.target = el('b', { data: { field: 'workers_target' }, title: 'workers wanted' });
	card.more_ = button('+', 'More workers for', () => scale(1));
	card.auto = button('auto', 'Configured number of workers for', () => act('scale', { service: name, workers: null }, name + ': as configured'));
	card.restart = sure(button('Restart', 'Restart'), () => act('restart', { service: name }, name + ': restarting'));
	card.drain = sure(button('Drain', 'Drain'), () => act('drain', { service: name }, name + ': drained'));
	card.resume = button('Resume', 'Resume', () => act('resume', { service: name }, name + ': resumed'));
	card.foot.append(card.fewer, card.target, card.more_, card.auto, card.restart, card.drain, card.resume);
}
function showButtons(card) {
	const service = card.service;
	card.foot.hidden = !(session.change && session.admin);
	setFigure(card.target, String(service.workers_target), service.workers_target);
	card.auto.hidden = !service.scaled_by_hand;
	card.drain.hidden = service.drained || service.mode !== 'lease';
	card.resume.hidden = !service.drained;
	card.fewer.disabled = service.workers_target <= 1;
}

// --- the whole ---------------------------------------------------------------

function fact(name, text, value, field) {
	const list = $('facts');
	let place = list.querySelector('[data-fact="' + name + '"]');
	if (!place) {
		place = el('dd', {});
		const row = el('div', { data: { fact: name } }, el('dt', {}, name), place);
		list.append(row);
	} else place = place.lastChild;
	setFigure(place, text, value);
	if (field) place.dataset.field = field;
}
function showFacts() {
	const poold = status.poold;
	fact('requests/s', rate(status.services.reduce((sum, service) => sum + (service.requests_per_second || 0), 0)));
	fact('connections', count(poold.connections), poold.connections);
	fact('workers', count(status.services.reduce((sum, service) => sum + (service.workers || []).filter((worker) => worker.pid).length, 0)));
	fact('up', seconds(poold.uptime_seconds));
	fact('version', poold.version, poold.version, 'version');
	setText($('footer'), 'pid ' + poold.pid + ' · ' + poold.config_file + (poold.reloading ? ' · a reload is under way' : ''));
}
function matches(service) {
	const word = $('filter').value.trim().toLowerCase();
	if ($('only').checked && TONES[service.state] === 'good') return false;
	return word === '' || service.service.toLowerCase().includes(word) || (service.tags || []).some((tag) => tag.toLowerCase().includes(word));
}
function showServices() {
	const place = $('services'), seen = new Set();
	let shown = 0, at = 0;
	for (const service of status.services) {
		let card = cards.get(service.service);
		seen.add(service.service);
		if (!card) {
			card = makeCard(service.service);
			cards.set(service.service, card);
		}
		if (place.children[at] !== card.node) place.insertBefore(card.node, place.children[at] || null);
		at++;
		showCard(card, service);
		card.node.hidden = !matches(service);
		shown += !card.node.hidden;
	}
	for (const [name, card] of cards)
		if (!seen.has(name)) { card.node.remove(); cards.delete(name); }
	setText($('service-count'), shown === status.services.length ? String(shown) : shown + ' of ' + status.services.length);
	$('none').hidden = shown > 0 || status.services.length === 0;
}

function showCheck(check) {
	const problems = check.problems || [], verdict = $('verdict');
	setData(verdict, 'status', check.status);
	const error = status && status.poold.reload_error;
	setText($('verdict-title'), problems.length === 0 ? 'All is well' : plural(problems.length, 'problem'));
	const rows = problems.slice().sort((a, b) => (a.severity === 'critical' ? 0 : 1) - (b.severity === 'critical' ? 0 : 1)).map((problem) =>
		el('li', {}, el('span', { class: 'severity', data: { severity: problem.severity } }, problem.severity),
			el('span', {}, problem.service ? el('a', { href: '#service-' + problem.service, on: { click: (event) => { event.preventDefault(); goTo(problem.service); } } }, problem.service) : el('b', {}, 'poold'), ': ' + problem.problem + (problem.service === null && error && /reload/.test(problem.problem) ? ': ' + error : ''))));
	const key = JSON.stringify(problems) + error;
	if ($('problems').dataset.key !== key) { // else a link under the focus would go
		$('problems').dataset.key = key;
		$('problems').replaceChildren(...rows);
	}
	document.title = (problems.length ? (check.status === 'critical' ? '✖ ' : '⚠ ') + plural(problems.length, 'problem') + ' – ' : '') + 'poold';
}
function goTo(name) {
	const card = cards.get(name);
	if (!card) return;
	$('filter').value = '';
	$('only').checked = false;
	showServices();
	card.node.scrollIntoView({ block: 'center' });
	card.node.focus({ preventScroll: true });
}

// --- routes ------------------------------------------------------------------

function showRoutes() {
	const place = $('routes'), rows = [];
	const list = status.services.flatMap((service) => (service.routes || []).map((route) => ({ ...route, service })));
	const weights = (a) => list.filter((b) => b.listener === a.listener && b.host === a.host && b.prefix === a.prefix).reduce((sum, b) => sum + (b.weight || 0), 0);
	const top = Math.max(1, ...status.services.map((service) => service.requests_per_second || 0));
	for (const listener of status.listeners || []) {
		const own = list.filter((route) => route.listener === listener.name).sort((a, b) => (a.host || '').localeCompare(b.host || '') || (a.prefix || '').localeCompare(b.prefix || ''));
		if (own.length === 0) continue;
		rows.push(el('div', { class: 'at' }, listener.name + ' ', el('span', { class: 'dim mono' }, listener.address)));
		for (const route of own) {
			const above = own.filter((other) => other.host === route.host && other.prefix !== route.prefix && route.prefix && (other.prefix === '/' || route.prefix.startsWith(other.prefix + '/')));
			const depth = new Set(above.map((other) => other.prefix)).size;
			const share = route.weight === null ? '' : ' ' + Math.round(100 * route.weight / (weights(route) || 1)) + '%';
			const fill = el('div', { class: 'fill' });
			fill.style.width = 100 * Math.sqrt((route.service.requests_per_second || 0) / top) + '%';
			const path = el('div', { class: 'path' }, el('code', {}, (route.host || '') + (route.prefix === null ? 'all of it' : route.prefix)), ' ', el('span', {}, '→ ' + route.service.service + share));
			path.style.setProperty('--depth', depth);
			rows.push(el('div', { class: 'route' }, path, el('div', { class: 'rate' }, rate(route.service.requests_per_second) + '/s'), el('div', { class: 'track' }, fill)));
		}
	}
	place.replaceChildren(...rows);
}

// --- events ------------------------------------------------------------------

const LANES = ['reloads', 'crashes', 'scaling'];
function describe(event) {
	const name = event.service ? event.service + ': ' : '';
	switch (event.event) {
	case 'reload_started': return [name + 'reload begins', 'info', 0];
	case 'reload_done': return ['reload done', 'good', 0];
	case 'reload_failed': return ['reload failed: ' + event.error, 'bad', 0];
	case 'generation_ready': return [name + 'generation ' + event.generation + ' is ready, with ' + plural(event.workers, 'worker'), 'good', 0];
	case 'worker_died': return [name + 'worker ' + event.slot + ' (pid ' + event.pid + ') ' + event.exit + (event.was_ready ? '' : ', before it was ready'), 'bad', 1];
	case 'worker_sick': return [name + 'worker ' + event.slot + ' (pid ' + event.pid + ') failed its health checks', 'bad', 1];
	case 'router_died': return ['the router (pid ' + event.pid + ') died', 'bad', 1];
	case 'breaker': return [name + 'the circuit breaker is ' + event.state + (event.reason ? ': ' + event.reason : ''), event.state === 'open' ? 'bad' : event.state === 'closed' ? 'good' : 'warn', 1];
	case 'scaled': return [name + 'from ' + event.from + ' to ' + plural(event.to, 'worker'), 'info', 2];
	case 'scaled_by_hand': return [name + 'from ' + event.from + ' to ' + plural(event.to, 'worker') + ', by hand', 'info', 2];
	case 'drained': return [name + 'drained', 'warn', 2];
	case 'resumed': return [name + 'resumed', 'good', 2];
	case 'upgraded': return ['upgraded from ' + event.from + ' to ' + event.to, 'good', 0];
	case 'upgrade_failed': return ['upgrade failed: ' + event.error, 'bad', 0];
	case 'stopping': return ['poold stops', 'warn', 0];
	default: return [name + String(event.event).replace(/_/g, ' '), '', 0];
	}
}
function addEvent(event) {
	events.set(event.id, event);
	while (events.size > KEEP_EVENTS) events.delete(events.keys().next().value);
}
function showEvents() {
	const last = [...events.values()].sort((a, b) => b.id - a.id).slice(0, SHOW_EVENTS);
	$('events').replaceChildren(...last.map((event) => {
		const [text, tone] = describe(event);
		return el('li', { data: { event: event.event, id: event.id } }, el('time', { datetime: event.time, title: event.time }, clock(Date.parse(event.time))), el('span', { class: 'dot', data: { tone } }), el('span', { class: 'what' }, text));
	}), ...(last.length ? [] : [el('li', { class: 'dim' }, 'Nothing has happened yet.')]));
}
function showTimeline() {
	const now = Date.now(), oldest = Math.min(now, ...[...events.values()].map((event) => Date.parse(event.time)));
	const span = Math.min(SPAN_MS, Math.max(60e3, (now - oldest) * 1.05)), left = now - span;
	const place = $('timeline'), plots = [];
	const lanes = LANES.map((name, i) => {
		const plot = el('div', { class: 'plot' }), lane = el('div', { class: 'lane' }, el('span', {}, name), plot);
		lane.style.top = 24 * i + 'px';
		plots.push(plot);
		return lane;
	});
	const ticks = el('div', { class: 'plot' });
	for (let i = 0; i <= 4; i++) {
		const tick = el('div', { class: 'tick' + (i === 4 ? ' end' : '') }, el('span', {}, i === 4 ? 'now' : clock(left + span * i / 4).slice(0, span < 5 * 60e3 ? 8 : 5)));
		tick.style.left = 25 * i + '%';
		ticks.append(tick);
	}
	for (const event of events.values()) {
		const [text, tone, lane] = describe(event), at = (Date.parse(event.time) - left) / span;
		if (at < 0 || event.event === 'reload_started') continue;
		const mark = el('i', { class: 'mk', title: clock(Date.parse(event.time)) + ' ' + text, data: { tone, event: event.event, id: event.id } });
		mark.style.left = Math.min(100, 100 * at) + '%';
		plots[lane].append(mark);
	}
	place.replaceChildren(ticks, ...lanes);
	setText($('timeline-span'), span < 90e3 ? 'the last minute' : 'the last ' + plural(Math.round(span / 60e3), 'minute'));
}
function showSlow(reply) {
	const list = (reply.slow || []).slice(-SHOW_SLOW).reverse();
	$('slow-section').hidden = list.length === 0;
	$('slow').replaceChildren(...list.map((slow) => el('tr', {}, el('td', { title: slow.time }, clock(Date.parse(slow.time))), el('td', {}, slow.service),
		el('td', { class: 'wide mono' }, slow.request || ''), el('td', { class: 'number' + (slow.killed ? ' bad' : '') }, seconds(slow.request_seconds) + (slow.killed ? ', killed' : '')), el('td', {}, String(slow.pid || '')))));
}

// --- live --------------------------------------------------------------------

function live(on, text) {
	setData($('live'), 'on', on);
	setText($('live'), text);
}
function connect() {
	if (source) source.close();
	source = new EventSource('events');
	let check = null, fresh = false;
	source.addEventListener('event', (message) => { addEvent(JSON.parse(message.data)); fresh = true; });
	source.addEventListener('check', (message) => { check = JSON.parse(message.data); });
	source.addEventListener('slow', (message) => showSlow(JSON.parse(message.data)));
	source.addEventListener('status', (message) => {
		status = JSON.parse(message.data);
		heard = Date.now();
		retry = 0;
		live('yes', 'live');
		lost('');
		showFacts();
		if (check) showCheck(check);
		showServices();
		showRoutes();
		if (fresh || events.size === 0) showEvents();
		fresh = false;
		showTimeline();
		document.documentElement.dataset.rounds = Number(document.documentElement.dataset.rounds || 0) + 1;
	});
	source.onerror = () => {
		live('no', 'not connected');
		if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
		source = null;
		retry = Math.min(retry + 1, 5);
		setTimeout(refresh, 1000 * retry);
	};
}
function lost(text) {
	$('lost').hidden = text === '';
	setText($('lost'), text);
	document.body.classList.toggle('stale', text !== '');
}
setInterval(() => {
	if (heard && Date.now() - heard > 4000) {
		live('no', 'not connected');
		lost('No word from poold since ' + clock(heard) + '. What is shown is what was known then; this page goes on trying.');
	}
}, 1000);

async function refresh() {
	try {
		session = await (await fetch('session', { cache: 'no-store', credentials: 'same-origin' })).json();
	} catch (error) {
		retry = Math.min(retry + 1, 5);
		live('no', 'not connected');
		setTimeout(refresh, 1000 * retry);
		return;
	}
	showSession();
	if (session.private && !session.admin) {
		live('no', 'not logged in');
		setText($('verdict-title'), 'Log in to see how poold is');
		openLogin();
	} else if (!source) connect();
}
function showSession() {
	const admin = session.admin;
	$('reload').hidden = !(session.change && admin);
	$('login').hidden = !(session.change || session.private);
	setText($('login'), admin ? 'Log out' : 'Log in');
	if (status) showServices();
}

// --- forms and keys ----------------------------------------------------------

function openLogin() { if (!$('login-dialog').open) $('login-dialog').showModal(); $('token').focus(); }
$('login').addEventListener('click', async () => {
	if (!session.admin) { openLogin(); return; }
	try { await post('logout', {}); } catch (error) { say(error.message, true); }
	if (session.private) location.reload();
	else refresh();
});
$('login-form').addEventListener('submit', async (event) => {
	event.preventDefault();
	setText($('login-said'), '');
	try {
		await post('login', { token: $('token').value });
		$('token').value = '';
		$('login-dialog').close();
		refresh();
	} catch (error) {
		setText($('login-said'), error.message);
		$('token').select();
	}
});
$('login-cancel').addEventListener('click', () => $('login-dialog').close());
sure($('reload'), () => act('reload', {}, 'a reload begins'));
$('help').addEventListener('click', () => $('help-dialog').showModal());
$('filter').addEventListener('input', () => { if (status) showServices(); });
$('only').addEventListener('change', () => { if (status) showServices(); });

const THEMES = ['auto', 'light', 'dark'];
const prefersDark = matchMedia('(prefers-color-scheme: dark)');
let theme = 'auto';
try { theme = localStorage.getItem('poold-theme') || 'auto'; } catch (error) { /* not allowed */ }
function showTheme() {
	document.documentElement.dataset.theme = theme === 'auto' ? (prefersDark.matches ? 'dark' : 'light') : theme;
	setText($('theme'), { auto: '◐ auto', light: '○ light', dark: '● dark' }[theme]);
}
function nextTheme() {
	theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
	try { localStorage.setItem('poold-theme', theme); } catch (error) { /* for now, then */ }
	showTheme();
}
prefersDark.addEventListener('change', showTheme);
$('theme').addEventListener('click', nextTheme);

function step(by) {
	const shown = [...cards.values()].map((card) => card.node).filter((node) => !node.hidden).sort((a, b) => a.compareDocumentPosition(b) & 4 ? -1 : 1);
	if (shown.length === 0) return;
	const at = shown.findIndex((node) => node.contains(document.activeElement));
	const next = shown[at === -1 ? (by > 0 ? 0 : shown.length - 1) : Math.max(0, Math.min(shown.length - 1, at + by))];
	next.focus();
	next.scrollIntoView({ block: 'nearest' });
}
const KEYS = {
	'j': () => step(1),
	'k': () => step(-1),
	'/': () => $('filter').focus(),
	'p': () => $('only').click(),
	't': nextTheme,
	'?': () => $('help-dialog').showModal(),
};
document.addEventListener('keydown', (event) => {
	if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
	const target = event.target;
	if (event.key === 'Escape' && target === $('filter')) {
		$('filter').value = '';
		$('filter').blur();
		if (status) showServices();
		return;
	}
	if (target.matches('input')) return;
	if (event.key === 'Enter' && target.matches('.card')) {
		const details = target.querySelector('details');
		details.open = !details.open;
	} else if (KEYS[event.key]) {
		event.preventDefault();
		KEYS[event.key]();
	}
});

showTheme();
live('', 'connecting');
refresh();
})();
