#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What systemd sees of poold (Type=notify, the watchdog) and gives it (sockets).
# The test plays systemd.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);
use IO::Select;
use Socket qw(:DEFAULT inet_pton AF_INET6 IPPROTO_IPV6 IPV6_V6ONLY pack_sockaddr_in6);
use Time::HiRes qw(time sleep clock_gettime CLOCK_MONOTONIC);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service echo]
route = /
command = @bin@/echo
workers = 2
INI

# --- a notification socket

package Manager {
	use Socket;

	# name: a path, or "@" and an abstract name.
	sub new {
		my ($class, $name) = @_;
		socket(my $sock, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
		bind($sock, pack_sockaddr_un($name =~ s/^\@/\0/r)) or die "$name: $!";
		chmod 0777, $name if $name !~ /^\@/;
		return bless { sock => $sock, name => $name, got => [] }, $class;
	}

	# The next message as NAME => value, or undef; kept in got.
	sub next {
		my ($self, $seconds) = @_;
		my $deadline = main::time() + main::patience($seconds // 5);
		my $left = $deadline - main::time();
		return unless IO::Select->new($self->{sock})->can_read($left);
		defined recv($self->{sock}, my $text, 65536, 0) or return;
		my %msg = map { /^(\w+)=(.*)$/ } split /\n/, $text;
		push @{ $self->{got} }, { %msg, at => main::time() };
		return \%msg;
	}

	# Waits for a message with this value.
	sub wait_for {
		my ($self, $name, $value, $seconds) = @_;
		my $deadline = main::time() + main::patience($seconds // 5);
		while (main::time() < $deadline) {
			my $msg = $self->next(0.1) // next;
			return $msg if ($msg->{$name} // '') =~ /^(?:$value)$/;
		}
		return {};
	}
}

package main;

# A poold below a manager.  notify: the name of its socket; more as new_poold.
my $count = 0;
sub managed {
	my ($text, %args) = @_;
	my $name = delete $args{notify} // '@poold-test-notify-' . $$ . '-' . ++$count;
	my $manager = Manager->new($name);
	my $poold = new_poold($text, %args,
	    env => { NOTIFY_SOCKET => $name, %{ $args{env} // {} } });
	return ($poold, $manager);
}

# --- start, reload, stop

{
	my $path = temp_dir() . '/notify';
	my ($poold, $manager) = managed($ini, notify => $path);
	$poold->start;
	my $msg = $manager->wait_for(READY => 1);
	is($msg->{READY}, 1, 'READY=1 is said once it serves');
	is($msg->{MAINPID}, $poold->pid, '... with its pid');
	is($msg->{STATUS}, 'serving 1 service, 2 of 2 workers ready', '... and what it does');
	ok(!(grep { $_->{RELOADING} || $_->{WATCHDOG} } @{ $manager->{got} }),
	    '... and nothing else');

	# one that dies young again and again is replaced after a while only
	for my $try (1 .. 8) {
		signal_to 'KILL', ($poold->workers('echo'))[0];
		$msg = $manager->next(0.3) and last;
	}
	like($msg->{STATUS}, qr/^serving 1 service, [01] of 2 workers ready$/,
	    'a worker that dies changes the status');
	is($msg->{READY}, undef, '... alone');
	like($manager->wait_for(STATUS => '.*2 of 2.*')->{STATUS}, qr/serving/,
	    '... until it is replaced');

	my $before = clock_gettime(CLOCK_MONOTONIC) * 1e6;
	$poold->reload;
	$msg = $manager->wait_for(RELOADING => 1);
	is($msg->{RELOADING}, 1, 'a reload is announced');
	cmp_ok($msg->{MONOTONIC_USEC} // 0, '>=', int $before, '... with the time');
	cmp_ok($msg->{MONOTONIC_USEC} // 0, '<=', clock_gettime(CLOCK_MONOTONIC) * 1e6,
	    '... of it');
	$msg = $manager->wait_for(READY => 1);
	like($msg->{STATUS}, qr/^serving.*the last reload succeeded$/, '... and its end');

	my @bad = ([ 'errors in it', $ini =~ s/workers/wrokers/r, qr/configuration has errors/ ],
		[ 'a worker that dies', $ini =~ s{/echo$}{/crash}mr, qr/service echo: worker/ ]);
	for (@bad) {
		my ($what, $text, $why) = @$_;
		$poold->write_config($text);
		$poold->reload;
		is($manager->wait_for(RELOADING => 1)->{RELOADING}, 1, "a reload with $what");
		$msg = $manager->wait_for(READY => 1);
		like($msg->{STATUS} // '', qr/^serving.*the last reload failed: .*$why/,
		    '... says that it goes on, and why');
	}
	is($poold->get('/')->status, 200, '... and it does');

	my $client = $poold->client;
	$poold->mark;
	$client->request('GET', '/?sleep_ms=500&log=taken');
	$poold->wait_log(qr/taken/);
	$poold->signal('TERM');
	is($manager->wait_for(STOPPING => 1)->{STATUS}, 'stopping', 'a stop is announced');
	is($poold->exited, undef, '... before it is over');
	is($client->response->status, 200, '... and requests are finished');
	is($poold->wait_exit, 0, '... then it ends');
	is((grep { $_->{STOPPING} } @{ $manager->{got} }), 1, '... after one message');
	no_leftovers($poold);
	unlink $path;
}

# --- workers that are late

{
	my ($poold, $manager) = managed($ini . <<'INI');

[service late]
route = /late
command = @bin@/notready
workers = 1
start_timeout = 1s
INI
	my $start = time;
	$poold->start(nowait => 1);
	my $msg = $manager->wait_for(READY => 1);
	is($msg->{READY}, 1, 'a service that never gets ready does not keep READY=1 back');
	cmp_ok(time - $start, '>=', 0.95, '... for longer than its start_timeout, or less');
	like($msg->{STATUS}, qr/2 of 3 workers ready/, '... the status says how many are ready');
	like($manager->{got}[0]{STATUS}, qr/^starting 2 services, 0 of 3/,
	    '... and said before that it starts');
	is($poold->get('/')->status, 200, '... the other service answers');
	is($poold->stop('INT'), 0, 'a stop by INT');
	is($manager->wait_for(STOPPING => 1)->{STOPPING}, 1, '... is announced as well');
}

# --- the watchdog

{
	my ($poold, $manager) = managed($ini,
	    env => { WATCHDOG_USEC => 400_000, WATCHDOG_PID => sub { $$ } });
	$poold->start;
	$manager->wait_for(WATCHDOG => 1) for 1 .. 5;
	my @at = map { $_->{at} } grep { $_->{WATCHDOG} } @{ $manager->{got} };
	is(scalar @at, 5, 'the watchdog is fed');
	my $gap = ($at[4] - $at[0]) / 4;
	ok($gap > 0.15 && $gap < patience(0.4), '... at half of its time') or diag $gap;
	signal_to 'STOP', $poold->pid;
	1 while $manager->next(0.01 / patience(1));
	ok(!$manager->next(0.5 / patience(1)), '... and not by a supervisor that hangs');
	signal_to 'CONT', $poold->pid;
	is($manager->wait_for(WATCHDOG => 1)->{WATCHDOG}, 1, '... until it goes on');
	$poold->mark;
	signal_to 'USR2', $poold->pid;
	ok($poold->wait_log(qr/took 0 connections/, 10), 'after an upgrade');
	$manager->{got} = [];
	is($manager->wait_for(WATCHDOG => 1)->{WATCHDOG}, 1, '... the watchdog is fed');
	$poold->reload;
	$manager->wait_for(READY => 1);
	is((grep { $_->{RELOADING} } @{ $manager->{got} }), 1, '... and reloads are announced');

	# the watchdog of somebody else; and one whose time makes no sense
	($poold, $manager) = managed($ini,
	    env => { WATCHDOG_USEC => 20_000, WATCHDOG_PID => $$ });
	$poold->start;
	$manager->wait_for(READY => 1);
	ok(!$manager->next(0.3 / patience(1)), 'the watchdog of another process is not fed');
	($poold, $manager) = managed($ini, env => { WATCHDOG_USEC => 'soon' });
	$poold->start;
	ok($poold->wait_log(qr/WATCHDOG_USEC is 'soon'/), 'a time that makes no sense is told');
}

# --- a manager that does not read, one that is not there

{
	my ($poold, $manager) = managed($ini, env => { WATCHDOG_USEC => 2000 });
	$poold->start;
	my $full = 0 + Poold::Proc::slurp('/proc/sys/net/unix/max_dgram_qlen');
	sleep patience(($full + 5) * 0.001 * 2); # more than fit into the socket
	like($poold->reload, qr/done/, 'a manager that does not read holds up nothing');
	is($poold->get('/')->status, 200, '... it serves');
	my $msg = $manager->wait_for(RELOADING => 1);
	is($msg->{RELOADING}, 1, '... and what was to be said is said later');
	$msg = $manager->wait_for(READY => 1);
	like($msg->{STATUS} // '', qr/the last reload succeeded/, '... in order');
	undef $manager;
	ok($poold->wait_log(qr/NOTIFY_SOCKET cannot be written: Connection refused/),
	    'a manager that is gone is told of');
	is($poold->get('/')->status, 200, '... and it serves on');
	my $told = () = $poold->log_text =~ /cannot be written/g;
	is($told, 1, '... which is said once');

	my $odd = poold($ini, env => { NOTIFY_SOCKET => 'vsock:2:1' });
	ok($odd->wait_log(qr/NOTIFY_SOCKET is 'vsock:2:1'/), 'an unknown kind of socket is told of');
}

# --- sockets

# A listening socket as a manager would bind it, [ name, handle ].
sub tcp {
	my ($name, $port, %o) = @_;
	socket(my $sock, AF_INET, $o{type} // SOCK_STREAM, 0) or die "socket: $!";
	setsockopt($sock, SOL_SOCKET, SO_REUSEADDR, 1);
	bind($sock, pack_sockaddr_in($port, inet_aton('127.0.0.1'))) or die "$port: $!";
	listen($sock, 64) or die "listen: $!" unless $o{type} || $o{deaf};
	return [ $name, $sock ];
}

sub tcp6 {
	my ($name, $port, $only) = @_;
	socket(my $sock, AF_INET6, SOCK_STREAM, 0) or return;
	setsockopt($sock, SOL_SOCKET, SO_REUSEADDR, 1);
	setsockopt($sock, IPPROTO_IPV6, IPV6_V6ONLY, $only);
	bind($sock, pack_sockaddr_in6($port, inet_pton(AF_INET6, '::'))) or return;
	listen($sock, 64) or die "listen: $!";
	return [ $name, $sock ];
}

sub inode { return readlink('/proc/self/fd/' . fileno $_[0][1]) }

# Whether the supervisor holds the very socket.
sub holds {
	my ($poold, $socket) = @_;
	my $fds = Poold::Proc::fds($poold->pid) // return;
	return scalar grep { $_ eq inode($socket) } values %$fds;
}

{
	my @ports = map { free_port() } 1 .. 4;
	my $path = temp_dir() . '/given.sock';
	socket(my $unix, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
	bind($unix, pack_sockaddr_un($path)) or die "$path: $!";
	listen($unix, 64);
	chmod 0777, $path;
	my @sockets = (tcp('unused', $ports[3]), tcp('main', $ports[1]),
		tcp('main', $ports[0]), tcp('poold.socket', $ports[2]), [ 'sock', $unix ]);
	my $text = <<"INI";
[listen main]
address = 127.0.0.1:\@port\@

[listen second]
address = 127.0.0.1:\@port2\@

[listen native]
address = 127.0.0.1:\@port3\@

[listen local]
address = unix:$path

[listen own]
address = 127.0.0.1:\@port5\@

[service echo]
listen = main, second, local, own
route = /
command = \@bin\@/echo
workers = 1

[service native]
listen = native
mode = inherit
command = \@bin\@/echo
workers = 1
INI
	my $poold = new_poold($text, ports => [ @ports, free_port() ],
	    sockets => \@sockets);
	my $early = $poold->client;
	$early->request('GET', '/early');
	$poold->start;
	is($early->response->json->{path}, '/early',
	    'a connection that was made before the start is answered');
	is($poold->get('/', client => { listener => $_ })->status, 200,
	    '... ' . (qw(- main second native - own))[$_] . ' serves') for 1, 2, 3, 5;
	is($poold->get('/', client => { listener => 3 })->json->{listen_fdnames}, 'native',
	    '... under the name that the configuration has');
	socket(my $client, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
	ok(connect($client, pack_sockaddr_un($path)), '... the unix socket takes connections');
	syswrite $client, "GET / HTTP/1.0\r\n\r\n";
	sysread $client, my $answer, 100;
	like($answer // '', qr{^HTTP/1\.[01] 200}, '... and answers');
	ok($poold->wait_log(qr/LISTEN_FDS \('unused', 127\.0\.0\.1:$ports[3]\).*closed/),
	    'a socket that no section names is told of');
	SKIP: {
		skip 'descriptors of the supervisor may not be read', 3
		    unless Poold::Proc::fds($poold->pid);
		is(join(' ', map { holds($poold, $_) } @sockets), '0 1 1 1 1',
		    '... and closed; the others are kept');
		$poold->reload;
		is(join(' ', map { holds($poold, $_) } @sockets), '0 1 1 1 1',
		    '... by a reload');
		my ($worker) = $poold->workers('echo');
		my $environ = Poold::Proc::slurp("/proc/$worker/environ")
		    . Poold::Proc::slurp('/proc/' . $poold->router . '/environ');
		unlike($environ, qr/LISTEN_/, 'workers and router know nothing of them');
	}

	# a listener leaves and comes back, while the manager has the socket too
	(my $less = $text) =~ s/\[listen second\]\naddress.*\n//;
	$poold->write_config($less =~ s/main, second,/main,/r);
	like($poold->reload, qr/done/, 'a reload without one of them');
	$poold->write_config($text);
	like($poold->reload, qr/done/, '... and with it again');
	is($poold->get('/', client => { listener => 2 })->status, 200, '... which serves');

	is($poold->stop, 0, 'it stops');
	ok(-S $path, '... and leaves the unix socket to the manager');
	unlink $path;
	no_leftovers($poold);
}

# what is not what it should be
{
	my $port = free_port();
	my $other = free_port();
	my $good = tcp('main', free_port());
	my @cases = (
		[ 'a socket of another address', [ tcp('main', $other) ],
			qr/poold\.ini:\d+: \[listen main\]: .*127\.0\.0\.1:$other, not on 127\.0\.0\.1:$port/ ],
		[ 'a datagram socket', [ tcp('main', $port, type => SOCK_DGRAM) ],
			qr/\[listen main\]: the descriptor 3 .*not a listening stream socket/ ],
		[ 'a socket that does not listen', [ tcp('main', free_port(), deaf => 1) ],
			qr/\[listen main\]: the descriptor 3 .*not a listening stream socket/ ],
		[ 'a descriptor that is not open', [$good],
			qr/LISTEN_FDS is 70, but descriptor \d+ is not open/, LISTEN_FDS => 70 ],
		[ 'a number that is none', [$good],
			qr/LISTEN_FDS is 'some'/, LISTEN_FDS => 'some' ]);
	for (@cases) {
		my ($what, $sockets, $error, @env) = @$_;
		my $poold = new_poold($ini, ports => [$port], sockets => $sockets,
		    env => {@env});
		my ($status, $text) = $poold->run('-c', $poold->{ini});
		is($status, 69, "$what is refused");
		like($text, $error, '... with the reason');
	}

	my $foreign = new_poold($ini, sockets => [$good], env => { LISTEN_PID => 1 });
	$foreign->start;
	is($foreign->get('/')->status, 200, 'sockets that are for another process are let be');
	$foreign->stop;
}

# both families
SKIP: {
	my $port = free_port();
	my $both = tcp6('main', $port, 0) or skip 'no IPv6', 3;
	my $poold = new_poold($ini =~ s/127\.0\.0\.1:/:/r, ports => [$port],
	    sockets => [$both]);
	$poold->start;
	is($poold->get('/')->status, 200, ':port is a socket of both families');
	$poold->stop;
	undef $both;
	$poold->{sockets} = undef;
	$poold = new_poold($ini =~ s/127\.0\.0\.1:/:/r, ports => [$port],
	    sockets => [ tcp6('main', $port, 1) ]);
	my ($status, $text) = $poold->run('-c', $poold->{ini});
	is($status, 69, '... one of IPv6 alone is refused');
	like($text, qr/listens on \[::\]:$port, not on :$port/, '... with the reason');
}

finish();
