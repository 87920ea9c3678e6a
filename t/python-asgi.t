#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Python applications by ASGI 3: what its specification asks of a server.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Digest::SHA qw(sha1_base64);
use Time::HiRes qw(sleep);

my $runner = ($ENV{POOLD_LIBEXEC} // Poold::Test::builddir() . '/libexec') . '/poold-python';
plan(skip_all => 'poold-python was not built (Debian: libpython3-dev)') unless -x $runner;
my $has_wsproto = system('/usr/bin/python3 -c "import wsproto" 2>/dev/null') == 0;

my $poold = new_poold(<<'INI');
[poold]
access_log = off
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@

[service app]
route = /app
language = python
app = @bin@/asgi.py
workers = 1
concurrency = 16
max_body = 200M
env.NOTES = @dir@/notes

[service small]
route = /small
language = python
app = asgi:hidden
python_path = @bin@
interface = asgi
workers = 1
max_body = 64K
env.NOTES = @dir@/notes

[service instance]
route = /instance
language = python
app = @bin@/asgi.py:instance
workers = 1
INI
my $notes = "$poold->{dir}/notes";
mkdir $notes;
chmod 0777, $notes;
$poold->{keep} = qr{^notes/|__pycache__};
Poold::Test::copy_program(Poold::Test::real_program($runner), "$poold->{bin}/poold-python");
$poold->start;

sub note_of {
	my ($name, $pattern) = @_;
	return wait_until(sub {
		open(my $in, '<', "$notes/$name") or return 0;
		return grep { /$pattern/ } <$in>;
	}, 10);
}
sub download {
	my $url = 'http://127.0.0.1:' . $poold->port . "/app$_[0]";
	return `curl -s -o /dev/null -w '%{size_download}' '$url'`;
}
sub get { return $poold->get("/app$_[0]", @_[1 .. $#_]) }

# ---- the lifespan protocol

ok(note_of('lifespan', 'startup'), 'the application is told of its start-up');
is($poold->get('/instance')->body, 'an instance without lifespan',
    'one that knows no lifespan is served too');

# ---- the HTTP connection scope

my $r = get('/show/caf%C3%A9%2Fx?x=1&y=%20', headers => [ 'X-Some: a', 'x-some: b', "X-Latin: caf\xe9" ],
    host => 'Example.org:123');
is($r->status, 200, 'an ASGI application answers') or diag $poold->log_text;
my $scope = $r->json;
my %expected = (type => 'http', http_version => '1.1', method => 'GET', scheme => 'http',
    path => "/app/show/caf\xe9%2Fx", raw_path => '/app/show/caf%C3%A9%2Fx',
    query_string => 'x=1&y=%20', root_path => '/app');
is($scope->{$_}, $expected{$_}, "... $_") for sort keys %expected;
is("$scope->{asgi}{version} $scope->{asgi}{spec_version}", '3.0 2.3', '... asgi');
my %types = (raw_path => 'bytes', query_string => 'bytes', name => 'bytes', path => 'str', headers => 'list',
    client => 'tuple', server => 'tuple');
is($scope->{types}{$_}, $types{$_}, "... $_ is $types{$_}") for sort keys %types;
my @headers = map { "$_->[0]=$_->[1]" } grep { $_->[0] =~ /^(?:x-|host)/ } @{ $scope->{headers} };
is("@headers", "host=Example.org:123 x-some=a x-some=b x-latin=caf\xe9",
    '... headers in their order, names in small letters');
is($scope->{client}[0], '127.0.0.1', '... client');
is("@{$scope->{server}}", '127.0.0.1 ' . $poold->port, '... server');
is($scope->{state}{answer}, 42, '... the state that start-up has left');
ok(!exists get('/show')->json->{state}{mine}, '... of which each request has a copy');
is($scope->{extensions}{poold}{request_id}, $r->header('x-request-id'), '... the request id');
is($poold->get('/small/show')->json->{root_path}, '/small',
    'interface = asgi is for what does not look like it; a module is found by python_path');

# ---- Request and Disconnect Receive Events

my $body = join '', map { chr($_ % 256) } 1 .. 300_000;
my $sum = 0;
$sum += $_ for unpack 'C*', $body;
is($poold->post('/app/read', $body)->body, "300000 $sum", 'a body comes in messages');
is($poold->exchange('POST', '/app/read', chunks => [ unpack '(A70000)*', $body =~ s/[\0 ]/x/gr ])->body =~ s/ .*//r, 300000,
    '... in chunks too');
is(get('/read')->body, '0 0', '... and an empty one is one message');
is($poold->post('/app/read', 'x', headers => ['Expect: 100-continue'])->body, '1 120',
    'a client that waits is told to go on');
is($poold->post('/app/early', 'body')->body, 'early', 'a response may come before the body is read');
ok(note_of('early', 'http.disconnect'), '... and after it, receive tells of the end');
my $client = $poold->client;
$client->exchange('POST', '/app/unread', body => 'x' x 1000);
is($client->get('/app/unread')->body, 'unread', 'what was not read is no part of the next request');
is($poold->exchange('POST', '/small/read', chunks => [ 'x' x 60_000, 'x' x 60_000 ])->status, 413,
    'a body without a length that is too large is a 413');

# ---- Response Events

$client = $poold->client;
$client->request('GET', '/app/stream');
my $some = '';
while ($some !~ /first\n/ && $client->readable(10)) {
	sysread $client->sock, $some, 4096, length $some or last;
}
like($some, qr/first/, 'a part is sent before the next is made');
unlike($some, qr/second/, '... which comes later');
is(get('/unread')->body, 'unread', '... and others are answered in between');
open(my $go, '>', "$notes/go");
while ($some !~ /\r\n0\r\n\r\n$/ && $client->readable(10)) {
	sysread $client->sock, $some, 4096, length $some or last;
}
like($some, qr/second/, '... until it ends');
$r = get('/hop');
is(join('|', $r->body, map { $r->header($_) } qw(content-length x-list set-cookie transfer-encoding)),
    'ok|2|yes|a=1, b=2|', 'fields about the connection are the server\'s; others are sent');
is(get('/length?4')->body, '1234', 'a Content-Length may be given');
ok(get('/length?9')->error, 'a response that is shorter is cut');
is($poold->exchange('HEAD', '/app/length?4')->header('content-length'), 4, 'HEAD has no body');
is(get("/wrong?$_")->body, 'RuntimeError', "a message out of order is an error: $_") for qw(body type websocket twice);
get('/after');
ok(note_of('after', 'RuntimeError'), '... and so is one after the end');
$poold->mark;
$r = get('/boom');
is($r->status, 500, 'an exception is a 500');
unlike($r->body, qr/secret|Traceback/, '... that says nothing of it');
my $id = $r->header('x-request-id');
ok($poold->wait_log(qr/\[$id\] RuntimeError: boom <secret>/), '... the traceback is in the log, with the request id');
is(get('/lazy_head')->status, 500, '... also when nothing but the head was given');
ok(get('/boom_begun')->error, '... and in the middle the response is cut');
is(get('/silent')->status, 500, 'no response is a 500');
ok(get('/half')->error, 'a response that does not end is cut');

# ---- several at a time

my @clients = map { $poold->client } 1 .. 10;
$_->request('GET', '/app/together?10') for @clients;
is(join(' ', map { $_->response->body } @clients), join(' ', (10) x 10), 'requests are answered at the same time');

# ---- backpressure, and clients that leave

my $before = get('/memory')->body;
is(download('/gibibyte?1024'), 1 << 30, '1 GiB is streamed');
cmp_ok(get('/memory')->body - $before, '<', 12 << 10, '... in constant memory');
for my $path ('endless', 'wait_gone') {
	my $leaver = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $poold->port);
	print $leaver "GET /app/$path HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $leaver, my $begun, 65536;
	close $leaver;
}
ok(note_of('left', 'send .*Error'), 'a client that leaves is noticed: send fails');
ok(note_of('left', 'receive http.disconnect'), '... and receive tells of it');

# ---- WebSocket

sub frame {
	my ($opcode, $payload, $fin) = @_;
	my $len = length $payload;
	my $head = pack 'C', ($fin // 1) << 7 | $opcode;
	$head .= $len < 126 ? pack('C', 0x80 | $len) : $len < 65536 ? pack('Cn', 0xfe, $len) : pack('CQ>', 0xff, $len);
	my $mask = 'mask';
	return $head . $mask . ($payload ^ substr($mask x ($len / 4 + 1), 0, $len));
}
sub websocket {
	my ($path, @headers) = @_;
	my $c = $poold->client;
	$c->request('GET', "/app$path", headers => [ 'Upgrade: websocket', 'Connection: Upgrade',
	    'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', @headers ]);
	return ($c, $c->response(interim => 1));
}
sub take_frame {
	my ($c) = @_;
	my $take = sub { my ($bytes) = $c->take($_[0], time + 10); return $bytes // '' };
	my ($first, $len) = unpack 'CC', $take->(2);
	return 'nothing' unless defined $len;
	$len = unpack('n', $take->(2)) if $len == 126;
	$len = unpack('Q>', $take->(8)) if $len == 127;
	return ($first & 15) . ':' . $take->($len);
}
SKIP: {
	skip 'python3-wsproto is not installed', 1 unless $has_wsproto;
	my ($c, $answer) = websocket('/echo', 'Sec-WebSocket-Protocol: chat, superchat');
	is($answer->status, 101, 'a WebSocket is accepted') or diag $poold->log_text;
	is($answer->header('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', '... with the key');
	is($answer->header('sec-websocket-protocol') . $answer->header('x-mine'), 'chatyes', '... subprotocol and fields');
	$c->send(frame(1, 'hello'));
	is(take_frame($c), '1:hello', 'text comes back');
	$c->send(frame(2, "\0" x 70000));
	is(take_frame($c), '2:' . "\0" x 70000, '... and so do bytes');
	$c->send(frame(1, 'a ', 0) . frame(9, 'ping') . frame(0, 'whole'));
	is(take_frame($c), '10:ping', 'a ping is answered, within a message');
	is(take_frame($c), '1:a whole', '... whose fragments are one');
	$c->send(frame(1, 'close'));
	is(take_frame($c), '8:' . pack('n', 4321) . 'asked', 'the application can close it');
	$c->send(frame(8, pack 'n', 4321));
	ok(note_of('websocket', 'closed 4321'), '... and is told of the end');
	($c, $answer) = websocket('/echo');
	$c->send(frame(8, pack('n', 1001)));
	is(take_frame($c), '8:' . pack('n', 1001), 'the client can close it');
	ok(note_of('websocket', 'disconnect 1001'), '... and the application is told the code');
	($c, $answer) = websocket('/echo');
	$c->close;
	ok(note_of('websocket', 'disconnect 1006'), '... or that it left without a word');
	is((websocket('/refuse'))[1]->status, 403, 'a WebSocket that is refused is a 403');
	is((websocket('/boom'))[1]->status, 500, '... and an exception before is a 500');
	($c, $answer) = websocket('/echo', 'Sec-WebSocket-Extensions: permessage-deflate');
	like($answer->header('sec-websocket-extensions'), qr/permessage-deflate/, 'compression is agreed on');
	($c, $answer) = websocket('/echo');
	$poold->signal('TERM');
	is(take_frame($c), '8:' . pack('n', 1012) . 'restart', 'at the end of a worker its clients are told');
}

# ---- the end

$poold->stop('TERM');
ok(note_of('lifespan', 'shutdown'), 'the application is told of the end');

finish();
