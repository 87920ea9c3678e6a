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

[service hot]
route = /hot
command = @bin@/echo
workers = 2
balance = hot
INI

my $client = $poold->client;

ok($poold->take_turns('even', '/even', 5),
    'ten requests to two workers are five and five, in turn');
ok($poold->take_turns('three', '/three', 4),
    'twelve requests to three workers are four each, in turn');
{
	my @pids;
	eventually {
		@pids = map { $poold->rest('even'); $poold->get('/even')->pid } 1 .. 10;
		join(' ', sort values %{ tally(@pids) }) eq '5 5';
	} 2, '... on connections of their own, too' or diag "@pids";
}

is(keys %{ tally($poold->turns('hot', '/hot', 10)) }, 1,
    'balance = hot keeps one worker busy');
{
	my @clients = map { $poold->client } 1 .. 2;
	$_->request('GET', '/hot?sleep_ms=200') for @clients;
	is(keys %{ tally(map { $_->response->pid } @clients) }, 2,
	    '... and uses the other when there is need');
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
