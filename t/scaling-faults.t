#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Pools that follow the load, while other things happen to them.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);
use Time::HiRes qw(time);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[service stable]
listen = main
route = /api weight=90
command = @bin@/echo
workers = 1

[service canary]
listen = main
route = /api weight=10
command = @bin@/echo
scaling = ondemand
workers_max = 2
idle_timeout = 300ms

[service broken]
listen = main
route = /broken
command = @bin@/broken
scaling = ondemand
workers_max = 2
idle_timeout = 500ms

[service idle]
listen = main
route = /idle
command = @bin@/echo
scaling = dynamic
workers = 1
workers_max = 6
workers_spare = 0
idle_timeout = 500ms
queue_timeout = 20s

[service slow]
listen = main
route = /slow
command = @conf@/late
scaling = ondemand
workers_max = 2
idle_timeout = 100ms
env.VERSION = 1

[service checked]
listen = own
mode = inherit
command = @bin@/echo
scaling = ondemand
workers_max = 2
idle_timeout = 700ms
health_check = /
health_interval = 100ms

[service busy]
listen = main
route = /busy
command = @bin@/echo
scaling = dynamic
workers = 1
workers_max = 6
workers_spare = 0
idle_timeout = 60s
env.VERSION = 1
INI
my $poold = new_poold($ini);

# Replaces the program of a service.
sub install {
	my ($service, $from) = @_;
	unlink "$poold->{bin}/$service";
	Poold::Test::copy_program(program($from), "$poold->{bin}/$service");
}
install('broken', 'crash');
# A program that takes longer to start than idle_timeout.
chmod 0755, $poold->write_file('late', "#!/bin/sh\nsleep 0.5\nexec \@bin\@/echo\n");
$poold->start;
sub count { return scalar $poold->workers($_[0]) }

# --- shared routes ---
{
	is(count('canary'), 0, 'a service on demand that shares a route has no worker');
	my $client = $poold->client;
	my $by = tally(map { $client->get('/api')->json->{service} } 1 .. 20);
	is($by->{canary} // 0, 2, '... and gets its share all the same');
	eventually { count('canary') == 0 } 10, '... and goes back to none';
}

# --- a crash loop ---
{
	my $status = 0;
	eventually { $status = $poold->get('/broken')->status; $status == 503 } 30,
	    'a service on demand whose workers die at once is refused';
	ok($poold->wait_log(qr/service broken: the circuit breaker is open: no worker is ready/),
	    '... by its circuit breaker');
	# long enough to forget the requests that waited
	wait_until(sub { $poold->log_text =~ /service broken: 0 workers wanted/ }, 2);
	install('broken', 'echo');
	eventually { $poold->get('/broken')->status == 200 } 30,
	    '... and is used again when its program is mended, though nobody waits';
	eventually { count('broken') == 0 } 10, '... and then goes back to none';
}

# --- the router dies ---
{
	my @clients = map { $poold->client } 1 .. 30;
	$_->request('GET', '/idle?sleep_ms=600') for @clients;
	eventually { count('idle') > 1 } 5, 'a pool grows for those that wait';
	my $router = $poold->router;
	signal_to 'KILL', $router;
	eventually { my $now = $poold->router; $now && $now != $router } 5,
	    '... while its router dies';
	undef @clients;
	eventually { count('idle') == 1 } 20,
	    '... and shrinks, since nobody waits at the new one';
	is($poold->get('/idle')->status, 200, '... and serves');
}

# --- a reload under load ---
{
	my @load = map { load($poold, target => '/busy?sleep_ms=20', rate => 1000) } 1 .. 12;
	eventually { count('busy') == 6 } 10, 'a pool has grown with its load';
	my %old = map { $_ => 1 } $poold->workers('busy');
	$ini =~ s/(\[service busy\][^[]*VERSION) = 1/$1 = 2/;
	$poold->write_config($ini);
	like($poold->reload, qr/reload done/, '... and is reloaded');
	like($poold->log_text, qr/service busy: generation 2 is ready \(6 workers\)/,
	    '... by a generation of as many workers');
	is("@{ $_->stop->{failures} }", '', '... and no request fails') for $load[0];
	$_->stop for @load[1 .. $#load];
}

# --- a reload of one that takes longer to start than idle_timeout ---
{
	$ini =~ s/(\[service slow\][^[]*VERSION) = 1/$1 = 2/;
	$poold->write_config($ini);
	like($poold->reload(10), qr/reload done/,
	    'a pool on demand does not go before its reload is through');
	is($poold->get('/slow')->status, 200, '... and serves');
}

# --- health checks ---
{
	my $client = Poold::Client->new(port => $poold->port(2));
	is($client->get('/')->status, 200, 'a pool on demand with health checks serves');
	$client->close;
	eventually { count('checked') == 0 } 10, '... and goes to none all the same';
	ok(!wait_until(sub { count('checked') }, 0.5), '... and stays there');
}

finish;
