#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Which worker of a service gets a request.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[service even]
route = /even
command = @bin@/echo
workers = 2

[service three]
route = /three
command = @bin@/echo
workers = 3

[service six]
route = /six
command = @bin@/echo
workers = 6

[service hot]
route = /hot
command = @bin@/echo
workers = 2
balance = hot

[service cold]
route = /cold
command = @bin@/echo
workers = 5
balance = hot
INI

my $client = $poold->client;

ok($poold->take_turns('even', '/even', 5),
    'ten requests to two workers are five and five, in turn');
ok($poold->take_turns('three', '/three', 4),
    'twelve requests to three workers are four each, in turn');
ok($poold->take_turns('six', '/six', 3),
    'eighteen requests to six workers are three each, in turn');
{
	my @pids;
	eventually {
		@pids = map { $poold->rest('even'); $poold->get('/even')->pid } 1 .. 10;
		join(' ', sort values %{ tally(@pids) }) eq '5 5';
	} 2, '... on connections of their own, too' or diag "@pids";
}

# On a busy machine a late worker's request goes to another, now and then.
eventually { 1 == keys %{ tally($poold->turns('hot', '/hot', 10)) } } 5,
    'balance = hot keeps one worker busy';
{
	my @clients = map { $poold->client } 1 .. 2;
	$_->request('GET', '/hot?sleep_ms=200') for @clients;
	is(keys %{ tally(map { $_->response->pid } @clients) }, 2,
	    '... and uses the other when there is need');
}

# Two requests at a time, in rounds that end before the next begins: which
# workers have them.
sub pairs {
	my ($service, $target, $rounds) = @_;
	my @clients = map { $poold->client } 1 .. 2;
	return map {
		$poold->rest($service);
		$_->request('GET', "$target?sleep_ms=30") for @clients;
		join ' ', sort { $a <=> $b } map { $_->response->pid } @clients;
	} 1 .. $rounds;
}

{
	my @pairs;
	eventually {
		@pairs = pairs('cold', '/cold', 8);
		keys %{ tally(@pairs) } == 1 && $pairs[0] =~ / /;
	} 5, 'two requests at a time stay with the same two of five hot workers'
	    or diag join ', ', @pairs;
	eventually {
		@pairs = pairs('six', '/six', 9);
		join(' ', map { $pairs[$_] eq $pairs[ $_ % 3 ] } 0 .. 8) eq join(' ', (1) x 9)
		    && keys %{ tally(map { split } @pairs) } == 6;
	} 5, '... and go round all six workers in turn where they are not hot'
	    or diag join ', ', @pairs;
}

# A worker that is busy gets nothing while another is idle.
{
	my $slow = $poold->client;
	$slow->request('GET', '/even?sleep_ms=300&log=taken');
	$poold->wait_log(qr/taken/);
	my @others = map { $client->get('/even')->pid } 1 .. 20;
	my $busy = $slow->response->pid;
	is(scalar(grep { $_ == $busy } @others), 0,
	    'no request waits behind a busy worker while another is idle');
}

finish();
