#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The router is killed: it comes back, and nothing else goes.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive state signal_to);
use Time::HiRes qw(time);

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[service two]
route = /two
command = @bin@/echo
workers = 2

[service one]
route = /one
command = @bin@/echo
workers = 1
INI

my @workers = $poold->workers;
is(@workers, 3, 'three workers run');

sub kill_router {
	my $router = $poold->router;
	signal_to 'KILL', $router;
	return $router;
}

sub router_back {
	my ($old) = @_;
	return wait_until(sub { my $new = $poold->router; $new && $new != $old }, 5);
}

# at rest
{
	$poold->mark;
	is($poold->get('/two')->status, 200, 'it serves');
	my $start = time;
	my $old = kill_router();
	my $r = $poold->get('/two');
	my $took = time - $start;
	is($r->status, 200, 'after the router is killed, the next request is answered');
	cmp_ok($took, '<', patience(2), '... soon');
	note sprintf 'serving again after %.0f ms', $took * 1000;
	ok($poold->wait_log(qr/router.*\b$old\b.*(?:signal 9|SIGKILL|Killed|killed)/),
	    'the log says what it died of');
	ok(router_back($old), 'a new router runs');
	is(join(' ', $poold->workers), "@workers", 'the workers are the same');
}

# The gap, stretched: while the supervisor is stopped nobody accepts.
{
	signal_to 'STOP', $poold->pid;
	wait_until(sub { state($poold->pid) eq 'T' }, 10);
	my $old = kill_router();
	wait_until(sub { !alive($old) }, 10);
	my $client = eval { $poold->client };
	ok($client, 'without a router connections are still taken');
	$client->request('GET', '/two') if $client;
	ok(!$client->readable(0.05), '... and wait');
	signal_to 'CONT', $poold->pid;
	is($client->response->status, 200, '... to be served by the next router');
}

# a request in a worker
{
	my $client = $poold->client;
	my $idle = $poold->client;
	is($idle->get('/two')->status, 200, 'a connection idles');
	$poold->mark;
	$client->request('GET', '/two?sleep_ms=500&log=taken');
	ok($poold->wait_log(qr/taken/), 'a worker is busy');
	my $old = kill_router();
	my $r = $client->response;
	is($r->status, 200, 'its request completes without the router');
	is($client->ending, 'eof', '... and then its connection ends');
	is($idle->ending, 'eof', 'the idle connection ended');
	ok(router_back($old), 'a new router runs');
	is(join(' ', $poold->workers), "@workers", 'the workers are the same');
}

# a lease in the queue that no worker has taken
{
	my ($only) = $poold->workers('one');
	signal_to 'STOP', $only;
	wait_until(sub { state($only) eq 'T' }, 10);
	my $client = $poold->client;
	$poold->get('/two') for 1 .. 3; # the router has passed the first by now
	$client->request('GET', '/one');
	$poold->get('/two') for 1 .. 3;
	my $old = kill_router();
	ok(router_back($old), 'the router is killed with a lease in the queue');
	signal_to 'CONT', $only;
	is($client->response->status, 200, '... which a worker still serves');
	is($client->ending, 'eof', '... before its connection ends');
	is($poold->get('/one')->status, 200, '... and the worker is free again');
}

# nothing of the capacity is lost
{
	ok($poold->take_turns('two', '/two', 5), 'both workers get work as before');
	my @clients = map { $poold->client } 1 .. 2;
	my $start = time;
	$_->request('GET', '/two?sleep_ms=800') for @clients;
	is(keys %{ tally(map { $_->response->pid } @clients) }, 2,
	    '... and work at the same time');
	cmp_ok(time - $start, '<', patience(1.55), '... side by side');
	my @many = map { $poold->client } 1 .. 30;
	$_->request('GET', '/one?sleep_ms=2') for @many;
	is(scalar(grep { $_->response->status == 200 } @many), 30,
	    'thirty requests to one worker are answered');
	is(join(' ', $poold->workers), "@workers", 'all workers live to the end');
}

# under load
{
	my $load = load($poold, target => '/two', rate => 300, fresh => 1);
	my $before = $poold->get('/two')->json->{served};
	wait_until(sub { $poold->get('/two')->json->{served} > $before + 20 });
	my $old = kill_router();
	router_back($old);
	$poold->get('/two') for 1 .. 50;
	my $result = $load->stop;
	cmp_ok($result->{answered}, '>', 20, 'the load goes on over a killed router');
	cmp_ok(scalar @{ $result->{failures} }, '<=', 2,
	    '... and loses only what the router held')
	    or diag "@{ $result->{failures} }";
}

finish();
