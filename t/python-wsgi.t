#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Python applications by WSGI: what PEP 3333 asks of a server, paragraph by paragraph.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Runner;
use Poold::Proc qw(alive signal_to);
use Time::HiRes qw(sleep);

need_runner('poold-python', 'libpython3-dev');

my $poold = runner_poold('poold-python', <<'INI');
[poold]
access_log = off
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@
[listen unix]
address = unix:@run@/sock

[service app]
route = /app
language = python
app = @bin@/wsgi.py
workers = 1
max_body = 200M
request_timeout = 60s
env.NOTES = @dir@/notes

[service root]
route = /
language = python
app = @bin@/wsgi.py
workers = 1
max_body = 64K
env.NOTES = @dir@/notes
INI
my $notes = "$poold->{dir}/notes";
$poold->start;

sub get { return $poold->get("/app$_[0]", @_[1 .. $#_]) }
sub body { return get(@_)->body }

# ---- environ Variables

my $r = get('/show_environ/caf%C3%A9/a%20b%2Fc?x=1&y=%20', headers => [ 'X-Some-Thing: a',
    'X-Some-Thing: b', 'x-same: 1', 'X-Same: 1', 'Cookie: c=1', 'Cookie: d=2',
    'Proxy: http://bad.example/', 'Authorization: Basic x', 'X_Some_Thing: spoofed',
    'Content-Type: text/x', "X-Latin: caf\xe9" ], host => 'Example.org:123');
is($r->status, 200, 'a WSGI application answers') or diag $poold->log_text;
my $env = $r->json;
my %expected = (
	REQUEST_METHOD => 'GET', SCRIPT_NAME => '/app',
	PATH_INFO => "/show_environ/caf\xc3\xa9/a b%2Fc", QUERY_STRING => 'x=1&y=%20',
	REQUEST_URI => '/app/show_environ/caf%C3%A9/a%20b%2Fc?x=1&y=%20',
	SERVER_PORT => $poold->port, SERVER_PROTOCOL => 'HTTP/1.1', REMOTE_ADDR => '127.0.0.1',
	HTTP_X_SOME_THING => 'a, b', HTTP_X_SAME => '1, 1', HTTP_COOKIE => 'c=1; d=2',
	HTTP_AUTHORIZATION => 'Basic x', HTTP_X_LATIN => "caf\xe9", CONTENT_TYPE => 'text/x',
	HTTP_HOST => 'Example.org:123', 'wsgi.url_scheme' => 'http',
	'poold.service' => 'app', 'poold.worker' => 0, name => 'wsgi',
);
is($env->{$_}, $expected{$_}, "... $_") for sort keys %expected;
is(lc $env->{SERVER_NAME}, 'example.org', '... SERVER_NAME');
like($env->{SERVER_SOFTWARE}, qr{^poold/\d}, '... SERVER_SOFTWARE');
is($env->{REQUEST_ID}, $r->header('x-request-id'), '... REQUEST_ID');
is("@{$env->{'wsgi.version'}}", '1 0', '... wsgi.version');
ok(!$env->{'wsgi.multithread'} && $env->{'wsgi.multiprocess'} && !$env->{'wsgi.run_once'},
    '... how it runs');
ok($env->{dict}, '... it is a dict, and no subclass');
is("@{$env->{types}}", 'str', '... with native strings');
ok(!exists $env->{$_}, "... without $_") for qw(HTTP_PROXY CONTENT_LENGTH HTTP_CONTENT_TYPE);
is($env->{prefix}, '/usr', '... in the interpreter of the system, whatever PATH says');
is($env->{path}[0], $poold->{bin}, '... that finds modules beside the file');
is("@{$env->{argv}}", "$poold->{bin}/wsgi.py", '... with the application as argv');
$env = $poold->get('/show_environ')->json;
is("$env->{SCRIPT_NAME}|$env->{PATH_INFO}", '|/show_environ', 'a root has no SCRIPT_NAME');
$env = Poold::Client->new(path => "$poold->{run}/sock")->get('/app/show_environ')->json;
is($env->{SERVER_PORT}, 80, 'a request over a unix socket has a port too');
is(body('/own') . body('/own'), '00', 'environ may be changed, and the next is new');
my @made_up = map { "X-Made-Up-$_: $_" } 1 .. 90;
for (1 .. 4) {
	my $n = $_;
	$r = get('/show_environ', headers => [ map { "X-N$n-$_: v" } 1 .. 90 ]);
}
is($r->json->{HTTP_X_N4_90}, 'v', 'more names than are remembered are passed on as well');

is(body('/url/a%20b%2Fc/caf%C3%A9?x=%20', host => 'Example.org:123'), 'http://Example.org:123/app/url/a%20b%252Fc/caf%C3%A9?x=%20',
    'the URL can be made again of it');
is($poold->exchange('GET', '/app/url', version => '1.0', host => undef)->body,
    'http://127.0.0.1:' . $poold->port . '/app/url', '... without a Host too');

# ---- Input and Error Streams

my $text = "one\ntwo two\n\nfour";
sub pieces { return join '|', @{ $_[0]->json } }
my %reads = (
	all => "$text||", none => $text, zero => '|one|' . substr($text, 3),
	beyond => "$text|", lines => "one\n|two|| two\n|\n|four",
	hint => "one\n|two two\n\nfour", iterate => "one\n|two two\n|\n|four",
	mixed => "one\n|tw|o two\n|\nfour", pieces => join('|', unpack '(A7)*', $text =~ s/\n/!/gr) =~ s/!/\n/gr,
	nothing => '',
);
for my $how (sort keys %reads) {
	is(pieces($poold->post("/app/read?$how", $text)), $reads{$how}, "the input: $how");
	is(pieces($poold->exchange('POST', "/app/read?$how", chunks => [ "one\ntw", "o two\n\n", 'four' ])),
	    $reads{$how}, '... in chunks');
}
is(pieces(get('/read?all')), '||', 'a request without a body has an empty input');
my $client = $poold->client;
is(pieces($client->exchange('POST', '/app/read?beyond', body => $text)), "$text|",
    'reading never goes beyond the body');
is($client->get('/app/several')->body, 'abcdef', '... so the next request on the connection is whole');
is($client->exchange('POST', '/app/read?nothing', body => $text)->json && $client->get('/app/several')->body,
    'abcdef', 'a body that was not read is no part of the next request');
is($poold->post('/app/count_body', 'x' x 3_000_000)->body, 3_000_000, 'a large body is streamed');
is($poold->post('/app/read?all', 'expected', headers => ['Expect: 100-continue'])->json->[0],
    'expected', 'a client that waits is told to go on when the body is read');
get('/keep_input');
like(body('/keep_input'), qr/over/, 'an input does not outlive its request');
is($poold->exchange('POST', '/count_body', chunks => [ 'x' x 60_000, 'x' x 60_000 ])->status, 413,
    'a body without a length that is too large is a 413');
is($poold->post('/app/valid', 'body')->body, 'ok body', 'wsgiref.validate finds nothing');
is($poold->exchange('POST', '/app/valid', chunks => ['body'])->body, 'ok body', '... in chunks');
is($poold->exchange('HEAD', '/app/valid', no_body => 1)->status, 200, '... with HEAD');
$poold->mark;
$r = get('/errors');
my $id = $r->header('x-request-id');
for my $line ('error one', 'error two', "caf\xc3\xa9", 'without an end') {
	ok($poold->wait_log(qr/\[$id\] \Q$line\E\s*$/m), "wsgi.errors: '$line' is a line of the log, with the request id");
}
ok($poold->wait_log(qr/printed to $_/), "a line on $_ is in the log when it is written")
    for qw(stdout stderr);

# ---- The start_response Callable

is(get('/late_start')->status, 202, 'start_response may be called by the first part');
is(get('/empty_first')->status, 201, '... or after empty ones');
is(get('/no_start')->status, 500, 'data without start_response is a 500');
is(get('/twice')->status, 500, 'start_response twice is a 500');
$r = get('/replace');
is(join('|', $r->status, $r->body, $r->header('x-second'), $r->header('x-first') // ''), '503|replaced|2|',
    'with exc_info, what was not sent is replaced');
$poold->mark;
$r = get('/replace_late');
ok($r->error, 'once it is sent, the exception is raised and the response is cut');
ok($poold->wait_log(qr/ValueError: too late/), '... with a traceback in the log');
my %refused = (status => 'ValueError', number => 'TypeError', control => 'ValueError',
    informational => 'ValueError', fields => 'TypeError', pair => 'TypeError', list => 'TypeError',
    bytes => 'TypeError', colon => 'ValueError', newline => 'ValueError', nul => 'ValueError',
    wide => 'ValueError', connection => 'ValueError', transfer => 'ValueError',
    length => 'ValueError');
like(body("/bad?$_"), qr/^$refused{$_}: \S/, "start_response refuses: $_") for sort keys %refused;
$r = get('/latin');
is(join('|', map { $r->header($_) } 'x-latin', 'server'), "caf\xe9|mine", 'fields are Latin-1');
unlike($r->header('date'), qr/never/, '... and the date is the server\'s');

# ---- Buffering and Streaming, write()

is(body('/write'), 'one two three', 'write() comes before what is returned');
$r = get('/write_sized');
is($r->body . $r->header('content-length'), 'one two7', '... with a length');
$client = $poold->client;
$client->request('GET', '/app/streamed');
my $head = '';
while ($head !~ /first\n/ && $client->readable(10)) {
	sysread $client->sock, $head, 4096, length $head or last;
}
like($head, qr/first/, 'a part is sent before the next is made');
unlike($head, qr/second/, '... which comes later');
open(my $go, '>', "$notes/go");
ok(note_of($poold, 'closed', 'streamed'), '... and at the end it is closed');
$r = get('/several');
is($r->body . $r->header('content-length'), 'abcdef6', 'a list of small parts has a length');
$r = get('/one_of_one');
is($r->body . $r->header('content-length'), 'all there is12', 'so has what has one part');
ok(note_of($poold, 'closed', 'counted'), '... and it is closed');
$r = get('/nothing');
is($r->status . $r->body, 200, 'a response may be empty');
is(get('/no_content')->header('content-length'), '', '204 has no length');
is(get('/not_modified')->header('etag'), '"x"', '304 has its fields');
$r = $poold->exchange('HEAD', '/app/head', no_body => 1);
is($r->header('content-length'), 1000, 'HEAD has the length of what it is the head of');
$r = $poold->exchange('HEAD', '/app/boom_begun', no_body => 1);
is($r->status, 200, 'HEAD asks for no more than the first part');
$client = $poold->client;
$r = $client->exchange('HEAD', '/app/nothing');
is($r->status . $r->header('content-length') . $r->header('transfer-encoding'), '200',
    '... and of a length that is not known says nothing');
is($client->get('/app/several')->body, 'abcdef', '... and the connection goes on');
$r = get('/late_start', client => {}, version => '1.0') ;
is($r->body, 'late', 'HTTP/1.0 gets the body too');

is(unpack('H*', body('/binary')), unpack('H*', join '', map({ chr } 0 .. 255), "\r\n\r\n0\r\n\r\n"),
    'bytes are sent as they are');
is(get('/binary')->header('transfer-encoding'), 'chunked', '... in chunks where there is no length');
$r = get('/binary', version => '1.0');
is(length($r->body) . $r->header('transfer-encoding') . $r->header('content-length'), '265',
    '... and to the end of the connection for HTTP/1.0');
is(body('/Class'), 'made by a class', 'an application may be a class');
$r = get('/keywords');
is($r->body . $r->header('set-cookie'), 'keywordsa=1, b=2', 'a tuple is sent; fields may stand twice');
body('/keep_write');
is(body('/keep_write'), 'the request is over the request is over',
    'a write() and start_response that were kept do not reach the next request');

# ---- Handling the Content-Length Header

$poold->mark;
ok(get('/too_few')->error, 'a response shorter than its Content-Length is cut');
ok($poold->wait_log(qr/6 bytes less than its Content-Length, 10/), '... and the log says so');
$r = get('/too_many');
is($r->body, '1234', 'a longer one ends where it says');
ok($poold->wait_log(qr/more bytes than its Content-Length, 4/), '... and the log says so');
ok(note_of($poold, 'closed', $_), "... and it is closed ($_)") for qw(few many);

# ---- Error Handling

$poold->mark;
$r = get('/boom');
is($r->status, 500, 'an exception is a 500');
unlike($r->body, qr/secret|Traceback/, '... that says nothing of it');
$id = $r->header('x-request-id');
ok($poold->wait_log(qr/\[$id\] \s*File ".*wsgi.py", line \d+, in boom/), '... the traceback is in the log, with the request id')
    or diag $poold->log_text($poold->{log_mark});
ok($poold->wait_log(qr/\[$id\] RuntimeError: boom <secret>/), '... and the exception');
for my $path ('boom_started', 'boom_empty') {
	$r = get("/$path");
	is($r->status . $r->header('set-cookie'), '500', "... also when nothing but the head was given: $path");
}
is(get("/$_")->status, 500, "fields that are no good after all are a 500: $_") for 'changed', 'huge_head';
ok(get('/boom_begun')->error, 'an exception in the middle cuts the response');
ok(note_of($poold, 'closed', 'boomed'), '... and it is closed');
is(body('/boom_close'), 'good', 'an exception in close() is too late for the response');
ok($poold->wait_log(qr/RuntimeError: boom in close/), '... but in the log');
is(get('/bad_part')->status, 500, 'a part that is not bytes is a 500');
is(get('/leave')->status, 500, 'SystemExit in a request is a 500');

# ---- Optional Platform-Specific File Handling

my $data = join '', map { sprintf "%07d\n", $_ } 0 .. 19999;
for my $how (qw(plain raw memory gzip temporary)) {
	ok(body("/send_file?$how") eq $data, "a file is sent: $how");
	is(body('/file_closed'), 1, '... and closed');
}
ok(body('/send_file?offset') eq substr($data, 8), '... from where it was read to');
is(body('/send_file?part'), substr($data, 0, 80), '... no more than its Content-Length');
is(body('/send_file?pipe'), 'through a pipe', '... and so is what is no file');

is(body('/middleware'), 'yyyy|yyyy|yy [4, 4, 4, 4]', 'as an iterable it gives blocks, of what only has read()');

# ---- the process

my ($worker) = $poold->workers('app');
my $before = body('/background');
eventually { sleep 0.1; body('/background') > $before } 10, 'threads go on while the worker waits';
my $one = body('/memory');
my $bytes = 0;
is(download($poold, '/app/gibibyte?1024'), 1 << 30, 'a generator streams 1 GiB');
cmp_ok(body('/memory') - $one, '<', 8 << 10, '... in constant memory');

# ---- a client that leaves

leave_in_the_middle($poold, "/app/$_") for 'endless', 'endless_write';
ok(note_of($poold, 'closed', 'generator'), 'a client that leaves is noticed: the generator is closed');
ok(note_of($poold, 'closed', 'write .*Error'), '... and write() fails');
is(body('/several'), 'abcdef', '... and the worker goes on');

$poold->stop('TERM');
ok(note_of($poold, 'atexit', "^$worker\$"), 'what is registered with atexit runs at the end');
finish();
