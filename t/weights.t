#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A route that services share by weight.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);

# The configuration with these weights.
sub ini {
	my ($stable, $canary) = @_;
	return <<"INI";
[listen main]
address = 127.0.0.1:\@port\@

[service stable]
route = /api weight=$stable
command = \@bin\@/echo
workers = 2

[service canary]
route = /api weight=$canary
route = canary.example/api
command = \@bin\@/canary
workers = 1
queue_limit = 0

[service www]
route = /
command = \@bin\@/hello
workers = 1
INI
}

my $poold = new_poold(ini(90, 10));
Poold::Test::copy_program("$poold->{bin}/echo", "$poold->{bin}/canary");
$poold->start;
my $client = $poold->client;
my $pids = sub { join ' ', map { $poold->workers($_) } qw(stable canary www) };
my $at_start = $pids->();
my $router = $poold->router;

# Who answers so many requests, in their order: s, c; - where nobody did.
sub turns {
	my ($count, $target) = @_;
	return join '', map {
		my $r = $client->get($target // '/api');
		$r->status == 200 ? substr($r->json->{service}, 0, 1) : '-';
	} 1 .. $count;
}

sub counts {
	my ($turns) = @_;
	my $count = tally(split //, $turns);
	return join ' ', map { "$_=$count->{$_}" } sort keys %$count;
}

sub weigh {
	my ($stable, $canary) = @_;
	$poold->write_config(ini($stable, $canary));
	return $poold->reload;
}

# shares
{
	my $turns = turns(100);
	is(counts($turns), 'c=10 s=90',
	    'of 100 requests on one connection, shares of 90 and 10 get 90 and 10');
	is(counts(substr $turns, $_ * 10, 10), 'c=1 s=9', '... spread out evenly')
	    for 0, 5, 9;
	my @services = map { $poold->get('/api')->json->{service} } 1 .. 100;
	is(counts(join '', map { substr $_, 0, 1 } @services), 'c=10 s=90',
	    '... and so do connections with a request each');
	is($client->get('/api', host => 'canary.example')->json->{service}, 'canary',
	    'a route that is not shared is served as ever');
	is(counts(turns(100)), 'c=10 s=90', '... and is no turn of the shared one');
}

# reload
{
	like(weigh(50, 50), $Poold::Daemon::RELOADED, 'weights are changed by a reload');
	is(turns(10), 'scscscscsc', 'equal shares take turns');
	is($pids->(), $at_start, '... of the workers that were there');
	is($poold->router, $router, '... and by the same router');
	weigh(9, 1);
	my $turns = '';
	for (1 .. 5) {
		$turns .= turns(2);
		$poold->reload;
	}
	is(counts($turns), 'c=1 s=9', 'a reload that changes no weight does not begin anew');
}

# 0
{
	weigh(90, 0);
	is(counts(turns(20)), 's=20', 'weight=0 takes nothing');
	is($client->get('/api', host => 'canary.example')->json->{service}, 'canary',
	    '... of that route alone');
	weigh(0, 0);
	is($client->get('/api')->body, '{"hello":"world"}',
	    'a route whose weights are all 0 is as good as not there');
	weigh(0, 1);
	is(counts(turns(20)), 'c=20', 'one that has all the weight takes all');
	is($pids->(), $at_start, '... and no worker was started for any of that');
}

# who cannot serve
{
	weigh(1, 1);
	turns(2, '/api?sleep_ms=100'); # nothing is sent ahead to slow ones
	my $hold = int patience(1500);
	my @held = map { $poold->client } 1 .. 2;
	$_->request('GET', "/api?sleep_ms=$hold&log=taken") for @held;
	ok(wait_until(sub { my $n = () = $poold->log_text =~ /taken/g; $n == 2 }),
	    'a worker of each is busy');
	is(counts(turns(6)), 's=6', 'a service that could not even keep a request is passed over');
	is(counts(join '', map { substr $_->response->json->{service}, 0, 1 } @held),
	    'c=1 s=1', '... since it was busy');

	my ($old) = $poold->workers('canary');
	Poold::Test::copy_program("$poold->{bin}/crash", "$poold->{bin}/canary.new");
	rename "$poold->{bin}/canary.new", "$poold->{bin}/canary" or die "canary: $!";
	$poold->mark;
	signal_to 'KILL', $old;
	ok($poold->wait_log(qr/service canary: worker.* status 3/),
	    'all workers of a service die');
	my @stable = $poold->workers('stable');
	is(counts(turns(20)), 's=20', 'a service without workers is passed over');
	Poold::Test::copy_program("$poold->{bin}/echo", "$poold->{bin}/canary.new");
	rename "$poold->{bin}/canary.new", "$poold->{bin}/canary" or die "canary: $!";
	eventually { turns(1) eq 'c' } 15, '... until it has one again';
	is(counts(turns(10)), 'c=5 s=5', '... and gets its share as before');
	is(join(' ', $poold->workers('stable')), "@stable", '... while the other saw nothing');
}

# a new router
{
	weigh(4, 1);
	signal_to 'KILL', $poold->router;
	ok(wait_until(sub { my $new = $poold->router; $new && $new != $router }),
	    'the router is killed');
	$client = $poold->client;
	is(counts(turns(10)), 'c=2 s=8', '... and the next one knows the weights');
	weigh(1, 1);
}

# what is refused
{
	my @c = ('-t', '-c', $poold->{ini});
	$poold->write_config(ini(90, 10) =~ s/ weight=10//r);
	my ($status, $text) = $poold->run(@c);
	is($status, 78, 'a route with and without a weight is an error');
	like($text, qr/poold\.ini:14: \[service canary\]: the route \/api has no weight and that of \[service stable\] at \S+poold\.ini:9 has one/,
	    '... that names both places');
	like($poold->reload, qr/reload failed/, '... which a reload refuses, too');
	is(counts(turns(10)), 'c=5 s=5', '... so that the old weights go on');
	$poold->write_config(ini(90, 1001));
	($status, $text) = $poold->run(@c);
	like($text, qr/poold\.ini:14: route: weight: 1001 is not between 0 and 1000/,
	    'a weight beyond the limit is an error');
	$poold->write_config(ini(90, 10));
	($status, $text) = $poold->run('-T', '-c', $poold->{ini});
	like($text, qr/^route = \/api weight=90\n(?s:.*)^route = \/api weight=10\n/m,
	    '-T shows weights');
}

finish();
