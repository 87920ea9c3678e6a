#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# One connection: many requests, many services, and how it ends.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 2

[service b]
route = /b
command = @bin@/echo
workers = 2

[service c]
route = /c
command = @bin@/echo
workers = 2
INI

{
	my $client = $poold->client;
	my @services = qw(a b c a c b b a);
	my @got = map { $client->get("/$_")->json } @services;
	is(join(' ', map { $_->{service} // 'none' } @got), "@services",
	    'one connection gets answers from all services in turn');
	is(keys %{ tally(map { $_->{client_port} } @got) }, 1,
	    '... each written by the worker on the one connection');
	is($got[0]{client_port}, $client->local_port, '... whose port is ours');
}

{
	my $client = $poold->client;
	my @paths = map { '/' . qw(a b c)[$_ % 3] . "/$_" } 1 .. 10;
	# The first is the slowest: answers come in order, not as they are ready.
	$client->send(join '', map {
		$client->format_request('GET', "$_?sleep_ms="
		    . ($_ eq $paths[0] ? 100 : 0))
	} @paths);
	my @got = map { $client->response->json->{path} // 'none' } @paths;
	is("@got", "@paths", 'ten pipelined requests come back in order');
}

{
	my $client = $poold->client;
	my $body = 'x' x 1000;
	$client->send($client->format_request('POST', '/a', body => $body)
	    . $client->format_request('GET', '/b'));
	is($client->response->json->{body_length}, 1000,
	    'a body is read to its end');
	is($client->response->json->{service}, 'b',
	    '... and the pipelined request behind it is seen');
}

{
	my $client = $poold->client;
	$client->send("\r\n\r\n" . $client->format_request('GET', '/a'));
	is($client->response->status, 200, 'empty lines before a request are skipped');
	$client->send("\r\n" . $client->format_request('GET', '/b'));
	is($client->response->json->{service}, 'b', '... on a kept connection, too');
}

{
	my $client = $poold->client;
	my $r = $client->get('/a', version => '1.0');
	is($r->status, 200, 'HTTP/1.0 is answered');
	is($client->ending, 'eof', '... and the connection ends');

	$client = $poold->client;
	$r = $client->get('/a', version => '1.0', host => undef);
	is($r->status, 200, 'HTTP/1.0 needs no Host');

	$client = $poold->client;
	$r = $client->get('/a?stream=3', version => '1.0');
	is($r->body, "piece 0\npiece 1\npiece 2\n",
	    'a streamed response to HTTP/1.0 is whole');
	is($r->header('transfer-encoding'), '', '... and not chunked');
	ok($r->{until_close}, '... and ends with the connection');

	$client = $poold->client;
	$r = $client->get('/a', version => '1.0',
	    headers => ['Connection: keep-alive']);
	is($r->header('connection'), 'keep-alive',
	    'HTTP/1.0 with keep-alive is told so');
	is($client->get('/b', version => '1.0',
	    headers => ['Connection: keep-alive'])->json->{service}, 'b',
	    '... and kept');
}

{
	my $client = $poold->client;
	my $r = $client->get('/a', headers => ['Connection: close']);
	like($r->header('connection'), qr/\bclose\b/, 'close is answered with close');
	is($client->ending, 'eof', '... and the connection ends');
}

{
	my $client = $poold->client;
	my $r = $client->get('/a?stream=100');
	is($r->header('transfer-encoding'), 'chunked',
	    'a streamed response is chunked');
	is($r->body, join('', map { "piece $_\n" } 0 .. 99), '... and whole');
	is($client->get('/b')->json->{service}, 'b', '... and the connection goes on');

	$r = $client->get('/a?size=3000000');
	is(length $r->body, 3000000, 'a large response is whole');
	is($client->get('/c')->json->{service}, 'c', '... and the connection goes on');
}

{
	my $client = $poold->client;
	my $head = $client->get('/a?size=1000');
	my $r = $client->exchange('HEAD', '/a?size=1000');
	is($r->header('content-length'), 1000, 'HEAD tells the length');
	ok(!$client->readable(0.05), '... and has no body');
	is($client->get('/a?status=204')->status, 204, '204 has no body, either');
	is($client->get('/b')->json->{service}, 'b', '... and the connection goes on');
}

{
	my $client = $poold->client;
	my $body = join '', map { chr($_ * 7 % 256) } 1 .. 200_000;
	my $r = $client->post('/a', $body);
	is($r->json->{body_length}, length $body, 'a long body is whole');
	is($r->json->{body_hash}, fnv1a($body), '... and unchanged');
	$r = $client->post('/b?return=body', $body);
	ok($r->body eq $body, '... and can be sent back');

	$r = $client->exchange('POST', '/a', chunks => [ 'one', 'two' x 1000 ]);
	is($r->json->{body_hash}, fnv1a('one' . 'two' x 1000),
	    'a chunked body is decoded');
	my $ending = $r->header('connection') =~ /close/ ? $client->ending : 'kept';
	like($ending, qr/^(?:eof|kept)$/, '... and the connection kept or closed as told');
}

{
	my $client = $poold->client;
	$client->request('POST', '/a', body => '', headers => [], host => 'x');
	is($client->response->json->{body_length}, 0, 'an empty body is a body');
}

{
	my $client = $poold->client;
	$client->send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
	    . "Expect: 100-continue\r\n\r\n");
	is($client->response(interim => 1)->status, 100,
	    'a client that expects 100 gets it before its body');
	$client->send('hello');
	is($client->response->json->{body_hash}, fnv1a('hello'),
	    '... and then its answer');

	$client = $poold->client;
	$client->send("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
	    . "Expect: 100-continue\r\n\r\n");
	is($client->response(interim => 1)->status, 404,
	    'a refusal comes in place of the 100');

	$client = $poold->client;
	$client->send("POST /a HTTP/1.0\r\nContent-Length: 5\r\n"
	    . "Expect: 100-continue\r\n\r\nhello");
	is($client->response(interim => 1)->status, 200,
	    'HTTP/1.0 never gets a 100');
}

# An immediate close with unread input would make the kernel send a reset, which
# can destroy the response on its way.
for my $target ('/nothing', '/a?unread=1') {
	my @got;
	for (1 .. 10) {
		my $client = $poold->client;
		$client->send($client->format_request('POST', $target,
		    body => 'x' x 60_000, headers => ['Connection: close']));
		push @got, $client->response->text . ' ' . $client->ending;
	}
	my $status = $target eq '/nothing' ? 404 : 200;
	is(join(', ', @got), join(', ', ("$status eof") x 10),
	    "an answer to an unread body is whole and no reset follows: $target");
}
{
	my $client = $poold->client;
	$client->send("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
	is($client->response->status, 404, 'a POST is refused before its body');
	is($client->ending, 'eof', '... and its connection ends');
	ok($client->send('x' x 1000), '... yet what it still sends is taken');

	$client = $poold->client;
	$client->send($client->format_request('POST', '/a?unread=1',
	    body => 'x' x 50_000) . $client->format_request('GET', '/b'));
	is($client->response->status, 200,
	    'a response from a worker that did not read the body arrives');
	my $r = $client->response;
	ok($r->status == 200 && $r->json->{service} eq 'b' || $r->error eq 'eof',
	    '... and what follows is answered or the connection ends') or diag $r->text;
}

{
	my $client = $poold->client;
	for my $byte (split //, $client->format_request('GET', '/a/slow',
	    headers => ['X-One: two'])) {
		$client->send($byte);
	}
	is($client->response->json->{path}, '/a/slow',
	    'a head that comes byte by byte is read');
	for my $byte (split //, $client->format_request('POST', '/b', body => 'hello')) {
		$client->send($byte);
		select undef, undef, undef, 0.001; # one segment each
	}
	is($client->response->json->{body_hash}, fnv1a('hello'),
	    '... and one whose bytes come in segments of their own');
}

{
	my $client = $poold->client;
	$client->request('GET', '/a?sleep_ms=50');
	$client->shutdown_write;
	is($client->response->status, 200, 'a client that half-closes is served');
	is($client->ending, 'eof', '... and then the connection ends');
}

{
	my @clients = map { $poold->client } 1 .. 100;
	is(scalar(grep { $_->get('/a')->status == 200 } @clients), 100,
	    'a hundred connections are served');
	is(scalar(grep { $_->get('/b')->status == 200 } @clients), 100,
	    '... again, with workers far fewer');
}

finish();
