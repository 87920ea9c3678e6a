#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Connections that workers keep: WebSocket and server-sent events.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive);
use Time::HiRes qw(time);

my $config = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service ws]
route = /ws
command = @bin@/websocket
workers = 2
request_timeout = 300ms

[service events]
route = /events
command = @bin@/events
workers = 2
request_timeout = 300ms

[service echo]
route = /
command = @bin@/echo
workers = 1
INI
my $poold = poold($config);

sub websocket {
	my ($client) = @_;
	$client->send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n"
	    . "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
	return $client->response(interim => 1);
}

sub frame {
	my ($opcode, $text) = @_;
	my @mask = (1, 2, 3, 4);
	my $i = 0;
	my $masked = join '', map { chr(ord($_) ^ $mask[$i++ % 4]) } split //, $text;
	return pack('CC', 0x80 | $opcode, 0x80 | length $text) . pack('C4', @mask) . $masked;
}

sub read_frame {
	my ($client) = @_;
	my $deadline = time + patience(10);
	my $n = 2;
	while (length $client->{in} < $n) {
		return if $client->fill($deadline) ne 'data';
		$n = 2 + ord(substr $client->{in}, 1, 1) if length $client->{in} >= 2;
	}
	$n = 2 + ord(substr $client->{in}, 1, 1);
	my $frame = substr $client->{in}, 0, $n, '';
	return (ord($frame) & 15, substr $frame, 2);
}

{
	my $client = $poold->client;
	my $r = websocket($client);
	is($r->status, 101, 'a WebSocket is opened');
	is($r->header('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
	    '... as RFC 6455 says');
	is(lc $r->header('upgrade'), 'websocket', '... with Upgrade');
	my $until = time + patience(0.7); # more than request_timeout
	my $wrong = 0;
	for (my $n = 0; time < $until; $n++) {
		$client->send(frame(1, "hello $n"));
		my (undef, $text) = read_frame($client);
		$wrong++ if ($text // '') ne "hello $n";
		select undef, undef, undef, 0.01;
	}
	is($wrong, 0, 'it echoes, past request_timeout');
	my @others = map { $poold->client } 1 .. 2;
	is(websocket($others[0])->status, 101, 'the other worker takes another one');
	$others[1]->send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
	    . "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
	ok(!$others[1]->readable(0.2), 'a third one waits, since both are busy');
	$client->send(frame(8, ''));
	is((read_frame($client))[0], 8, 'a close is answered');
	is($client->ending, 'eof', '... and the connection ends');
	is($others[1]->response(interim => 1)->status, 101, '... and the third one is next');
	$others[0]->reset;
	eventually { websocket($poold->client)->status == 101 } 5,
	    'a client that left frees its worker';
	$others[1]->reset;
}

{
	my $client = $poold->client;
	$client->request('GET', '/events?interval_ms=50');
	my $deadline = time + patience(10);
	while ($client->{in} !~ /data: 10 \d+\n/ && time < $deadline) {
		last if $client->fill($deadline) ne 'data';
	}
	like($client->{in}, qr/data: 10 \d+/, 'events go on past request_timeout');
	my ($pid) = $client->{in} =~ /data: 10 (\d+)/;
	ok(alive($pid), '... from the same worker');
	$client->reset;
	my $r = $poold->get('/events?count=3&interval_ms=1');
	like($r->body, qr/data: 3 /, 'a stream that ends is complete');
}

{
	my $client = $poold->client;
	websocket($client);
	my $events = $poold->client;
	$events->request('GET', '/events?interval_ms=50');
	ok($events->readable(5), 'a stream is open');
	my @before = $poold->workers('ws');
	$poold->write_config($config =~ s/(\[service ws\]\n)/$1env.NEW = 1\n/r);
	my $reloaded = $poold->reload;
	like($reloaded, qr/done/, 'a reload does not wait for detached connections');
	my ($opcode, $text) = read_frame($client);
	is($opcode, 8, '... whose worker is told to end them');
	eventually { !grep { alive($_) } @before } 5, '... and leaves';
	like($events->{in} . ($events->readable(2) ? 'more' : ''), qr/more/,
	    'those of unchanged services go on');
	my $start = time;
	is($poold->stop, 0, 'poold stops while they are open');
	cmp_ok(time - $start, '<', patience(3), '... without waiting for them');
	like($poold->log_text, qr/timeouts=0 /, 'none was ever taken for stuck');
}

finish();
