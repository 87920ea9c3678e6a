#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# mode = inherit, for programs that know nothing of poold: how they are told of
# their sockets, when they are ready, and with which signals they stop and reload.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to stat_of);

# A configuration of one such service.
sub service {
	my ($arguments, @lines) = @_;
	return join "\n", '[listen one]', 'address = 127.0.0.1:@port@', '[service one]',
	    'mode = inherit', 'listen = one', 'workers = 1',
	    "command = \@bin\@/accept.pl $arguments", @lines, '';
}

sub answer { return $_[0]->get('/')->json }

# how it is told of its sockets
{
	my $poold = poold(service('', 'inherit_as = systemd, server-starter, php-fpm'));
	my $port = $poold->port;
	my $env = answer($poold)->{env};
	is($env->{LISTEN_FDS}, 1, 'inherit_as = systemd sets LISTEN_FDS');
	is($env->{LISTEN_FDNAMES}, 'one', '... and LISTEN_FDNAMES');
	is($env->{SERVER_STARTER_PORT}, "127.0.0.1:$port=3",
	    'server-starter sets SERVER_STARTER_PORT');
	is($env->{SERVER_STARTER_GENERATION}, 1, '... and SERVER_STARTER_GENERATION');
	is($env->{FPM_SOCKETS}, "127.0.0.1:$port=3", 'php-fpm sets FPM_SOCKETS');
	$poold->stop;
}

# several sockets, of all kinds
{
	my $second = has_ipv6() ? '::1' : '127.0.0.2';
	my $bracketed = has_ipv6() ? '[::1]' : $second;
	my $poold = poold(<<"INI", env => { FPM_SOCKETS => 'of=9', LISTEN_FDS => 7 });
[listen any]
address = :\@port\@
[listen six]
address = $bracketed:\@port2\@
[listen path]
address = unix:\@run\@/sock
[service one]
mode = inherit
listen = any, six, path
workers = 1
inherit_as = server-starter, php-fpm
command = \@bin\@/accept.pl
INI
	my ($any, $six, $run) = ($poold->port(1), $poold->port(2), $poold->{run});
	my $env = answer($poold)->{env};
	is($env->{SERVER_STARTER_PORT}, "$any=3;$bracketed:$six=4;$run/sock=5",
	    'SERVER_STARTER_PORT has ports, addresses and paths');
	is($env->{FPM_SOCKETS}, "0.0.0.0:$any=3,$second:$six=4,$run/sock=5",
	    'FPM_SOCKETS has them as php-fpm writes them');
	is(join(' ', grep { /^LISTEN_/ } keys %$env), '',
	    'without systemd in the list there is no LISTEN_ variable');
	$poold->stop;
}

# standard input
{
	my $poold = poold(service('--fd=0', 'inherit_as = stdin'));
	my $got = answer($poold);
	isnt($got->{pid} // 0, 0, 'inherit_as = stdin puts the socket on descriptor 0');
	is_deeply($got->{env}, {}, '... and says nothing in the environment');
	$poold->stop;
}

# ready
{
	my $ini = service('--ready=@conf@/go', 'ready_after = 0', 'start_timeout = 30s');
	my $poold = new_poold($ini)->start(nowait => 1);
	wait_until(sub { $poold->programs('accept.pl') });
	isnt(answer($poold)->{pid} // 0, 0, 'it accepts');
	unlike($poold->log_text, qr/is ready/,
	    '... but with ready_after = 0 it is not ready before it says so');
	$poold->write_file('go', '');
	ok($poold->wait_log(qr/generation 1 is ready/), '... which it then does');
	$poold->stop;
}
{
	my $poold = new_poold(service('', 'ready_after = 0', 'start_timeout = 300ms'))
	    ->start(nowait => 1);
	ok($poold->wait_log(qr/killed: it was not ready within start_timeout/),
	    'one that never says so is killed after start_timeout');
	$poold->stop;
}
{
	my $poold = new_poold(service('', 'ready_after = 200ms'))->start(nowait => 1);
	ok($poold->wait_log(qr/generation 1 is ready/),
	    'one that says nothing is ready after ready_after');
	$poold->stop;
}

# stop_signal
{
	my $poold = poold(service('--stop=QUIT', 'stop_signal = SIGQUIT',
		'stop_timeout = 30s', 'ready_after = 100ms'));
	my ($worker) = $poold->programs('accept.pl');
	signal_to 'TERM', $worker;
	ok(wait_until(sub { answer($poold)->{signals}{TERM} }), 'it ignores TERM');
	$poold->write_config(service('--stop=QUIT', 'stop_signal = SIGQUIT',
		'stop_timeout = 30s', 'ready_after = 100ms', 'env.NEXT = 1'));
	$poold->reload;
	eventually { !alive($worker) } 10, 'stop_signal is what ends it at a reload';
	($worker) = $poold->programs('accept.pl');
	$poold->mark;
	is($poold->stop('TERM'), 0, '... and when poold stops');
	unlike($poold->log_text($poold->{log_mark}), qr/did not stop/, '... in time');
}

# the death of the supervisor
{
	my $poold = poold(service('--stop=USR1', 'stop_signal = USR1', 'ready_after = 100ms'));
	my ($worker) = $poold->programs('accept.pl');
	signal_to 'KILL', $poold->{pid};
	eventually { !alive($worker) } 5, 'it gets stop_signal when the supervisor dies';
	wait_until(sub { defined $poold->exited });
}

# what it started goes with it
{
	my $ini = service('--child', 'stop_timeout = 200ms', 'ready_after = 100ms');
	my $poold = poold($ini);
	my $one = answer($poold);
	ok(alive($one->{child}), 'a worker has a child that heeds no signal');
	is(stat_of($one->{child})->{pgrp}, $one->{pid}, '... in its process group');
	signal_to 'KILL', $one->{pid};
	eventually { !alive($one->{child}) } 5, 'the child dies with a worker that is killed';
	my $two;
	wait_until(sub { $two = answer($poold); alive($two->{child}) });
	$poold->write_config($ini =~ s/--child/--child --never-stop/r);
	$poold->reload;
	eventually { !alive($two->{child}) } 5, '... with one that stops by itself';
	my $three;
	wait_until(sub { $three = answer($poold); $three->{pid} && alive($three->{child}) });
	$poold->mark;
	$poold->write_config($ini);
	$poold->reload;
	ok($poold->wait_log(qr/killed: it did not stop within stop_timeout/),
	    'one that does not stop is killed');
	eventually { !alive($three->{child}) } 5, '... and its child too';
	$poold->stop;
}

# a leased worker is the leader of its group as well
{
	my $poold = poold(<<'INI');
[listen one]
address = 127.0.0.1:@port@
[service one]
route = /
command = /bin/sh -c "sleep 1000 & exec @bin@/echo"
workers = 1
INI
	my ($worker) = $poold->workers('one');
	my ($child) = grep { (stat_of($_) // { ppid => 0 })->{ppid} == $worker } Poold::Proc::pids();
	ok($child, 'a leased worker has a child');
	signal_to 'KILL', $worker;
	eventually { !alive($child) } 5, '... that dies with it';
	$poold->stop;
}

# reload_signal
{
	my @lines = ('ready_after = 100ms', 'reload_signal = HUP', 'watch = @conf@/watched');
	my $poold = new_poold(service('', @lines));
	$poold->write_file('watched', "1\n");
	$poold->start;
	my $before = answer($poold);
	$poold->reload;
	is_deeply(answer($poold)->{signals}, {}, 'without a change nothing is sent');
	$poold->write_file('watched', "another\n");
	like($poold->reload, $Poold::Daemon::RELOADED, 'a watched file changes');
	ok(wait_until(sub { answer($poold)->{signals}{HUP} }), '... the worker gets reload_signal');
	is(answer($poold)->{pid}, $before->{pid}, '... and stays');
	$poold->reload;
	is(answer($poold)->{signals}{HUP}, 1, '... and the next reload has nothing to tell');
	$poold->write_file('watched', "a third\n");
	$poold->write_config(service('', @lines, 'env.X = 1'));
	$poold->reload;
	is(answer($poold)->{generation}, 2,
	    'when the section has changed as well, a new generation starts');
	is_deeply(answer($poold)->{signals}, {}, '... with no signal');
	$poold->write_file('watched', "the last\n");
	$poold->write_config(service('', @lines, 'env.X = 1') . "[service bad]\nlisten = one\n");
	$poold->reload;
	is_deeply(answer($poold)->{signals}, {}, 'a reload that fails sends nothing');
	$poold->write_config(service('', @lines, 'env.X = 1'));
	$poold->reload;
	ok(wait_until(sub { answer($poold)->{signals}{HUP} }), '... the next good one does');
	$poold->stop;
}

# what the configuration refuses
{
	my %refused = (
		'stop_signal = NONE' => qr/stop_signal.*'NONE' is not one of TERM, QUIT/,
		'stop_signal = 15' => qr/stop_signal.*'15' is not one of/,
		'reload_signal = HUP' => qr/has a reload_signal but no 'watch'/,
		'reload_signal = KILL' => qr/reload_signal: KILL ends a worker/,
		'inherit_as = sytemd' => qr/'sytemd' is not.*did you mean 'systemd'/,
		'env.FPM_SOCKETS = x' => qr/poold itself sets FPM_SOCKETS/,
	);
	my $poold = new_poold('');
	for my $line (sort keys %refused) {
		$poold->write_config(service('', $line));
		my ($status, $said) = $poold->run('-t', '-c', $poold->{ini});
		is($status, 78, "$line is refused");
		like($said, qr/poold\.ini:\d+: .*$refused{$line}/, '... with the reason');
	}
	$poold->write_config("[listen one]\naddress = 127.0.0.1:\@port\@\n[service one]\n"
	    . "route = /\ncommand = \@bin\@/echo\ninherit_as = stdin\n");
	my (undef, $said) = $poold->run('-t', '-c', $poold->{ini});
	like($said, qr/poold\.ini:\d+: .*needs mode = inherit/,
	    'inherit_as is refused for a leased service');
}

finish();
