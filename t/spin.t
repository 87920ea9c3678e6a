#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# No client can make the router spin: whatever it sends or does not send, the
# router wakes up a bounded number of times and then sleeps.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc ();
use POSIX ();
use Socket qw(MSG_OOB SHUT_WR);
use Time::HiRes qw(time sleep);

my $HZ = POSIX::sysconf(&POSIX::_SC_CLK_TCK);

# Processor time of a process, seconds.
sub cpu {
	my ($pid) = @_;
	my $text = Poold::Proc::slurp("/proc/$pid/stat") // return 0;
	my @f = split ' ', ($text =~ /^.*\) (.*)/s)[0];
	return ($f[11] + $f[12]) / $HZ;
}

# How often it went to sleep of itself: once for each wait.
sub sleeps {
	my ($pid) = @_;
	return (Poold::Proc::status_of($pid) // {})->{voluntary_ctxt_switches} // 0;
}

# Runs code, then watches the router for a third of a second.  It must come to rest,
# with no more than so many waits in all.
sub calm {
	my ($what, $most, $code) = @_;
	my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@
head_timeout = 5s

[listen local]
address = unix:@run@/socket
head_timeout = 5s

[service a]
route = /
command = @bin@/echo
workers = 2
listen = main, local
INI
	my $router = $poold->router;
	my $client = $poold->client;
	$client->get('/');
	my @kept = $code->($poold, $client);
	my ($slept, $used, $start) = (sleeps($router), cpu($router), time);
	# not a wait for a condition: that nothing happens is the condition
	sleep 0.3;
	my $waits = (sleeps($router) - $slept) / (time - $start);
	cmp_ok($waits, '<', 150, "$what: the router sleeps");
	cmp_ok(cpu($router) - $used, '<', 0.1, '... and uses no processor');
	is($poold->get('/')->status, 200, '... and others are served');
	$_->close for @kept, $client;
	$poold->stop('TERM', 15);
	my ($wakeups) = $poold->log_text =~ /\bcounters:.*\bwakeups=(\d+)/;
	cmp_ok($wakeups // 1e9, '<', $most, "... and it woke up fewer than $most times");
}

calm('idle connections', 500, sub {
	my ($poold, $client) = @_;
	return map { $poold->client } 1 .. 100;
});

calm('half a head', 200, sub {
	my ($poold, $client) = @_;
	my @clients = map { $poold->client } 1 .. 20;
	$_->send("GET / HTTP/1.1\r\nHost:") for @clients;
	return @clients;
});

calm('half a head and the end', 300, sub {
	my ($poold, $client) = @_;
	my @clients = map { $poold->client } 1 .. 20;
	for (@clients) {
		$_->send("GET / HTTP/1.1\r\nHost:");
		$_->shutdown_write;
	}
	is(scalar(grep { $_->response->status == 400 } @clients), 20,
	    'half a head and the end: 400');
	return @clients;
});

calm('an urgent byte in the head', 300, sub {
	my ($poold, $client) = @_;
	my @clients = map { $poold->client } 1 .. 20;
	for (@clients) {
		$_->send("GET / HTTP/1.1\r\nHost:");
		CORE::send($_->sock, '!', MSG_OOB);
		$_->send(" x\r\nX: y\r\n");
	}
	return @clients;
});

calm('an urgent byte before all', 300, sub {
	my ($poold, $client) = @_;
	my @clients = map { $poold->client } 1 .. 20;
	CORE::send($_->sock, '!', MSG_OOB) for @clients;
	return @clients;
});

calm('an urgent byte in a body', 300, sub {
	my ($poold, $client) = @_;
	my @clients = map { $poold->client } 1 .. 20;
	for (@clients) {
		$_->send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
		CORE::send($_->sock, '!', MSG_OOB);
		$_->send('def');
	}
	return @clients;
});

calm('a body in segments of 37 bytes', 120, sub {
	my ($poold, $client) = @_;
	my $slow = $poold->client;
	$slow->send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 37000\r\n\r\n");
	$slow->send('x' x 37) for 1 .. 1000;
	is($slow->response->json->{body_length}, 37000,
	    'a body in 1000 segments of 37 bytes is answered');
	return $slow;
});

calm('a head in segments of a byte', 1000, sub {
	my ($poold, $client) = @_;
	my $slow = $poold->client;
	for my $byte (split //, $slow->format_request('GET', '/', headers => [ 'X: ' . 'y' x 4000 ])) {
		$slow->send($byte);
	}
	is($slow->response->status, 200, 'a head in segments of a byte is answered');
	return $slow;
});

calm('unix: half a head', 300, sub {
	my ($poold, $client) = @_;
	my @clients = map { Poold::Client->new(path => "$poold->{run}/socket") } 1 .. 20;
	$_->send("GET / HTTP/1.1\r\nHost:") for @clients;
	return @clients;
});

calm('unix: half a head and the end', 300, sub {
	my ($poold, $client) = @_;
	my @clients = map { Poold::Client->new(path => "$poold->{run}/socket") } 1 .. 20;
	for (@clients) {
		$_->send("GET / HTTP/1.1\r\nHost:");
		$_->shutdown_write;
	}
	return @clients;
});

calm('unix: a body that does not come', 300, sub {
	my ($poold, $client) = @_;
	my $slow = Poold::Client->new(path => "$poold->{run}/socket");
	$slow->send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
	$slow->send('x');
	return $slow;
});

calm('a client that half-closed and waits', 300, sub {
	my ($poold, $client) = @_;
	my @clients = map { $poold->client } 1 .. 2;
	for (@clients) {
		$_->request('GET', '/?sleep_ms=600');
		$_->shutdown_write;
	}
	return @clients;
});

calm('clients that left while they wait', 300, sub {
	my ($poold, $client) = @_;
	my @clients = map { $poold->client } 1 .. 20;
	$_->request('GET', '/?sleep_ms=60') for @clients;
	$_->reset for @clients[ 10 .. 19 ];
	return @clients[ 0 .. 9 ];
});

calm('an answer to a body that goes on and on', 400, sub {
	my ($poold, $client) = @_;
	my $slow = $poold->client(timeout => 0.2);
	$slow->send("POST /\0 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
	$slow->send('x' x 1000) for 1 .. 200;
	return $slow;
});

# --- the supervisor ----------------------------------------------------

# Pools that follow the load are looked at ten times a second, all of them at
# the same times.
{
	my $ini = "[listen main]\naddress = 127.0.0.1:\@port\@\n";
	$ini .= <<"INI" for 1 .. 20;
[service s$_]
route = /$_
command = \@bin\@/echo
scaling = dynamic
workers = 1
workers_max = 4
workers_spare = 0
INI
	my $poold = poold($ini);
	my ($slept, $start) = (sleeps($poold->pid), time);
	sleep 1;
	my $waits = (sleeps($poold->pid) - $slept) / (time - $start);
	note(sprintf '%.0f wake-ups a second', $waits);
	cmp_ok($waits, '<', 60, '20 dynamic pools at rest wake the supervisor as often as one');
	$poold->stop;
}

# A client waits in the accept queue, but spawn_rate allows no worker yet.
{
	my $poold = poold(<<'INI');
[listen own]
address = 127.0.0.1:@port@

[service own]
listen = own
mode = inherit
command = @bin@/echo
scaling = ondemand
workers_max = 1
spawn_rate = 1
idle_timeout = 100ms
INI
	is($poold->get('/')->status, 200, 'a knock starts a worker on demand');
	ok(Poold::Test::wait_until(sub { !$poold->workers('own') }, 5), '... which goes');
	my ($used, $start) = (cpu($poold->pid), time);
	is($poold->get('/')->status, 200, '... the next one has to wait for spawn_rate');
	my $took = time - $start;
	cmp_ok(cpu($poold->pid) - $used, '<', 0.1 + $took / 4,
	    sprintf '... %.2f s in which the supervisor sleeps', $took);
}

# An old generation stands by, and its health checks rest.
{
	my $ini = <<'INI';
[listen own]
address = 127.0.0.1:@port@

[service own]
listen = own
mode = inherit
command = @bin@/echo
workers = 1
health_check = /
health_interval = 100ms
reload_grace = 2s
env.VERSION = 1
INI
	my $poold = poold($ini);
	$ini =~ s/VERSION = 1/VERSION = 2/;
	$poold->write_config($ini);
	my ($used, $start) = (cpu($poold->pid), time);
	like($poold->reload, qr/reload done/, 'a service with health checks is reloaded');
	my $took = time - $start;
	cmp_ok(cpu($poold->pid) - $used, '<', 0.1 + $took / 4,
	    sprintf '... and %.2f s on probation cost no processor', $took);
}

finish();
