#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A short cut of bench/chaos: each request has an id, and what became of it is
# known, while workers and routers are killed and SIGHUP rains.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Chaos;

# What the client says about failures, for people.
sub told { diag $_[0]{told} if $_[0]{told} ne '' }

my $chaos = Poold::Chaos->new(workers => 6);
my $poold = $chaos->poold;
# the router killed; first, since what it counted is lost with it
{
	my $load = $chaos->ledger(m => 'POST', b => 300, c => 10, r => 1000, n => 700);
	ok($chaos->kill_router, 'a killed router comes back') for 1 .. 2;
	my $report = $chaos->report($load);
	cmp_ok($report->{ok}, '>=', 680, '... and the requests are answered');
	is($report->{refused}, 0, '... and no connection is refused');
	cmp_ok($report->{failed}, '<=', 20, '... and what fails was under way');
	is(Poold::Chaos::executed($report, '\w+', '2|3\+'), 0, '... and no POST is executed twice');
}

my $idle = $chaos->ledger(i => 100, c => 1, r => 5);

# workers killed under GETs
{
	my $load = $chaos->ledger(c => 30, r => 2000, x => ['500:sleep_us=1000']);
	$chaos->kill_worker for 1 .. 8;
	ok($chaos->wait_whole, 'killed workers are replaced');
	my $report = $chaos->stop_ledger($load);
	cmp_ok($report->{ok}, '>', 500, 'GETs are answered while workers are killed');
	is($report->{failed}, 0, '... and none fails, is cut or gets the answer to another')
	    or told($report);
	is(Poold::Chaos::executed($report, 'ok', 0), 0, '... and each was executed');
}

# the same with POST
{
	my $load = $chaos->ledger(m => 'POST', b => 2000, c => 30, r => 2000,
	    x => ['500:sleep_us=1000']);
	$chaos->kill_worker for 1 .. 8;
	ok($chaos->wait_whole, 'killed workers are replaced');
	my $report = $chaos->stop_ledger($load);
	cmp_ok($report->{ok}, '>', 500, 'POSTs are answered while workers are killed');
	is(Poold::Chaos::executed($report, '\w+', '2|3\+'), 0, '... and none is executed twice');
	is(Poold::Chaos::executed($report, 'ok', 0), 0, '... nor answered without it');
	cmp_ok($report->{failed}, '<=', 8, '... and at most one fails for each worker')
	    or told($report);
	is($report->{status}, $report->{'status.502'} // 0, '... each with 502');
	is($report->{wrong} + $report->{mixed} + $report->{refused} + $report->{timeout}, 0,
	    '... or with the end of its connection') or told($report);
}

# Answers that break off after so many bytes, one at a time.
sub crash {
	my ($where, %o) = @_;
	$chaos->wait_whole;
	return $chaos->report($chaos->ledger(n => 1, x => ["1000:crash=$where"], %o));
}
for my $size (0, 100_000) {
	my $report = crash('0&times=1', s => $size);
	is($report->{ok}, 1, 'a GET whose worker dies before the first byte is retried')
	    or told($report);
	is(Poold::Chaos::executed($report, 'ok', 2), 1, '... once');
	for my $where (1, 'head', 'half') {
		$report = crash($where, s => $size);
		is($report->{cut}, 1, "an answer that ends early ($where, $size) is cut")
		    or told($report);
		is(Poold::Chaos::executed($report, 'cut', 1), 1, '... and not retried');
	}
	$report = crash('all', s => $size);
	is($report->{ok}, 1, 'a whole answer is one, though its worker dies')
	    or told($report);
}
for my $method (qw(GET POST)) {
	my $report = crash('done', n => 3, m => $method);
	is($report->{ok}, 3, "three whole answers to $method, each by a worker that dies "
	    . 'before it says so') or told($report);
	is($report->{connects}, 1, '... leave the connection usable');
}
is(crash(0, m => 'POST')->{'status.502'}, 1, 'a POST whose worker dies in it gets 502');

# SIGHUP
my @still = $poold->workers('still');
{
	$chaos->wait_whole;
	my $load = $chaos->ledger(c => 30, r => 1000);
	my @unended = grep { !$chaos->hup($_) } 1 .. 30;
	is("@unended", '', 'thirty reloads, three of them bad, come to an end');
	my $report = $chaos->stop_ledger($load);
	cmp_ok($report->{ok}, '>', 100, '... while requests are answered');
	is($report->{failed}, 0, '... of which none fails') or told($report);
	is($report->{closed_between}, 0, '... and no connection is ended');
	ok($chaos->wait_whole, '... and no old generation remains');
	is(join(' ', $poold->workers('still')), "@still",
	    '... and the unchanged service keeps its worker');
}
my $report = $chaos->stop_ledger($idle);
is($report->{idle_usable}, 100, 'connections that were idle all the time are usable')
    or told($report);
is($report->{failed}, 0, '... and none of their requests failed');

# a worker that hangs, or is stopped: only its own request waits for it
{
	my $hung = Poold::Chaos->new(workers => 4, ini => 'request_timeout = 1s');
	my %load = (c => 20, r => 200, x => ['500:sleep_us=1000']);
	my $warm_up = $hung->report($hung->ledger(%load, d => 1));
	is($warm_up->{failed}, 0, 'four workers serve');
	$hung->poold->rest('chaos');
	my $cost = sub {
		my $sample = $hung->sample;
		return join ', ', map { my $role = $_;
			map { "$role $_ $sample->{$role}{$_}" } qw(processes fds) }
		    grep { !/router/ } sort keys %$sample;
	};
	my $before = $cost->();
	for my $what (qw(hang stop)) {
		my $load = $hung->ledger(%load);
		my $report = $hung->report($hung->ledger(n => 2, x => ["1000:$what=1"]));
		is($report->{'status.504'}, 2, "two requests whose worker must $what get 504")
		    or told($report);
		is(Poold::Chaos::executed($report, 'status', 1), 2,
		    '... and no other worker executes them');
		$report = $hung->stop_ledger($load);
		is($report->{failed}, 0, '... and no other request fails') or told($report);
		cmp_ok($report->{ok}, '>', 100, '... of many');
		cmp_ok($report->{p990_us}, '<', patience(0.5) * 1e6,
		    '... nor waits as if it had to wait for that worker');
		ok($hung->wait_whole, '... and the workers are replaced');
	}
	my $load = $hung->ledger(%load);
	my $killed = 0;
	$killed += $hung->stop_worker(patience(2)) for 1 .. 2;
	my $report = $hung->stop_ledger($load);
	cmp_ok($report->{failed}, '<=', $killed,
	    'workers that are stopped at random cost at most the request each had')
	    or told($report);
	ok($hung->wait_whole, '... and the pool is whole again');
	eventually { $cost->() eq $before } 10,
	    '... with as many processes and descriptors as before'
	    or diag "$before; now " . $cost->();
	cmp_ok($hung->counters->{timeouts}, '>=', 4, '... and the router counted them');
}

is($chaos->die_unread, 200, 'a POST of which a dead worker had read nothing is repeated');
my $counters = $chaos->counters;
is(join(' ', grep { !$counters->{$_} } qw(retried replayed lost_502 lost_cut lost_whole)),
    '', 'each branch of re-dispatch has run');

finish();
