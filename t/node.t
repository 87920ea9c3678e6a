#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Node.js applications under poold-node, the language "node".  POOLD_TEST_NODE: the
# Node.js to test with, instead of the first one in PATH.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Node qw(node_skip_all with_node copy_node);
use Poold::Proc qw(alive signal_to);
use Time::HiRes qw(sleep);

node_skip_all();
# Debian's packages lie where its own Node looks, and no other.
my $modules = '/usr/share/nodejs';
my $has_modules = -d "$modules/express" && -d "$modules/ws";

my $ini = <<'INI';
[poold]
access_log = @dir@/access
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@

[service app]
route = /app
language = node
app = @bin@/node.js
workers = 1
max_body = 200M
env.NOTES = @dir@/notes
node_option = --max-old-space-size=128
argument = one
argument = two words
health_check = /app/status?is=200
health_interval = 200ms

[service pool]
route = /pool
language = node
app = @bin@/node.js
workers = 2
env.NOTES = @dir@/notes

[service hello]
route = /hello
command = hello
workers = 1
INI
$ini .= <<"INI" if $has_modules;

[service express]
route = /x
language = node
app = \@bin\@/express_app.js
workers = 1
env.NODE_PATH = $modules
INI
my $poold = new_poold(with_node($ini));
my $dir = $poold->{dir};
my $notes = "$dir/notes";
copy_node($poold);
Poold::Test::copy_program(Poold::Test::srcdir() . '/t/frameworks/express_app.js', "$poold->{bin}/express_app.js");
$poold->start;

sub note_of {
	my ($name, $pattern) = @_;
	return wait_until(sub {
		open(my $in, '<', "$notes/$name") or return 0;
		return grep { /$pattern/ } <$in>;
	}, 10);
}
sub put { my ($name) = @_; open(my $out, '>', "$notes/$name") or die $!; return close $out }
sub get { return $poold->get("/app/$_[0]", @_[1 .. $#_]) }
sub nodes { return Poold::Node::nodes($poold, @_) }

# ---- a plain http application

my $client = $poold->client;
my $r = $client->get('/app/show?x=1&y=%20', headers => [ 'X-Some: a', 'X-Latin: caf' . "\xe9", 'X-Quote: "\\' ]);
is($r->status, 200, 'an unmodified http application answers') or diag $poold->log_text;
my $seen = $r->json;
is($seen->{url}, '/app/show?x=1&y=%20', '... it sees the target as it was sent');
is("$seen->{headers}{'x-some'} $seen->{headers}{'x-quote'}", 'a "\\', '... and the fields');
is($seen->{headers}{'x-latin'}, "caf\xe9", '... whatever bytes they have');
is("$seen->{remoteAddress} $seen->{remotePort}", '127.0.0.1 ' . $client->local_port, '... and the client itself');
is($seen->{localPort}, $poold->port, '... and the port');
is($seen->{address}{port}, 3000, 'address() is what the application asked for');
is(join(',', @{ $seen->{words} }), 'one,two words', 'arguments are given to it');
ok((grep { $_ eq '--max-old-space-size=128' } @{ $seen->{options} }), '... and options to Node');
is($seen->{protocol}, 'none', 'what poold tells a worker is not for it');
is($r->header('set-cookie'), 'a=1, b=2', 'fields that stand twice');
is($client->get('/hello')->status, 200, 'the connection goes to another service');
is($client->get('/app/status?is=201')->status, 201, '... and back');
is($r->header('connection'), 'keep-alive', 'what it says about the connection');
is($client->get('/app/status?is=202&close')->header('connection'), 'close', '... is what happens');
is($client->ending(5), 'eof', '... also when the application wants it closed');
is($poold->exchange('GET', '/app/status?is=200', version => '1.0')->body, 'status', 'HTTP/1.0');
$client = $poold->client;
is($client->exchange('HEAD', '/app/show')->body, '', 'HEAD has no body');
is($client->get('/app/status?is=204')->body, '', '204 neither');
is($client->get('/app/status?is=404')->status, 404, '... and the connection is kept');
is($client->get('/app/stream')->body, "first\nsecond\n", 'a response in chunks');
is($poold->get('/app/none')->status, 404, 'a page that is not there');
ok(note_of('listening', '"port":3000'), 'listen() calls back');
get('said');
ok($poold->wait_log("said on $_"), "the log has what is $_") for 'stdout', 'stderr';

# ---- the connections that it sees

$client = $poold->client;
my $other = $poold->client;
is(join(' ', map { $client->get('/app/show')->json->{requests} } 1 .. 3), '1 2 3',
    'the socket is the same for the requests of one connection');
is($other->get('/app/show')->json->{requests}, 1, '... and another one for another');
$client->post('/app/read', 'x' x 100_000);
is($client->get('/app/stream')->body, "first\nsecond\n", '... where Node writes to the client by itself, too');
is($client->get('/app/show')->json->{requests}, 4, '... and what follows');

# ---- bodies

sub sum { my $s = 0; $s += ord for split //, $_[0]; return $s }
is($client->post('/app/read', 'abc')->body, '3 97', 'a body');
is($client->post('/app/unread', 'x' x 30_000)->body, 'unread', 'one that nobody reads');
is($client->post('/app/read', 'b')->body, '1 98', '... is no part of the next request');
like($poold->post('/app/read', 'x' x 300_000)->body, qr/^300000 /, 'a larger one');
like($poold->post('/app/read?slowly', 'x' x 300_000)->body, qr/^300000 /, '... of which the application does not read for a while');
like($poold->exchange('POST', '/app/read', chunks => [ 'x' x 70_000, 'y' ])->body, qr/^70001 /, 'in chunks');
is($client->post('/app/read', 'x', headers => ['Expect: 100-continue'])->body, '1 120',
    'a client that waits is told to go on');
is($poold->client->exchange('POST', '/app/read', body => 'x', headers => ['Expect: 100-continue', 'X-Refuse: 1'])->status,
    413, '... or not, as the application says');

$client = $poold->client;
$client->send(join '', map { $client->format_request('GET', "/app/status?is=$_") } 200 .. 204);
is(join(' ', map { $client->response->status } 1 .. 5), '200 201 202 203 204', 'pipelined requests, in their order');
$client->send($client->format_request('POST', '/app/read', body => 'abc') . $client->format_request('GET', '/hello')
    . $client->format_request('POST', '/app/read', body => 'de') . $client->format_request('GET', '/app/status?is=200'));
is(join(' ', map { $client->response->status } 1 .. 4), '200 200 200 200', '... with bodies, of two services');
$client = $poold->client;
$client->send($client->format_request('POST', '/app/read', chunks => ['abc']) . $client->format_request('GET', '/app/die?once=never'));
is($client->response->body, '3 97', 'what follows a chunked body');
is($client->ending(5), 'eof', '... is not looked at: the connection ends');
ok(!-e "$notes/never", '... and the application has not seen it');

# ---- large bodies

# The most that the workers ever had in memory, in KiB.
sub peak {
	my $peak = 0;
	for my $pid ($poold->workers('app'), nodes('app')) {
		my ($kib) = (Poold::Proc::slurp("/proc/$pid/status") // '') =~ /^VmHWM:\s+(\d+)/m;
		$peak = $kib if $kib > $peak;
	}
	return $peak;
}
sub download {
	my ($mib) = @_;
	my $c = $poold->client(timeout => patience(60));
	$c->request('GET', "/app/big?mib=$mib", headers => ['Connection: close']);
	my $got = 0;
	while ($c->fill(time + patience(60)) eq 'data') {
		$got += length $c->{in};
		$c->{in} = '';
	}
	return $got;
}
sub upload {
	my ($mib) = @_;
	my $c = $poold->client(timeout => patience(60));
	$c->request('POST', '/app/read', headers => [ 'Content-Length: ' . ($mib << 20) ]);
	$c->send('x' x (1 << 20)) or last for 1 .. $mib;
	return $c->response->body;
}
download(16);
upload(16);
my $before = peak();
cmp_ok(download(100), '>', 100 << 20, '100 MiB are given');
like(upload(100), qr/^@{[100 << 20]} /, '... and taken');
cmp_ok(peak() - $before, '<', 40 << 10, '... in constant memory');

# ---- several at a time

my @clients = map { $poold->client } 1 .. 20;
$_->request('GET', '/app/hold?until=go') for @clients;
wait_until(sub { my @held = split /\n/, Poold::Proc::slurp("$notes/held") // ''; @held == 20 }, 10);
is(get('unread')->body, 'unread', 'one process holds 20 requests, and answers another');
put('go');
my %by = map { $_->response->body => 1 } @clients;
is(join(' ', keys %by), 'held by ' . join(' ', nodes('app')), '... all of them');

# ---- clients that leave

$client = $poold->client;
$client->request('GET', '/app/hold?until=never1');
note_of('held', 'never1');
$client->close;
ok(note_of('closed', '^never1 false'), 'the application learns that its client left');
$client = $poold->client;
$client->request('GET', '/app/hold?until=never2');
note_of('held', 'never2');
$client->reset;
ok(note_of('closed', '^never2 false'), '... also by a reset');
$client = $poold->client;
$client->request('POST', '/app/read', headers => ['Content-Length: 200000']);
$client->send('x' x 100_000);
$client->close;
ok(note_of('aborted', '.'), '... and in the middle of its body');
ok($poold->client->get('/app/destroy')->error, 'the application may cut a connection itself');

# ---- applications that do it their own way

# How the connection ends, whatever comes before that.
sub end_of {
	my ($c) = @_;
	my $end;
	1 while ($end = $c->fill(time + patience(10))) eq 'data';
	return $end;
}
like($poold->client->get('/app/again')->body, qr/^a{4}b{4}c{4}$/, 'a buffer that is used again when it was written');
for my $when ('', '?later') {
	$client = $poold->client;
	$client->request('GET', "/app/ended$when");
	is(end_of($client), 'eof', "a socket that the application ends$when: so does the connection");
	like($client->{in}, qr/ended/, '... behind what was written');
}
for my $bytes (3, 7) {
	$client = $poold->client;
	$client->request('GET', "/app/length?bytes=$bytes");
	is(end_of($client), 'eof', "a response of $bytes bytes that said 5 is the last one of its connection");
}

# ---- server-sent events

$client = $poold->client;
$client->request('GET', '/app/events');
my $some = '';
while ($some !~ /next.*next/s && $client->readable(10)) {
	sysread $client->sock, $some, 4096, length $some or last;
}
like($some, qr/data: first\n\n.*data: next/s, 'server-sent events');
$client->close;
ok(note_of('events', 'closed'), '... until the client leaves');

# ---- the access log

eventually { (Poold::Proc::slurp("$dir/access") // '') =~ m{"GET /app/status\?is=201 HTTP/1\.1" 201 \d+} } 5,
    'the access log has status and bytes';
like(Poold::Proc::slurp("$dir/access"), qr{"GET /app/big\?mib=100 HTTP/1\.1" 200 10\d{7}}, '... of large ones too');

# ---- Express, and WebSockets by ws

sub frame {
	my ($opcode, $payload) = @_;
	my $mask = 'mask';
	return pack('CC', 0x80 | $opcode, 0x80 | length $payload) . $mask
	    . ($payload ^ substr($mask x 32, 0, length $payload));
}
sub take_frame {
	my ($c) = @_;
	my $take = sub { my ($bytes) = $c->take($_[0], time + 10); return $bytes // '' };
	my ($first, $len) = unpack 'CC', $take->(2);
	return defined $len ? ($first & 15) . ':' . $take->($len) : 'nothing';
}
SKIP: {
	skip('Express and ws are not installed (Debian: node-express node-ws)', 12) if !$has_modules && !$ENV{CI};
	$client = $poold->client;
	$r = $client->get('/x/hello/you?a=b')->json;
	is("$r->{hello} $r->{ip} $r->{query}{a}", 'you 127.0.0.1 b', 'Express answers');
	is($client->exchange('POST', '/x/form', body => '{"a":1}', headers => ['Content-Type: application/json'])->json->{a},
	    1, '... JSON');
	is($client->exchange('POST', '/x/form', body => 'a=1+2', headers => ['Content-Type: application/x-www-form-urlencoded'])
	    ->json->{a}, '1 2', '... a form');
	is($client->get('/x/file')->body, Poold::Proc::slurp("$poold->{bin}/express_app.js"), '... a file');
	is($client->get('/x/wrong')->status, 500, '... an exception that Express catches');
	is($client->get('/x/later')->body, 'later', '... a response by a promise, all on one connection');
	is($client->get('/x/redirect')->header('location'), '/x/hello/again', '... a redirect');
	$client = $poold->client;
	$client->request('GET', '/x/socket', headers => [ 'Upgrade: websocket', 'Connection: Upgrade',
	    'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' ]);
	$r = $client->response(interim => 1);
	is($r->status . $r->header('sec-websocket-accept'), '101s3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'a WebSocket by ws');
	$client->send(frame(1, 'hello'));
	is(take_frame($client), '1:127.0.0.1 false hello', '... talks');
	$client->send(frame(1, 'bye'));
	is(take_frame($client), '8:' . pack('n', 1000) . 'bye', '... and is closed');
	$client->send(frame(8, pack 'n', 1000));
	is($client->ending(5), 'eof', '... with the connection');
	$client->close;
	ok($poold->wait_log('websocket closed 1000'), '... of which the application is told');
}

# ---- the example

my $example = Poold::Test::srcdir() . '/conf/languages';
my $hello = new_poold(with_node("[poold]\nlibexec = $poold->{bin}\n" . Poold::Proc::slurp("$example/node.ini")));
$hello->{env} = { PORT => $hello->port };
Poold::Test::copy_program("$example/hello.js", "$hello->{conf}/hello.js");
$hello->start;
$r = $hello->get('/hello?service=demo&data=test');
is(join(' ', @{ $r->json }{qw(language port service data)}), 'node ' . $hello->port . ' demo test', 'the example serves');
is($hello->stop, 0, '... and stops');

# ---- exceptions and kills

my ($pid) = nodes('app');
my ($runner) = $poold->workers('app');
$r = get('throws');
is($r->status, 502, 'an exception that nobody catches ends the process, twice: 502');
ok($poold->wait_log('thrown by the application'), '... and its words are in the log');
ok($poold->wait_log('node.js ended with exit status 1'), '... with the end of the process');
wait_until(sub { my ($now) = nodes('app'); $now && $now != $pid }, 10);
is(get('unread')->body, 'unread', '... of which there is another');
ok(!alive($pid) && !alive($runner), '... and the old one is gone');
is($poold->get('/pool/die?once=died')->body, 'alive', 'a Node that dies in a GET: it is made again');
unlink "$notes/died";
is($poold->post('/pool/die?once=died', 'x')->status, 502, '... in a POST: 502');
# Between the last byte of a response and its end for poold.
for my $case ([ 'of a large one', 'GET', 200_000, '' ], [ 'of a small one', 'GET', 10, '' ],
    [ 'to a large body', 'POST', 10, 'x' x 100_000 ]) {
	my ($name, $method, $bytes, $body) = @$case;
	(my $once = $name) =~ tr/ /-/;
	$client = $poold->client;
	$r = $client->exchange($method, "/pool/last?once=$once&bytes=$bytes", body => $body);
	is(length $r->body, $bytes, "a Node that dies after its last byte, $name: the client has its answer");
	is($client->get('/pool/show')->status, 200, '... and its connection');
	wait_until(sub { !alive(Poold::Proc::slurp("$notes/$once")) }, 10);
	wait_until(sub { 2 == grep { $_ } nodes('pool') }, 10);
}
# Kills under load: chaos-languages.t

# ---- reloads

my $load = load($poold, target => '/pool/show', rate => 100);
my %before = map { $_ => 1 } nodes('pool');
utime 1, 1, "$poold->{bin}/node.js" or die $!;
like($poold->reload, qr/reload done/, 'a change of the app is a new generation');
ok(wait_until(sub { !grep { $before{$_} } nodes('pool') }, 10), '... in new processes');
my $result = $load->stop;
is("@{ $result->{failures} }", '', '... without a failure');
ok(note_of('end', 'SIGTERM') && note_of('end', 'closed'), 'the application is told of its end, and closes its server');
$client = $poold->client;
$client->request('GET', '/app/hold?until=reloaded');
note_of('held', 'reloaded');
utime 2, 2, "$poold->{bin}/node.js" or die $!;
$poold->reload;
put('reloaded');
like($client->response->body, qr/held by/, 'a request that is under way is answered by the old one');

sub refuses {
	my ($source, $said, $name, @keys) = @_;
	$poold->mark;
	$poold->write_file('bad.js', $source);
	$poold->write_config(with_node(join "\n", $ini, '[service bad]', 'route = /bad', 'language = node', 'app = bad.js',
	    'start_timeout = 5s', @keys, ''));
	unlike($poold->reload, qr/reload done/, "$name: a reload fails");
	ok($poold->wait_log($said), '... and says why') or diag $poold->log_text;
	is(get('unread')->body, 'unread', '... and the old generation goes on');
}
refuses("let x = ;\n", 'reload.*bad\.js:1: SyntaxError', 'a syntax error');
refuses("require('no-such-module');\n", "reload.*bad\\.js.*Cannot find module 'no-such-module'", 'a missing module');
refuses("\nthrow new TypeError('wrong');\n", 'reload.*bad\.js:2: TypeError: wrong', 'an exception');
refuses("console.log('no server');\n", 'reload.*bad\.js.*without having called listen', 'one that does not listen');
refuses('', 'reload.*cannot run no-such-node: ', 'an interpreter that is not there', 'interpreter = no-such-node');
$poold->remove_file('bad.js');
refuses2();
sub refuses2 {
	$poold->mark;
	unlike($poold->reload, qr/reload done/, 'a file that is not there: a reload fails');
	ok($poold->wait_log('bad.js: No such file'), '... and says why');
	$poold->write_config(with_node($ini));
	return;
}

is($poold->stop, 0, 'all of it stops');
finish();
