#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Behind a balancer that speaks the PROXY protocol.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@
proxy_protocol = yes
trusted = 127.0.0.0/8
trusted = ::1

[listen foreign]
address = 127.0.0.1:@port2@
proxy_protocol = yes
trusted = 192.0.2.0/24

[listen plain]
address = 127.0.0.1:@port3@

[service echo]
route = /
command = @bin@/echo
INI
my $poold = poold($ini);

my $v1 = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
my $v2 = "\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24"
    . pack('n8 n8 n n', 0x2001, 0xdb8, (0) x 5, 7, (0) x 7, 1, 4242, 80);

{
	my $client = $poold->client;
	$client->send($v1);
	my $r = $client->get('/a');
	is($r->json->{client}, '192.0.2.1', 'a worker sees the client of a version 1 header');
	is($r->json->{client_port}, 56324, '... with its port');
	is($r->json->{local_port}, 443, '... and the port that it asked');
	is($client->get('/b')->json->{client}, '192.0.2.1',
	    '... for all requests of the connection');
}
{
	my $client = $poold->client;
	$client->send($v2 . $client->format_request('GET', '/a'));
	is($client->response->json->{client}, '2001:db8::7',
	    'version 2 does, together with the first request');
}
{
	my $client = $poold->client;
	for my $byte (split //, $v1 . $client->format_request('GET', '/a')) {
		$client->send($byte);
	}
	is($client->response->json->{client}, '192.0.2.1', 'it may come byte by byte');
}
{
	my $client = $poold->client;
	$client->send("PROXY UNKNOWN\r\n");
	is($client->get('/')->json->{client}, '127.0.0.1',
	    'UNKNOWN is the balancer itself');
}
{
	my $client = $poold->client;
	like($client->get('/')->error, qr{eof|reset}, 'without a header the connection is closed');
	$client = $poold->client;
	$client->send("PROXY TCP4 nonsense\r\n" . $client->format_request('GET', '/'));
	like($client->response->error, qr/eof|reset/, '... and with a broken one');
	$client = $poold->client;
	$client->send(substr $v1, 0, 10);
	$client->shutdown_write;
	like($client->ending, qr{eof|reset}, '... and with half of one');
}
{
	my $client = $poold->client(listener => 2);
	$client->send($v1 . $client->format_request('GET', '/'));
	like($client->response->error, qr/eof|reset/,
	    'who is not trusted cannot say whose connection it is');
	is($poold->client(listener => 3)->get('/')->json->{client}, '127.0.0.1',
	    'other listeners know nothing of it');
}
{
	my $bad = new_poold($ini =~ s/^trusted.*\n//gmr);
	my ($status, $text) = $bad->run('-t', '-c', $bad->{ini});
	is($status, 78, 'proxy_protocol without trusted is refused');
	like($text, qr/poold\.ini:\d+: .*needs trusted/, '... and it says why');
	$bad = new_poold($ini =~ s/::1/10.0.0.0\/33/r);
	($status, $text) = $bad->run('-t', '-c', $bad->{ini});
	like($text, qr/poold\.ini:\d+: trusted = 10.0.0.0\/33/, '... as is a bad network');
}
is($poold->stop, 0, 'it stops');
finish();
