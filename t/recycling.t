#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Workers that are used up are replaced, and nobody notices.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[service requests]
listen = main
route = /requests
command = /bin/sh -c "sleep 0.3 && exec @bin@/echo"
workers = 3
max_requests = 60
recycle_jitter = 50

[service lifetime]
listen = main
route = /lifetime
command = /bin/sh -c "sleep 0.3 && exec @bin@/echo"
workers = 2
max_lifetime = 700ms
recycle_jitter = 30

[service memory]
listen = main
route = /memory
command = @bin@/echo
workers = 2
max_memory = 40M

[service own]
listen = own
mode = inherit
command = @bin@/echo
workers = 2
max_lifetime = 1s
INI
my $poold = poold($ini);

# Watches a service under load until $until, and counts how few served.  A look
# at all processes is not one moment: fewer counts when two looks in a row see it.
sub watch {
	my ($service, $until, $seconds, %o) = @_;
	my $load = load($poold, target => "/$service", rate => 400, %o);
	my ($fewest, $last) = (99, 99);
	my $reached = wait_until(sub {
		my $count = $poold->workers($service);
		my $seen = $count > $last ? $count : $last;
		$fewest = $seen if $seen < $fewest;
		$last = $count;
		return $until->();
	}, $seconds);
	return ($reached, $fewest, $load->stop);
}

sub said { return scalar(() = $poold->log_text =~ /$_[0]/g) }

{
	my %before = map { $_ => 1 } $poold->workers('requests');
	my ($reached, $fewest, $load) = watch('requests',
	    sub { said(qr/service requests: worker \d+ \(pid \d+\) is replaced: it has answered \d+ requests/) >= 6 }, 20);
	ok($reached, 'a worker that has answered max_requests is replaced');
	is("@{ $load->{failures} }", '', '... and no request fails');
	cmp_ok($fewest, '>=', 3, '... the pool is never below strength');
	my @counts = $poold->log_text =~ /it has answered (\d+) requests/g;
	is(scalar(grep { $_ < 60 } @counts), 0, '... none before its time');
	my %distinct = map { $_ => 1 } @counts;
	cmp_ok(keys %distinct, '>', 1, '... nor all at the same count') or diag "@counts";
	eventually { !grep { alive($_) } keys %before } 10, '... and the old ones are gone';
	eventually { 3 == $poold->workers('requests') } 5, '... and the pool has its size';
}

{
	my ($reached, $fewest, $load) = watch('lifetime',
	    sub { said(qr/service lifetime: worker \d+ \(pid \d+\) is replaced: it has lived for/) >= 6 }, 20);
	ok($reached, 'a worker of max_lifetime is replaced');
	is("@{ $load->{failures} }", '', '... and no request fails');
	cmp_ok($fewest, '>=', 2, '... the pool is never below strength');
}

{
	my ($fat) = $poold->get('/memory?leak=60000000')->pid;
	my ($reached, $fewest, $load) = watch('memory',
	    sub { !alive($fat) }, 20);
	ok($reached, 'a worker that holds more than max_memory is replaced');
	ok($poold->wait_log(
	    qr/service memory: worker \d+ \(pid $fat\) is replaced: it holds \d+ KiB of memory, max_memory is 40960 KiB/),
	    '... and the log says why');
	is("@{ $load->{failures} }", '', '... and no request fails');
	cmp_ok($fewest, '>=', 2, '... the pool is never below strength');
	is(said(qr/service memory: worker \d+ \(pid \d+\) is replaced/), 1,
	    '... and nobody else is replaced');
}

{
	my %before = map { $_ => 1 } $poold->workers('own');
	eventually { !grep { alive($_) } keys %before } 20,
	    'workers that accept for themselves have a max_lifetime, too';
	eventually { 2 == $poold->workers('own') } 5, '... and successors';
}

{
	my $bad = new_poold($ini =~ s/(mode = inherit)/$1\nmax_requests = 5/r);
	my ($status, $output) = $bad->run('-c', "$bad->{conf}/poold.ini", '-t');
	is($status, 78, 'max_requests for workers that accept for themselves is refused');
	like($output, qr/poold.ini:\d+: .*nobody counts the requests/, '... with the reason');
}

finish;
