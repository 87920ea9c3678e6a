#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Python applications by ASGI 3: what its specification asks of a server.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Runner;
use Time::HiRes qw(sleep);

need_runner('poold-python', 'libpython3-dev');

my $poold = runner_poold('poold-python', <<'INI');
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

[listen unix]
address = unix:@run@/sock

[service small]
route = /small
language = python
app = asgi:hidden
python_path = @bin@
interface = asgi
workers = 1
max_body = 64K
env.NOTES = @dir@/notes
env.FAIL_LATE = 1

[service instance]
route = /instance
language = python
app = @bin@/asgi.py:instance
workers = 1
INI
my $notes = "$poold->{dir}/notes";
$poold->start;

sub get { return $poold->get("/app$_[0]", @_[1 .. $#_]) }

# ---- the lifespan protocol

ok(note_of($poold, 'lifespan', 'startup'), 'the application is told of its start-up');
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
is("$scope->{asgi}{version} $scope->{asgi}{spec_version}", '3.0 2.5', '... asgi');
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

is($poold->exchange('get', '/app/show')->json->{method}, 'GET', 'a method is in capitals');
is(get('/show/%ff%C3')->json->{path}, "/app/show/\x{fffd}\x{fffd}",
    'what is no UTF-8 in a path is replaced: it can be written');
is(get('/show?%ff')->json->{query_string}, '%ff', '... and a query is as it was sent');
is($poold->exchange('GET', 'http://proxied.example/app/show//x%2F?y')->json->{raw_path}, '/app/show//x%2F',
    'the raw path of a request as proxies send it is its path');
my $unix = Poold::Client->new(path => "$poold->{run}/sock");
$scope = $unix->get('/app/show')->json;
is($scope->{client}, undef, 'over a unix socket there is no client');
ok(!defined $scope->{server}[1] && defined $scope->{server}[0], '... and the server has no port');
is($unix->get('/app/show', version => '1.0')->json->{http_version}, '1.0', '... HTTP/1.0');

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
ok(note_of($poold, 'early', 'http.disconnect'), '... and after it, receive tells of the end');
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
ok(note_of($poold, 'after', 'RuntimeError'), '... and so is one after the end');
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

is(get('/refused?huge')->status, 500, 'fields that are too long are a 500');
for my $what (qw(name colon newline nul text pair none length lengths status high word body part)) {
	$r = get("/refused?$what");
	is(join('|', $r->status, $r->header('set-cookie')), '500|', "a response that is wrong is a 500 with no field of it: $what");
}
$r = get('/any_iterable');
is(join('|', $r->body, map { $r->header("x-$_") } 'one', 'two'), 'a view|1|2',
    'fields are any iterable of iterables, a body is any bytes');
my ($worker) = $poold->workers('app');
is(get("/leaves?$_")->status, 500, "the end of Python in a request is a 500: $_") for 'exit', 'interrupt';
is(join(' ', $poold->workers('app')), $worker, '... of that request alone');

# ---- tasks of the application

is($poold->post('/app/waiters', 'x' x 300_000)->body, 'go on', 'several tasks may wait for the body');
ok(note_of($poold, 'waiters', '^300000$'), '... get it between them, and hear of the end');
my $first_fds = get('/fds')->body;
for (1 .. 20) {
	$client = $poold->client;
	$client->request('GET', '/app/left_behind');
	$client->response;
	is($poold->get('/app/unread')->body, 'unread', 'others are served after an application that left tasks behind')
	    if $_ == 20;
}
ok(note_of($poold, 'behind', $_), "... which are told: $_")
    for 'receive 0 http.request', 'receive 1 http.disconnect';
ok(note_of($poold, 'behind', 'send \w*Error'), '... send');
eventually { get('/fds')->body <= $first_fds } 10, '... and leave no descriptor behind';

# ---- several at a time

my @clients = map { $poold->client } 1 .. 10;
$_->request('GET', '/app/together?10') for @clients;
is(join(' ', map { $_->response->body } @clients), join(' ', (10) x 10), 'requests are answered at the same time');

# ---- backpressure, and clients that leave

my $before = get('/memory')->body;
is(download($poold, '/app/gibibyte?1024'), 1 << 30, '1 GiB is streamed');
cmp_ok(get('/memory')->body - $before, '<', 12 << 10, '... in constant memory');
leave_in_the_middle($poold, "/app/$_") for 'endless', 'wait_gone', 'gone_then_send';
ok(note_of($poold, 'left', 'send .*Error'), 'a client that leaves is noticed: send fails');
ok(note_of($poold, 'left', 'receive http.disconnect'), '... and receive tells of it');

ok(note_of($poold, 'left', 'and then BrokenPipeError True'), '... after which send raises a subclass of OSError') or
    diag Poold::Proc::slurp("$notes/left");

# ---- the end

$poold->stop('TERM');
ok(note_of($poold, 'lifespan', 'shutdown'), 'the application is told of the end');
ok($poold->wait_log(qr/asgi:hidden: shut-down: cannot <close>/), '... and what it says of a shut-down that failed is logged');

finish();
