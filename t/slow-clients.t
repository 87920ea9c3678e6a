#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Large responses to clients that are slow to read them.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Chaos;
use IO::Poll qw(POLLERR POLLHUP);
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(time);

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[listen local]
address = unix:@conf@/socket

[service big]
route = /big
command = @bin@/big
workers = 2
response_buffer = 64M

[service strict]
route = /strict
command = @bin@/big
workers = 1
response_buffer = 64M
client_timeout = 1s

[service small-buffer]
route = /small
command = @bin@/big
workers = 2
response_buffer = 1M

[service none]
route = /none
command = @bin@/big
workers = 1
response_buffer = 0
INI

my $size = 6_000_000;

sub letters {
	my ($len) = @_;
	my $text = join '', map { chr(ord('a') + $_ % 26) x 10_000 } 0 .. $len / 10_000;
	return substr $text, 0, $len;
}
my $want = letters($size);

# One that has asked and reads nothing yet.
sub slow_client {
	my ($target, %args) = @_;
	my $client = $poold->client(%args);
	setsockopt($client->sock, SOL_SOCKET, SO_RCVBUF, 65536);
	$client->request('GET', $target);
	return $client;
}

for my $as (qw(whole file stream)) {
	my @slow = map { slow_client("/big?bytes=$size&as=$as") } 1 .. 4;
	eventually { $poold->get('/big', client => { timeout => 1 })->status == 200 } 5,
	    "2 workers with 4 slow readers of a response ($as) serve others";
	my @got = map { $_->response(timeout => 30) } @slow;
	is(scalar(grep { $_->body eq $want } @got), 4, '... and the slow ones get all');
	is(join(' ', map { $_->get('/big')->status } @slow), '200 200 200 200',
	    '... and their next request on the same connection');
}

{
	my @slow = map { slow_client("/small?bytes=$size&as=file") } 1 .. 2;
	my $waiting = $poold->client;
	$waiting->request('GET', '/small');
	ok(!$waiting->readable(0.3), 'beyond response_buffer the workers wait');
	my @got = map { $_->response(timeout => 30) } @slow;
	is(scalar(grep { $_->body eq $want } @got), 2, '... for their readers, who get all');
	is($waiting->response->status, 200, '... and go on then');
}

{
	my $slow = slow_client("/none?bytes=$size");
	my $waiting = $poold->client;
	$waiting->request('GET', '/none');
	ok(!$waiting->readable(0.3), 'without response_buffer a worker waits');
	is($slow->response(timeout => 30)->body, $want, '... and the reader gets all');
	is($waiting->response->status, 200, '... and the worker goes on');
}

{
	my $slow = slow_client("/big?bytes=$size", path => "$poold->{conf}/socket");
	is($slow->response(timeout => 30)->body, $want,
	    'a slow reader on a unix socket gets all');
}

{
	my $slow = slow_client("/strict?bytes=$size");
	my $start = time;
	# without reading a byte: that would be progress
	my $poll = IO::Poll->new;
	$poll->mask($slow->sock => POLLHUP | POLLERR);
	eventually { $poll->poll(0) > 0 } 15,
	    'one that reads nothing at all is ended after client_timeout';
	cmp_ok(time - $start, '>', 0.9, '... and not before');
	is($poold->get('/strict')->status, 200, '... its worker goes on');
}

{
	my @slow = map { slow_client("/big?bytes=$size") } 1 .. 3;
	eventually { $poold->get('/big', client => { timeout => 1 })->status == 200 } 5,
	    'clients that leave in the middle ...';
	$_->reset for @slow;
	eventually { $poold->get('/big')->status == 200 } 5, '... harm nobody';
}

# A short cut of bench/slow-clients: many of each kind at once.
{
	my $chaos = Poold::Chaos->new(workers => 4, ini => 'response_buffer = 128M');
	my $ordinary = sub {
		my $report = $chaos->report($chaos->ledger(c => 10, r => 200, d => 2,
		    ids => 1 << 20, x => ['1000:sleep_us=1000']));
		is($report->{failed}, 0, "$_[0]: ordinary requests are answered")
		    or diag $report->{told};
		return $report;
	};
	my $without = $ordinary->('nobody is slow');
	my $slow = $chaos->holder(i => 400, h => 100, r => 20, b => 8 << 20, d => 500);
	eventually { # what no socket buffer takes is put aside first
		$chaos->poold->get('/chaos?id=0', client => { timeout => 1 })->status == 200
	} 10, 'four workers with many slow clients serve others';
	my $with = $ordinary->('400 idle clients, 100 slow heads, 20 slow readers');
	cmp_ok($with->{p990_us}, '<', 5 * $without->{p990_us} + patience(0.2) * 1e6,
	    '... and 99 of 100 about as soon as without them');

	my $before = $chaos->router_use;
	# not a wait for a condition: how little happens is the condition
	sleep 1;
	my $use = $chaos->router_use;
	cmp_ok($use->{sleeps} - $before->{sleeps}, '<', 1000,
	    '... and the router wakes up about as often as they send or read');
	cmp_ok($use->{cpu_ns} - $before->{cpu_ns}, '<', patience(0.2) * 1e9,
	    '... and sleeps most of the time');
	cmp_ok($use->{rss}, '<', patience(65536), '... and needs little memory');

	my $report = $chaos->stop_ledger($slow);
	is($report->{exit}, 0, 'the slow clients come to their end') or diag $report->{told};
	is($report->{idle_usable}, 400, '... and each idle connection is usable at the end')
	    or diag $report->{told};
	is($report->{read_wrong} + $report->{read_ended}, 0,
	    '... and no reader got a wrong byte or an early end');
	cmp_ok($report->{read_bytes}, '>', 0, '... of what they read');
}

is($poold->stop, 0, 'it stops');
my ($rests) = $poold->log_text =~ /rests=(\d+)/;
cmp_ok($rests, '>=', 12, 'the router has sent the rest of responses');
finish();
