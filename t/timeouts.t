#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What takes too long, on either side; and bodies, which arrive before a
# worker is used.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive state signal_to);
use Time::HiRes qw(time sleep);

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@
head_timeout = 500ms
keepalive_timeout = 700ms

[listen patient]
address = 127.0.0.1:@port2@
keepalive_requests = 3

[service echo]
route = /echo
listen = main, patient
command = @bin@/echo
workers = 1
body_timeout = 1s
body_buffer = 32K
max_body = 100K
client_timeout = 1s

[service rate]
route = /rate
listen = main, patient
command = @bin@/echo
workers = 1
body_timeout = 60s
body_min_rate = 1M

[service four]
route = /four
listen = patient
command = @bin@/echo
workers = 4
request_timeout = 1s

[service one]
route = /one
listen = patient
command = @bin@/echo
workers = 1
request_timeout = 1s

[service reader]
route = /reader
listen = patient
command = @bin@/echo
workers = 1
client_timeout = 800ms
request_timeout = 20s
INI

sub patient { return $poold->client(listener => 2, @_) }

# How many requests the only worker of a service has seen, this one included.
sub served {
	my ($service) = @_;
	return patient()->get("/$service")->json->{served} // -1;
}

sub head {
	my ($service, $len) = @_;
	return "POST /$service HTTP/1.1\r\nHost: x\r\nContent-Length: $len\r\n\r\n";
}

# Fails unless the time since start lies between the two.
sub took {
	my ($start, $least, $most, $name) = @_;
	my $time = time - $start;
	ok($time >= $least && $time < patience($most), $name)
	    or diag sprintf '%.3f s', $time;
}

sub refused {
	my ($client, $status, $name) = @_;
	my $r = $client->response;
	is($r->text, $status, $name);
	like($r->header('content-type'), qr{^application/problem\+json},
	    '... as a problem');
	is($r->header('connection'), 'close', '... with Connection: close');
	is($client->ending, 'eof', '... and the connection ends');
}

# heads
{
	my $before = served('echo');
	my $start = time;
	my @clients = map { $poold->client } 1 .. 3;
	$clients[0]->send('G');
	$clients[1]->send("GET /echo HTTP/1.1\r\nHost: x\r\n");
	my $drip = $clients[2];
	$drip->send('GET /echo?');
	$drip->send('x'), sleep 0.02 until $drip->readable(0) || time - $start > patience(5);
	took($start, 0.45, 2, 'a slow head ends at head_timeout, whatever drips in');
	refused($clients[$_], 408, (qw(one half dripping))[$_] . ' head: 408') for 0 .. 2;
	is(served('echo'), $before + 1, '... and no worker saw it');
}

# keep-alive
{
	my $client = $poold->client;
	my $start = time;
	is($client->ending, 'eof', 'an idle connection ends');
	took($start, 0.65, 3, '... after keepalive_timeout');
	$client = $poold->client;
	is($client->get('/echo')->status, 200, 'a connection is used');
	$start = time;
	is($client->ending, 'eof', '... and ends when idle');
	took($start, 0.65, 3, '... after keepalive_timeout');

	$client = patient();
	my @got = map { $client->get('/echo')->header('connection') } 1 .. 3;
	is(join(',', @got), ',,close', 'keepalive_requests: the last says close');
	is($client->ending, 'eof', '... and the connection ends');
}

# the body gate
{
	my $before = served('echo');
	my @clients = map { patient() } 1 .. 5;
	my $start = time;
	for my $client (@clients) {
		$client->send(head('echo', 20000) . 'x' x 19999);
	}
	is(served('echo'), $before + 1,
	    'bodies that are not whole hold no worker, the only one answers others');
	$clients[$_]->send('y') for 0 .. 2;
	is(join(' ', map { $_->response->json->{body_length} // 'none' } @clients[ 0 .. 2 ]),
	    '20000 20000 20000', '... and are answered once they are whole');
	is(served('echo'), $before + 5, '... by the worker');
	refused($clients[3], 408, 'body_timeout: 408');
	took($start, 0.95, 4, '... after that time');
	refused($clients[4], 408, '... for each of them');
	is(served('echo'), $before + 6, '... and no worker saw them');

	my $client = patient();
	$client->send(head('echo', 30000) . 'x' x 10000);
	$client->shutdown_write;
	refused($client, 400, 'a client that ends in its body: 400');
	is(served('echo'), $before + 7, '... and no worker saw it');

	$client = patient();
	$client->send(head('echo', 3700));
	$client->send('z' x 37) for 1 .. 100;
	is($client->response->json->{body_hash}, fnv1a('z' x 3700),
	    'a body in segments of 37 bytes is whole');

	# leased while more of it comes: the counts of the kernel move meanwhile
	my @wrong;
	for (1 .. 40) {
		$client = patient();
		$client->send(head('rate', 99900));
		$client->send('z' x 37) for 1 .. 2700;
		my $r = $client->response;
		push @wrong, $r->text if ($r->json->{body_length} // 0) != 99900;
	}
	is("@wrong", '', '... and so are many that come while they are leased');

	$client = patient();
	$client->send(head('echo', 30000) . 'x' x 10000);
	$client->reset;
	is(served('echo'), $before + 9, 'no worker sees a body whose client left');

	# beyond body_buffer a worker reads it as it comes
	$client = patient();
	$poold->mark;
	$client->send(head('echo?log=streaming', 40000) . 'x' x 10000);
	ok($poold->wait_log(qr/streaming/), 'a larger body streams to a worker');
	$client->send('x' x 30000);
	is($client->response->json->{body_length}, 40000, '... which reads it all');

	$client = patient();
	$start = time;
	$client->send(head('rate', 1000) . 'x');
	is($client->response(timeout => patience(12))->text, 408,
	    'a body slower than body_min_rate: 408');
	took($start, 4.5, 9, '... after the grace and long before body_timeout');
}

# max_body
{
	my $before = served('echo');
	my $client = patient();
	$client->send(head('echo', 100 * 1024 + 1));
	refused($client, 413, 'a body over max_body: 413');
	is(served('echo'), $before + 1, '... and no worker saw it');
	is(patient()->post('/echo', 'x' x (100 * 1024))->json->{body_length},
	    100 * 1024, '... and one of exactly max_body is taken');
	$client = patient();
	my $r = $client->exchange('POST', '/echo?return=body',
	    chunks => [ map { 'x' x 1000 } 1 .. 103 ]);
	is($r->text, 413, 'a chunked body over max_body: the worker says EMSGSIZE');
	is($client->ending, 'eof', '... and the connection ends');
	$r = patient()->exchange('POST', '/echo', chunks => [ 'x' x 102400 ]);
	is($r->json->{body_length}, 102400, '... and one of exactly max_body is read');
	is($r->json->{body_errno}, 0, '... without an error');
}

# request_timeout
{
	my @before = $poold->workers('four');
	my $start = time;
	my $hanging = patient();
	$hanging->request('GET', '/four?hang=1');
	my $long = patient();
	my $load = load($poold, target => '/four', port => $poold->port(2), rate => 100,
	    fresh => 1);
	refused($hanging, 504, 'a hanging worker: 504');
	took($start, 0.95, 3, '... after request_timeout');
	ok($poold->wait_log(qr/past request_timeout.*hang=1/), '... and the log says so');
	eventually {
		my %now = map { $_ => 1 } grep { alive($_) } $poold->workers('four');
		keys %now == 4 && 1 == grep { !$now{$_} } @before;
	} 3, '... the worker is replaced, the other three are not';
	my $result = $load->stop;
	is("@{ $result->{failures} }", '', '... and no other request is disturbed');
	cmp_ok($result->{answered}, '>', 20, '... of many');
	is(patient()->post('/four?hang=1', 'x')->text, 504, 'POST is told the same');
}

# one of four is stopped from outside
{
	eventually { 4 == grep { alive($_) } $poold->workers('four') } 5, 'four workers';
	$poold->rest('four');
	my @workers = $poold->workers('four');
	my @clients = map { patient() } 1 .. 4;
	$poold->mark;
	$_->request('GET', '/four?log=taken&sleep_ms=300') for @clients;
	wait_until(sub { 4 == (() = $poold->log_text($poold->{log_mark}) =~ /taken/g) });
	my $start = time;
	my $victim = $workers[1];
	signal_to 'STOP', $victim;
	my $load = load($poold, target => '/four', port => $poold->port(2), rate => 100,
	    fresh => 1);
	my @got = map { $_->response } @clients;
	is(join(' ', sort map { $_->text } @got), '200 200 200 504',
	    'a worker is stopped: its own request ends 504, the others are answered');
	took($start, 0.3, 3, '... after request_timeout');
	my $result = $load->stop;
	is("@{ $result->{failures} }", '', '... and later ones do not notice');
	ok(wait_until(sub { !alive($victim) }), '... and it is gone');
	eventually { 4 == grep { alive($_) } $poold->workers('four') } 5,
	    '... and replaced';
}

# a response that stops in its middle
{
	my $client = patient();
	my $start = time;
	my ($worker) = $poold->workers('one');
	$client->request('GET', '/one?size=200000000');
	is($client->fill(time + patience(5)), 'data', 'a response is being sent');
	signal_to 'STOP', $worker;
	my $r;
	1 while ($r = $client->fill(time + patience(5))) eq 'data';
	like($r, qr/^(?:reset|eof)$/, '... its worker is stopped: the connection is cut');
	took($start, 0.9, 4, '... after request_timeout');
	unlike($client->{in}, qr{HTTP/1.1 50|problem}, '... and no error is spliced in');
}

# clients that do not read
{
	my ($worker) = $poold->workers('reader');
	my $client = patient();
	my $start = time;
	$poold->mark;
	$client->request('GET', '/reader?size=100000000');
	my $second = patient();
	is($second->get('/reader', timeout => patience(10))->pid, $worker,
	    'a client that reads nothing is ended, its worker goes on');
	took($start, 0.7, 4, '... after client_timeout');
	ok($poold->wait_log(qr/took or sent nothing/), '... and the log says so');
	my $how;
	1 while ($how = $client->fill(time + patience(5))) eq 'data';
	like($how, qr/^(?:reset|eof)$/, '... its connection ends');
	cmp_ok(length $client->{in}, '<', 100000000, '... before the response does');

	# steady, and slower than client_timeout as a whole
	$client = patient();
	setsockopt($client->sock, Socket::SOL_SOCKET, Socket::SO_RCVBUF, 65536);
	$client->request('GET', '/reader?size=12000000');
	$start = time;
	my $got = 0;
	while ($got < 12000000 && time - $start < patience(20)) {
		my $n = sysread($client->sock, my $buf, 65536);
		$got += $n // 0;
		last if defined $n && $n == 0;
		sleep 0.01;
	}
	cmp_ok($got, '>=', 12000000, 'a slow but steady reader gets all');
	cmp_ok(time - $start, '>', 0.9, '... though it takes longer than client_timeout');
	is(patient()->get('/reader')->pid, $worker, '... from the same worker');

	# one that does not send its large body
	$client = patient();
	$start = time;
	$client->send(head('reader', 1000000) . 'x' x 1000);
	is(patient()->get('/reader', timeout => patience(10))->pid, $worker,
	    'a client that does not send the body it promised is ended');
	took($start, 0.7, 4, '... after client_timeout');
}

$poold->stop('TERM');
my ($line) = $poold->log_text =~ /^.*\bcounters:(.*)$/m;
my %count = ($line // '') =~ /(\w+)=(\d+)/g;
is($count{slow_clients}, 2, 'the router counts two slow clients');
cmp_ok($count{timeouts}, '>=', 4, '... and the workers past their time');
is($count{lost_cut}, 1, '... and the one response that was cut');

finish();
