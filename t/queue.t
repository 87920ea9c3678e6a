#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Requests that wait for a worker.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Time::HiRes qw(time);

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[service one]
route = /one
command = @bin@/echo
workers = 1

[service limited]
route = /limited
command = @bin@/echo
workers = 1
queue_limit = 2

[service impatient]
route = /impatient
command = @bin@/echo
workers = 1
queue_timeout = 300ms
INI

# A service whose requests take long gets one at a time for each worker: what
# waits then waits in the router.
sub warm_up {
	my ($target) = @_;
	my $client = $poold->client;
	$client->get("$target?sleep_ms=30") for 1 .. 8;
}

{
	my @clients = map { $poold->client } 1 .. 20;
	$clients[$_]->request('GET', "/one?sleep_ms=5&n=$_") for 0 .. $#clients;
	my @got = map { $_->response } @clients;
	is(scalar(grep { $_->status == 200 } @got), 20,
	    'twenty requests to one worker are all answered');
	my @order = map { $_->json->{served} // 0 } @got;
	is("@order", join(' ', 1 .. 20), '... in the order in which they came');
}

{
	warm_up('/limited');
	my @clients = map { $poold->client } 1 .. 12;
	$_->request('GET', '/limited?sleep_ms=1500') for @clients;
	eventually { 9 == grep { $_->readable(0) } @clients } 1.3,
	    'what is over queue_limit is refused at once';
	my @got = map { $_->response } @clients;
	my @refused = grep { $_->status == 503 } @got;
	my @served = grep { $_->status == 200 } @got;
	is(@refused + @served, 12, 'every request is answered or refused');
	is(scalar @served, 3, 'queue_limit requests wait behind the one served');
	like($refused[0]->header('retry-after'), qr/^\d+$/,
	    'a refusal says when to come again');
	like($refused[0]->header('content-type'), qr{^application/problem\+json},
	    '... as problem+json');
	is($poold->get('/limited')->status, 200, 'later requests are served');
}

{
	warm_up('/impatient');
	my ($first, $second) = map { $poold->client } 1 .. 2;
	my $start = time;
	$poold->mark;
	$first->request('GET', '/impatient?sleep_ms=1500&log=taken');
	ok($poold->wait_log(qr/taken/), 'the worker is busy');
	$second->request('GET', '/impatient');
	my $r = $second->response;
	is($r->text, 503, 'a request that waited for queue_timeout is refused');
	like($r->header('retry-after'), qr/^\d+$/, '... with Retry-After');
	cmp_ok(time - $start, '<', patience(1.4), '... while the worker is busy');
	cmp_ok(time - $start, '>', 0.29, '... and not before');
	is($first->response->status, 200, 'the one in the worker is answered');
	is($poold->get('/impatient')->status, 200, 'later requests are served');
}

{
	warm_up('/one');
	my $before = $poold->get('/one')->json->{served};
	my @clients = map { $poold->client } 1 .. 10;
	$poold->mark;
	$clients[0]->request('GET', '/one?sleep_ms=200&log=taken');
	ok($poold->wait_log(qr/taken/), 'the worker is busy');
	$_->request('GET', '/one') for @clients[ 1 .. 9 ];
	$poold->get('/impatient'); # by now the router has seen the others
	$_->reset for @clients[ 5 .. 9 ];
	is(scalar(grep { $_->response->status == 200 } @clients[ 0 .. 4 ]), 5,
	    'clients that leave the queue do not disturb the others');
	is($poold->get('/one')->json->{served}, $before + 6,
	    '... and the worker sees nothing of them');
}

{
	my $slow = $poold->client;
	$slow->request('GET', '/one?sleep_ms=1000');
	is($poold->get('/limited')->status, 200,
	    'a busy service does not hold another');
	ok(!$slow->readable(0), '... until it is done');
	is($slow->response->status, 200, '... and is itself not disturbed');
}

finish();
