#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What ps shows.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(title);

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
workers = 1
INI

sub shows {
	my ($pid, $pattern, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_until(sub { title($pid) =~ $pattern }, 10), $name)
	    or diag 'it shows: ', title($pid);
}

shows($poold->pid, qr/^poold: supervisor \(poold\.ini, 2 services, 3 workers\)$/,
    'the supervisor tells its file and what it runs');
shows($poold->router, qr/^poold: router \(0 connections, 0 queued\)$/,
    'the router tells its connections');
my ($first, $second) = $poold->workers('a');
shows($first, qr/^poold: a worker 0 \(idle, 0 requests\)$/,
    'a worker tells its service, its number and what it does');
shows($second, qr/^poold: a worker 1 \(idle, 0 requests\)$/, '... each its own');

my $client = $poold->client;
for (1 .. 10) {
	$poold->rest('a');
	$client->get('/a');
}
shows($poold->router, qr/^poold: router \(1 connection, 0 queued\)$/,
    'the router counts a connection');
shows($first, qr/^poold: a worker 0 \(idle, 5 requests\)$/,
    'a worker counts its requests');
shows($second, qr/^poold: a worker 1 \(idle, 5 requests\)$/, '... each its own');

my @slow = map { $poold->client } 1 .. 4;
$_->request('GET', '/b?sleep_ms=1000') for @slow;
my ($b) = $poold->workers('b');
shows($b, qr/^poold: b worker 0 \(busy\b.*\)$/, 'a worker tells that it is busy');
shows($poold->router, qr/^poold: router \(5 connections, [1-3] queued\)$/,
    'the router counts what waits');
$_->reset for @slow, $client;
shows($poold->router, qr/^poold: router \(0 connections, 0 queued\)$/,
    '... and what has gone');

$poold->write_file('poold.ini', <<'INI');
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 1
INI
$poold->reload;
shows($poold->pid, qr/^poold: supervisor \(poold\.ini, 1 service, 1 worker\)$/,
    'a reload changes the title');

finish();
