#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The ways to end.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);
use Time::HiRes qw(time);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 2
stop_timeout = 5s
INI

# A poold with one request in the works.
sub busy_poold {
	my ($query, $text) = @_;
	my $poold = poold($text // $ini);
	my $client = $poold->client;
	$client->request('GET', "/a?log=taken&$query");
	$poold->wait_log(qr/taken/) or diag 'the request is not taken';
	return ($poold, $client);
}

for my $signal (qw(TERM QUIT)) {
	my ($poold, $client) = busy_poold('sleep_ms=400');
	my $idle = $poold->client;
	my $queued = $poold->client;
	my $other = $poold->client;
	$other->request('GET', '/a?sleep_ms=300');
	is($idle->get('/none')->status, 404, 'a connection idles');
	$queued->request('GET', '/a');
	is($idle->get('/none')->status, 404, '... and another request waits');
	$poold->signal($signal);
	is($client->response->status, 200, "$signal: a request in flight is finished");
	is($other->response->status, 200, '... and the one beside it');
	is($queued->response->status, 200, '... and the one that waits');
	is($poold->wait_exit, 0, '... and the exit status is 0');
	isnt($idle->ending, 'timeout', '... and idle connections end');
	ok(!eval { $poold->client }, '... and nobody listens');
	no_leftovers($poold);
}

{
	my ($poold, $client) = busy_poold('sleep_ms=3000');
	my $start = time;
	is($poold->stop('INT'), 0, 'INT: the exit status is 0')
	    or diag 'exit status ', $poold->exited // 'none';
	cmp_ok(time - $start, '<', patience(2), '... at once');
	is($client->response->status, 0, '... without what was in flight');
	no_leftovers($poold);
}

# Ctrl-C in a terminal reaches the whole foreground process group.
{
	my $poold = poold($ini);
	my @workers = $poold->workers;
	my $group = Poold::Proc::stat_of($poold->pid)->{pgrp};
	is($group, $poold->pid, 'poold leads its process group');
	is(scalar(grep { Poold::Proc::stat_of($_)->{pgrp} == $group } @workers), 0,
	    'Ctrl-C does not reach the workers');
	kill 'INT', -$group;
	is($poold->wait_exit, 0, 'Ctrl-C: the exit status is 0');
	no_leftovers($poold);
}

{
	my ($poold, $client) = busy_poold('sleep_ms=30000');
	my $start = time;
	$poold->signal('TERM');
	$poold->wait_log(qr/stop|TERM/i);
	is($poold->stop('TERM'), 0, 'TERM twice: the exit status is 0');
	cmp_ok(time - $start, '<', patience(4), '... at once');
	no_leftovers($poold);
}

{
	my ($poold, $client) = busy_poold('hang=1',
	    $ini =~ s/stop_timeout = 5s/stop_timeout = 300ms/r);
	my $start = time;
	is($poold->stop('TERM'), 0, 'a worker that hangs does not keep it');
	my $took = time - $start;
	cmp_ok($took, '<', patience(3), '... beyond stop_timeout');
	cmp_ok($took, '>', 0.29, '... and not before');
	is($client->response->status == 200, '', '... though its request is lost');
	no_leftovers($poold);
}

{
	my $poold = poold($ini);
	my $router = $poold->router;
	my @workers = $poold->workers;
	signal_to 'KILL', $poold->pid;
	is($poold->wait_exit, 128 + 9, 'the supervisor is killed');
	eventually { !grep { alive($_) } $router, @workers } 5,
	    '... and router and workers exit by themselves';
	ok(!eval { $poold->client }, '... and nobody listens');
}

# It can be stopped while it starts.
{
	my $poold = new_poold($ini =~ s{/echo}{/notready}r);
	$poold->start(nowait => 1);
	eventually { $poold->programs('notready') == 2 } 5, 'workers are starting';
	cmp_ok($poold->stop('TERM') // -1, '>=', 0, 'it can be stopped while it starts');
	no_leftovers($poold);
}

finish();
