#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Workers that are killed, crash, or are stopped in the wrong moment.
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

[service four]
route = /four
command = @bin@/echo
workers = 4
INI

sub whole {
	my ($service, $count, @without) = @_;
	my %gone = map { $_ => 1 } @without;
	return wait_until(sub {
		my @workers = grep { !$gone{$_} && alive($_) } $poold->workers($service);
		return @workers == $count;
	}, 10);
}

# Of two workers the one that gets the next request, since they take turns.
sub next_in_line {
	my ($service) = @_;
	my ($first) = $poold->turns($service, "/$service", 2);
	$poold->rest($service);
	return $first;
}

sub stop_process {
	my ($pid) = @_;
	signal_to 'STOP', $pid;
	return wait_until(sub { state($pid) eq 'T' }, 10);
}

# idle
{
	$poold->mark;
	my ($victim) = $poold->workers('two');
	signal_to 'KILL', $victim;
	ok(whole('two', 2, $victim), 'an idle worker that was killed is replaced');
	ok($poold->wait_log(qr/\btwo\b.*\b$victim\b.*(?:signal 9|SIGKILL|Killed|killed)/),
	    'the log says who died of what');
	is($poold->get('/two')->status, 200, 'its service goes on');
}

# under load
{
	$poold->mark;
	my $load = load($poold, target => '/four?sleep_ms=1', rate => 300);
	my ($victim) = $poold->workers('four');
	my $before = $poold->get('/four')->json->{served};
	wait_until(sub { $poold->get('/four')->json->{served} > $before + 20 });
	my $start = time;
	signal_to 'KILL', $victim;
	ok(whole('four', 4, $victim), 'under load a killed worker is replaced');
	cmp_ok(time - $start, '<', patience(3), '... soon');
	my ($new) = grep { $_ != $victim } $poold->workers('four');
	my $result = $load->stop;
	cmp_ok($result->{answered}, '>', 50, '... while the load goes on');
	cmp_ok(scalar @{ $result->{failures} }, '<=', 1,
	    '... and at most its own request is lost')
	    or diag "@{ $result->{failures} }";
}

# in the middle of a request
{
	my $other = $poold->client;
	my $client = $poold->client;
	$other->request('GET', '/two?sleep_ms=300');
	my $r = $client->get('/two?crash=before');
	ok($r->status == 502 || $r->error =~ /^(?:eof|cut)$/,
	    'a request that kills its worker gets 502 or a cut connection')
	    or diag $r->text;
	is($other->response->status, 200, '... and the request beside it its answer');
	ok(whole('two', 2), '... and the worker is replaced');

	$client = $poold->client;
	$r = $client->get('/two?crash=after&bytes=200000');
	is($r->status, 0, 'a response that breaks off is never taken for whole');
	like($r->error, qr/^(?:cut|eof|reset)$/, '... since the connection ends');
	unlike($r->{partial}, qr/HTTP.*HTTP/s,
	    '... without another response spliced in');
	ok(whole('two', 2), '... and the worker is replaced');

	$client = $poold->client;
	$poold->mark;
	$r = $client->get('/two?exit=7');
	ok($r->status == 502 || $r->error =~ /^(?:eof|cut)$/,
	    'a request whose worker exits gets 502 or a cut connection');
	ok($poold->wait_log(qr/\btwo\b.*(?:status|code) 7/),
	    '... and the log tells the status');
	is($poold->post('/two?crash=before', 'x' x 100)->status == 200, '',
	    'a POST that kills its worker is not answered with 200');
	eventually { $poold->get('/two')->status == 200 } 10, 'the service goes on';
}

# a handler that says nothing
is($poold->get('/one?nothing=1')->status, 500,
    'a worker that answers nothing is answered for with 500');

# lost wake-ups: the kernel wakes one waiting worker for a lease, and that one
# never comes
{
	eventually { whole('two', 2) } 10, 'two workers wait';
	for my $how ('stopped', 'stopped, then killed') {
		my $victim = next_in_line('two');
		ok(stop_process($victim), 'the next worker in line is stopped');
		my $client = $poold->client;
		my $start = time;
		$client->request('GET', '/two');
		signal_to 'KILL', $victim if $how =~ /killed/;
		my $r = $client->response;
		is($r->status, 200, "the worker next in line is $how: "
		    . 'another answers') or diag $r->text;
		cmp_ok(time - $start, '<', patience(1), '... soon');
		signal_to 'CONT', $victim;
		eventually { whole('two', 2) } 10, '... and the pool is whole';
	}
}
{
	my ($victim) = $poold->workers('one');
	stop_process($victim);
	my $client = $poold->client;
	$client->request('GET', '/one');
	signal_to 'KILL', $victim;
	my $r = $client->response;
	is($r->status, 200, 'the only worker is killed before it takes the request: '
	    . 'the next one answers') or diag $r->text;
	isnt($r->pid, $victim, '... which is another');
}
{
	my @victims = $poold->workers('four');
	stop_process($_) for @victims;
	my @clients = map { $poold->client } 1 .. 8;
	$_->request('GET', '/four') for @clients;
	signal_to 'KILL', @victims[ 0, 1 ];
	signal_to 'CONT', @victims[ 2, 3 ];
	my @got = map { $_->response->text } @clients;
	is("@got", join(' ', (200) x 8),
	    'no request is lost with workers that did not take it');
	ok(whole('four', 4, @victims[ 0, 1 ]), '... and the pool is whole');
	my @slow = map { $poold->client } 1 .. 4;
	my $start = time;
	$_->request('GET', '/four?sleep_ms=800') for @slow;
	is(keys %{ tally(map { $_->response->pid } @slow) }, 4,
	    '... and all of it is used');
	cmp_ok(time - $start, '<', patience(1.55), '... at the same time');
}

finish();
