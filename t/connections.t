#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# How many connections there may be, and what happens when there are no more
# descriptors.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc ();
use POSIX ();
use Time::HiRes qw(time);

sub config {
	my ($limits) = @_;
	return "[poold]\naccess_log = off\n" . (is_root ? "user = nobody\n" : '')
	    . "$limits\n" . <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /
command = @bin@/echo
workers = 4
INI
}

sub counters {
	my ($poold) = @_;
	is($poold->stop('TERM'), 0, 'it stops');
	my ($line) = $poold->log_text =~ /^.*\bcounters:(.*)$/m;
	return { ($line // '') =~ /(\w+)=(\d+)/g };
}

# max_connections
{
	my $poold = poold(config('max_connections = 10'));
	my @idle = map { $poold->client } 1 .. 10;
	is(scalar(grep { $_->get('/')->status == 200 } @idle), 10,
	    'as many connections as are allowed are served');
	my @new = map { $poold->client } 1 .. 3;
	is(scalar(grep { $_->get('/')->status == 200 } @new), 3,
	    'more are served, too');
	# who is idle for longest is when DONE was read, which a client cannot see
	my @closed = grep { $_->ending(0.5) eq 'eof' } @idle;
	is(scalar @closed, 3, '... for which as many of those that were idle are closed');
	ok(!(grep { $_ == $idle[9] } @closed), '... of the older ones');
	my %closed = map { $_ => 1 } @closed;
	is(scalar(grep { $_->get('/')->status == 200 } grep { !$closed{$_} } @idle), 7,
	    '... and the others are not');
	$_->close for @idle, @new;

	my @busy = map { $poold->client } 1 .. 10;
	$poold->mark;
	$_->request('GET', '/?sleep_ms=1200') for @busy;
	my $late = $poold->client;
	$late->request('GET', '/');
	ok($poold->wait_log(qr/max_connections is reached/),
	    'when none is idle the log says so');
	ok(!$late->readable(0.1), '... and a new one waits');
	is($late->response->text, 200, '... and is served when one becomes idle');
	is(scalar(grep { $_->response->status == 200 } @busy), 10,
	    '... and nobody who was there is disturbed');
	$_->close for @busy, $late;
	# until then they count, and a new one may be taken for one that is idle
	eventually { Poold::Proc::title($poold->router) =~ /\(0 connections/ } 5,
	    '... and they are gone when they are closed';

	# half a head is not idle
	my @slow = map { $poold->client } 1 .. 10;
	$_->send("GET / HTTP/1.1\r\n") for @slow;
	$late = $poold->client;
	$late->request('GET', '/');
	ok(!$late->readable(0.1), 'connections in the middle of a head are not closed');
	$_->send("Host: x\r\n\r\n") for @slow;
	is(scalar(grep { $_->response->status == 200 } @slow), 10, '... but served');
	is($late->response->text, 200, '... and then the new one');

	# a reload changes the limit
	$_->close for @slow, $late;
	wait_until(sub { Poold::Proc::title($poold->router) =~ /\(0 connections/ }, 5);
	@busy = map { $poold->client } 1 .. 10;
	$_->request('GET', '/?sleep_ms=2500') for @busy;
	$late = $poold->client;
	$late->request('GET', '/nothing-%00');
	ok(!$late->readable(0.1), 'a connection beyond the limit waits');
	$poold->write_config(config('max_connections = 20'));
	like($poold->reload, qr/reload/, '... the limit is raised');
	is($late->response->text, 400, '... and it is read');
	ok(!(grep { $_->readable(0) } @busy), '... at once');
	$_->close for @busy;
	my $count = counters($poold);
	cmp_ok($count->{evicted}, '>=', 3, 'the router counts what it closed');
}

# max_connections_per_address
{
	my $poold = poold(config('max_connections_per_address = 3'));
	my @clients = map { $poold->client } 1 .. 3;
	is(scalar(grep { $_->get('/')->status == 200 } @clients), 3,
	    'an address has as many connections as it is allowed');
	my $over = $poold->client;
	$over->request('GET', '/');
	like($over->response->error, qr/^(?:eof|reset)$/, '... one more is closed');
	my $other = Poold::Client->new(port => $poold->port, host => '127.0.0.1');
	is(scalar(grep { $_->get('/')->status == 200 } @clients), 3,
	    '... those that it has go on');
	(shift @clients)->close;
	eventually { $poold->client->get('/')->status == 200 } 10,
	    '... and when one ends, another may come';
	$poold->write_config(config(''));
	$poold->reload;
	my @many = map { $poold->client } 1 .. 20;
	is(scalar(grep { $_->get('/')->status == 200 } @many), 20,
	    'a reload takes the limit away');
	cmp_ok(counters($poold)->{turned_away}, '>=', 1,
	    'the router counts whom it turned away');
}

# no descriptors
SKIP: {
	my ($prlimit) = grep { -x } qw(/usr/bin/prlimit /bin/prlimit);
	skip 'no prlimit (Debian: util-linux)', 9 unless $prlimit;
	my $poold = new_poold(config(''));
	# the supervisor and all that it starts
	$poold->{env} = {};
	my $start = "$poold->{dir}/start";
	open(my $fh, '>', $start) or die "$start: $!";
	print $fh "#!/bin/sh\nexec $prlimit --nofile=64:64 $poold->{bin}/poold \"\$@\"\n";
	close $fh;
	chmod 0755, $start;
	$poold->{poold} = $start;
	$poold->start;
	my $router = $poold->router;
	my $hz = POSIX::sysconf(&POSIX::_SC_CLK_TCK);
	my $cpu = sub {
		my @f = split ' ',
		    ((Poold::Proc::slurp("/proc/$router/stat") // '') =~ /^.*\) (.*)/s)[0] // '';
		return @f ? ($f[11] + $f[12]) / $hz : 0;
	};
	like(Poold::Proc::slurp("/proc/$router/limits"), qr/open files\s+64\s/,
	    'a router with 64 descriptors');
	my @idle = map { $poold->client } 1 .. 150;
	is($poold->client->get('/')->text, 200,
	    'idle connections are closed for new ones');
	$_->close for @idle;

	# none is idle: each has sent a part of its head
	$poold->mark;
	my @slow = map {
		my $client = $poold->client;
		$client->send("GET / HTTP/1.1\r\n");
		$client;
	} 1 .. 100;
	ok($poold->wait_log(qr/cannot accept: Too many open files/),
	    'without descriptors the log says so');
	my ($used, $begin) = ($cpu->(), time);
	select undef, undef, undef, 0.5; # that nothing happens is what is tested
	cmp_ok($cpu->() - $used, '<', 0.1, '... and the router does not spin');
	$_->send("Host: x\r\nConnection: close\r\n\r\n") for @slow;
	is(scalar(grep { $_->response->status == 200 } @slow), 100,
	    '... and all are served in the end');
	is($poold->client->get('/')->text, 200, '... and so are later ones');
	is($poold->router, $router, '... by the same router');
	my $lines = () = $poold->log_text =~ /cannot accept/g;
	cmp_ok($lines, '<', 60, '... and the log is not flooded');
	unlink $start;
	my $count = counters($poold);
	cmp_ok($count->{wakeups}, '<', 3000, '... nor did the router wake up often');
}

finish();
