#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Requests that are refused, each for a rule of RFC 9110 or 9112, and no worker
# sees one of them.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /
command = @bin@/echo
workers = 1
INI

my $host = "Host: x\r\n";
my $post = "POST / HTTP/1.1\r\n$host";
my $chunked = "Transfer-Encoding: chunked\r\n";
my $empty = "\r\n0\r\n\r\n"; # end of head, chunked body of nothing

# name, status, request
my @refused = (
	# where a request ends
	[ 'Content-Length beside Transfer-Encoding', 400,
		"${post}Content-Length: 5\r\n$chunked$empty" ],
	[ 'Transfer-Encoding beside Content-Length', 400,
		"$post${chunked}Content-Length: 5\r\n$empty" ],
	[ 'two equal Content-Length', 400,
		"${post}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx" ],
	[ 'two different Content-Length', 400,
		"${post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx" ],
	[ 'a list as Content-Length', 400, "${post}Content-Length: 1, 1\r\n\r\nx" ],
	[ 'a signed Content-Length', 400, "${post}Content-Length: +1\r\n\r\nx" ],
	[ 'a negative Content-Length', 400, "${post}Content-Length: -1\r\n\r\nx" ],
	[ 'a hexadecimal Content-Length', 400, "${post}Content-Length: 0x1\r\n\r\nx" ],
	[ 'an empty Content-Length', 400, "${post}Content-Length:\r\n\r\n" ],
	[ 'a Content-Length with a space in it', 400, "${post}Content-Length: 1 1\r\n\r\nx" ],
	[ 'a Content-Length of 2^63', 400,
		"${post}Content-Length: 9223372036854775808\r\n\r\n" ],
	[ 'a Content-Length beyond 64 bits', 400,
		"${post}Content-Length: 18446744073709551617\r\n\r\nx" ],
	[ 'Transfer-Encoding in HTTP/1.0', 400, "POST / HTTP/1.0\r\n$chunked$empty" ],
	[ 'chunked twice', 400, "${post}Transfer-Encoding: chunked, chunked\r\n$empty" ],
	[ 'chunked twice in two fields', 400, "$post$chunked$chunked$empty" ],
	[ 'chunked not last', 400, "${post}Transfer-Encoding: chunked, gzip\r\n$empty" ],
	[ 'an empty Transfer-Encoding', 400, "${post}Transfer-Encoding:\r\n\r\n" ],
	[ 'an unknown coding', 501, "${post}Transfer-Encoding: xchunked\r\n$empty" ],
	[ 'identity as a coding', 501, "${post}Transfer-Encoding: identity\r\n$empty" ],
	[ 'an unknown coding before chunked', 501,
		"${post}Transfer-Encoding: strange, chunked\r\n$empty" ],
	# lines
	[ 'a bare LF after the request line', 400, "GET / HTTP/1.1\n$host\r\n" ],
	[ 'a bare LF after a field', 400, "GET / HTTP/1.1\r\nHost: x\n\r\n" ],
	[ 'a bare LF at the end', 400, "GET / HTTP/1.1\r\nHost: x\r\n\n" ],
	[ 'a bare CR in the request line', 400, "GET /\r HTTP/1.1\r\n$host\r\n" ],
	[ 'a bare CR in a value', 400, "GET / HTTP/1.1\r\n${host}X: a\rb\r\n\r\n" ],
	[ 'NUL in a value', 400, "GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n" ],
	[ 'a control character in a value', 400, "GET / HTTP/1.1\r\n${host}X: a\x01b\r\n\r\n" ],
	[ 'DEL in a value', 400, "GET / HTTP/1.1\r\n${host}X: a\x7fb\r\n\r\n" ],
	[ 'NUL in the target', 400, "GET /\0 HTTP/1.1\r\n$host\r\n" ],
	# fields
	[ 'a folded field', 400, "GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n" ],
	[ 'a field folded by a tab', 400, "GET / HTTP/1.1\r\n${host}X: a\r\n\tb\r\n\r\n" ],
	[ 'a space before the first field', 400, "GET / HTTP/1.1\r\n $host\r\n" ],
	[ 'a space before the colon', 400, "${post}Content-Length : 1\r\n\r\nx" ],
	[ 'a tab before the colon', 400, "GET / HTTP/1.1\r\n${host}X\t: 1\r\n\r\n" ],
	[ 'an empty field name', 400, "GET / HTTP/1.1\r\n$host: 1\r\n\r\n" ],
	[ 'a field without a colon', 400, "GET / HTTP/1.1\r\n${host}nonsense\r\n\r\n" ],
	[ 'a field name that is no token', 400, "GET / HTTP/1.1\r\n${host}X(y): 1\r\n\r\n" ],
	# Host
	[ 'no Host in HTTP/1.1', 400, "GET / HTTP/1.1\r\n\r\n" ],
	[ 'two Hosts', 400, "GET / HTTP/1.1\r\n$host$host\r\n" ],
	[ 'two Hosts in HTTP/1.0', 400, "GET / HTTP/1.0\r\n$host$host\r\n" ],
	[ 'a Host with a space', 400, "GET / HTTP/1.1\r\nHost: x y\r\n\r\n" ],
	[ 'a Host with a path', 400, "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n" ],
	[ 'a Host with userinfo', 400, "GET / HTTP/1.1\r\nHost: u\@x\r\n\r\n" ],
	[ 'a Host that is a list', 400, "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n" ],
	[ 'a Host with a bad port', 400, "GET / HTTP/1.1\r\nHost: x:y\r\n\r\n" ],
	# the request line
	[ 'HTTP/0.9', 400, "GET /\r\n\r\n" ],
	[ 'HTTP/2.0', 505, "GET / HTTP/2.0\r\n$host\r\n" ],
	[ 'the preface of HTTP/2', 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" ],
	[ 'a version in lower case', 400, "GET / http/1.1\r\n$host\r\n" ],
	[ 'a version with two digits', 400, "GET / HTTP/1.10\r\n$host\r\n" ],
	[ 'no version number', 400, "GET / HTTP/\r\n$host\r\n" ],
	[ 'a method that is no token', 400, "G\@T / HTTP/1.1\r\n$host\r\n" ],
	[ 'no method', 400, " / HTTP/1.1\r\n$host\r\n" ],
	[ 'two spaces in the request line', 400, "GET  / HTTP/1.1\r\n$host\r\n" ],
	[ 'a space at its end', 400, "GET / HTTP/1.1 \r\n$host\r\n" ],
	[ 'a tab in it', 400, "GET\t/ HTTP/1.1\r\n$host\r\n" ],
	[ 'a target that is no path', 400, "GET path HTTP/1.1\r\n$host\r\n" ],
	[ 'an asterisk with GET', 400, "GET * HTTP/1.1\r\n$host\r\n" ],
	[ 'CONNECT', 501, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n" ],
	[ 'TLS', 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" ],
	# the target
	[ 'userinfo in the target', 400, "GET http://u:p\@x/ HTTP/1.1\r\n$host\r\n" ],
	[ 'an escaped NUL in the path', 400, "GET /%00 HTTP/1.1\r\n$host\r\n" ],
	[ 'a backslash in the path', 400, "GET /\\ HTTP/1.1\r\n$host\r\n" ],
	[ 'a path that climbs', 400, "GET /../x HTTP/1.1\r\n$host\r\n" ],
	[ 'a path that climbs by escapes', 400, "GET /%2e%2e/x HTTP/1.1\r\n$host\r\n" ],
	[ 'a bad escape', 400, "GET /%g0 HTTP/1.1\r\n$host\r\n" ],
	[ 'dots that appear after decoding twice', 400, "GET /a/%252e%252e/ HTTP/1.1\r\n$host\r\n" ],
	# sizes
	[ 'a request line over 8 KiB', 414,
		'GET /' . 'x' x 9000 . " HTTP/1.1\r\n$host\r\n" ],
	[ 'a head over 32 KiB', 431,
		"GET / HTTP/1.1\r\n$host" . join('', map { "X-$_: " . 'x' x 2000 . "\r\n" } 1 .. 18) . "\r\n" ],
	[ 'more than 100 fields', 431,
		"GET / HTTP/1.1\r\n$host" . join('', map { "X-$_: 1\r\n" } 1 .. 101) . "\r\n" ],
);

# The number of requests that the only worker has seen, this one included.
sub served { return $poold->get('/')->json->{served} // -1 }

sub check_refusal {
	my ($client, $status) = @_;
	my $r = $client->response;
	return 'status ' . $r->text if $r->status != $status;
	return 'type ' . $r->header('content-type')
	    if $r->header('content-type') !~ m{^application/problem\+json};
	return 'the problem says ' . ($r->json->{status} // 'nothing')
	    if ($r->json->{status} // 0) != $status;
	return 'Connection: ' . $r->header('connection')
	    if $r->header('connection') ne 'close';
	my $ending = $client->ending;
	return $ending eq 'eof' ? '' : "ending $ending";
}

# Sends a request in two parts, split at each byte in turn (of the long ones at
# some), on as many connections.  The second parts follow when the router has
# seen the first; what is bad already may be refused by then.
sub split_everywhere {
	my ($bytes, $status) = @_;
	my $len = length $bytes;
	my $step = $len < 400 ? 1 : int($len / 20);
	my (@clients, @wrong);
	for (my $at = 1; $at < $len; $at += $step) {
		my $client = $poold->client;
		$client->send(substr $bytes, 0, $at);
		push @clients, [ $client, $at ];
	}
	$poold->get('/none/%00');
	$_->[0]->send(substr $bytes, $_->[1]) for @clients;
	for (@clients) {
		my ($client, $at) = @$_;
		my $why = check_refusal($client, $status);
		push @wrong, "at $at: $why" if $why ne '';
		$client->close;
	}
	return join '; ', @wrong;
}

my $before = served();
my $good = 0;
for my $case (@refused) {
	my ($name, $status, $bytes) = @$case;
	my $whole = $poold->client;
	$whole->send($bytes);
	is(check_refusal($whole, $status), '', "$name: $status");

	is(split_everywhere($bytes, $status), '', '... split at every byte, too');

	my $behind = $poold->client;
	$behind->send($behind->format_request('GET', '/first') . $bytes);
	is($behind->response->json->{path} // 'nothing', '/first',
	    '... behind a good request, which is answered');
	$good++;
	is(check_refusal($behind, $status), '', '... and then it is refused');
}
is(served(), $before + $good + 1, 'no worker saw any of them');

# What follows a refused request on the connection is not looked at.
{
	my $client = $poold->client;
	$client->send("GET / HTTP/1.1\r\n\r\n" . $client->format_request('GET', '/'));
	is(check_refusal($client, 400), '', 'nothing is read behind a refusal');
	is(served(), $before + $good + 2, '... by no worker either');
}

# What looks odd and is right.
my @accepted = (
	[ 'obs-text in a value', "GET / HTTP/1.1\r\n${host}X: caf\xe9\r\n\r\n" ],
	[ 'a tab in a value', "GET / HTTP/1.1\r\n${host}X: a\tb\r\n\r\n" ],
	[ 'an empty value', "GET / HTTP/1.1\r\n${host}X:\r\n\r\n" ],
	[ 'no space after the colon', "GET / HTTP/1.1\r\nHost:x\r\n\r\n" ],
	[ 'an empty Host', "GET / HTTP/1.1\r\nHost:\r\n\r\n" ],
	[ 'no Host in HTTP/1.0', "GET / HTTP/1.0\r\n\r\n" ],
	[ 'a later minor version', "GET / HTTP/1.2\r\n$host\r\n" ],
	[ 'empty lines before it', "\r\n\r\nGET / HTTP/1.1\r\n$host\r\n" ],
	[ 'what browsers send in queries', "GET /?a=|{}[]^` HTTP/1.1\r\n$host\r\n" ],
	[ 'CHUNKED in capitals', "${post}Transfer-Encoding: CHUNKED\r\n$empty" ],
	[ 'an unusual method', "BREW / HTTP/1.1\r\n$host\r\n" ],
	[ 'leading zeros in Content-Length', "${post}Content-Length: 0001\r\n\r\nx" ],
	[ 'exactly 100 fields', "GET / HTTP/1.1\r\n$host"
		. join('', map { "X-$_: 1\r\n" } 1 .. 99) . "\r\n" ],
	[ 'a request line of nearly 8 KiB', 'GET /' . 'x' x 8000 . " HTTP/1.1\r\n$host\r\n" ],
	[ 'a port in Host', "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n" ],
);
for my $case (@accepted) {
	my ($name, $bytes) = @$case;
	my $client = $poold->client;
	$client->send($bytes);
	is($client->response->text, 200, "$name is accepted");
}

# chunked bodies: the head is good, the worker finds the fault
for my $case (
	[ 'a chunk size with a sign', "+1\r\nx\r\n0\r\n\r\n" ],
	[ 'a chunk size that is no number', "x\r\n\r\n0\r\n\r\n" ],
	[ 'a chunk size beyond 64 bits', "10000000000000000\r\nx\r\n0\r\n\r\n" ],
	[ 'a bare LF after a chunk size', "1\nx\r\n0\r\n\r\n" ],
	[ 'a chunk longer than its size', "1\r\nxx\r\n0\r\n\r\n" ],
) {
	my ($name, $body) = @$case;
	my $client = $poold->client;
	$client->send("POST /?return=body HTTP/1.1\r\n$host$chunked\r\n$body"
	    . $client->format_request('GET', '/smuggled'));
	is($client->response->text, 400, "$name is refused");
	is($client->ending, 'eof', '... and the connection ends');
}

finish();
