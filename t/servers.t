#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Servers that know nothing of poold, by the examples of conf/servers: each
# serves, loses a process, and is reloaded, under load.
#
# Environment: CI=true, where a server that is not installed is a failure;
# POOLD_TEST_ROUNDS, how many kills and reloads to measure (1);
# POOLD_TEST_SERVERS, the servers to test, by name.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use File::Copy qw(copy);
use File::Path qw(make_path);
use Time::HiRes qw(time);
use Poold::FastCGI;
use Poold::Proc qw(alive pids stat_of signal_to);

my $examples = Poold::Test::srcdir() . '/conf/servers';
my $rounds = $ENV{POOLD_TEST_ROUNDS} // 1;
my ($php_fpm) = sort { $b cmp $a } glob '/usr/sbin/php-fpm*';

# program: what must be installed; slow: a target that takes a second;
# files: what the example needs beside itself, the first of which a reload looks
# at; closes: on its stop signal it closes connections that it has accepted and
# not read yet (docs/servers.md).
my %servers = (
	gunicorn => { program => '/usr/bin/gunicorn', files => ['app.py'] },
	uvicorn => { program => '/usr/bin/uvicorn', files => ['app.py'], closes => 1 },
	node => { program => '/usr/bin/node', files => ['server.js'] },
	puma => { program => '/usr/bin/puma', files => ['puma.rb'] },
	go => { program => '/usr/bin/go', prepare => \&build_go },
	'php-fpm' => { program => $php_fpm // '/usr/sbin/php-fpm',
		env => { PHP_FPM => $php_fpm }, slow => '/?slow=1',
		files => [ 'php-fpm.conf', 'index.php' ], fastcgi => 'index.php' },
);
my @names = sort split ' ', $ENV{POOLD_TEST_SERVERS} // join ' ', keys %servers;

# Into the build tree, which keeps it and what the compiler knows.
sub build_go {
	my ($server) = @_;
	my $build = Poold::Test::builddir() . '/t/go';
	make_path($build);
	local @ENV{qw(HOME GOCACHE GOPATH GO111MODULE GOFLAGS GOPROXY)} =
	    ($build, "$build/cache", "$build/path", 'off', '', 'off');
	my $said = `/usr/bin/go build -o '$build/server' '$examples/server.go' 2>&1`;
	is($?, 0, 'go: its example is built') or diag($said);
	copy("$build/server", "$server->{poold}{conf}/server") or die "server: $!";
	chmod 0755, "$server->{poold}{conf}/server";
	$server->{poold}{env}{SERVER} = "$server->{poold}{conf}/server";
}

sub ini { return Poold::Proc::slurp("$examples/$_[0].ini") }

# The example as it is, at a port of the test.
sub prepare {
	my ($name) = @_;
	my $server = $servers{$name};
	my $poold = $server->{poold} = new_poold(ini($name));
	$poold->{env} = { %{ $server->{env} // {} }, PORT => $poold->port };
	for my $file (@{ $server->{files} // [] }) {
		copy("$examples/$file", "$poold->{conf}/$file") or die "$file: $!";
	}
	$server->{prepare}->($server) if $server->{prepare};
	my ($status, $said) = $poold->run('-t', '-c', $poold->{ini});
	is($status, 0, "$name: its example is a valid configuration") or diag($said);
}

sub client_args {
	my ($server) = @_;
	my @args = (port => $server->{poold}->port);
	push @args, class => 'Poold::FastCGI',
	    script => "$server->{poold}{conf}/$server->{fastcgi}" if $server->{fastcgi};
	return @args;
}

sub client {
	my ($server) = @_;
	my %args = client_args($server);
	return +($args{class} // 'Poold::Client')->new(%args);
}

sub get { my ($server) = @_; return eval { client($server)->get('/') } }

# The processes that poold started, which are the leaders of their groups.
sub leaders {
	my ($server) = @_;
	my %children = $server->{poold}->children;
	return sort { $a <=> $b } grep { $children{$_} !~ /^poold: (?:router|logger)\b/ }
	    keys %children;
}

sub group_of { my $stat = stat_of($_[0]); return $stat ? $stat->{pgrp} : 0 }

# The groups whose processes answer, as soon as there are so many.
sub answering {
	my ($server, $count) = @_;
	my %groups;
	wait_until(sub {
		my $r = get($server);
		$groups{ group_of($r->pid) }++ if $r && $r->status == 200;
		delete $groups{0};
		return keys %groups >= $count;
	}, 10);
	return sort { $a <=> $b } keys %groups;
}

sub start_load {
	my ($server) = @_;
	my $poold = $server->{poold};
	my @args = (client_args($server), target => '/', rate => 50);
	return (load($poold, @args, fresh => 1),
	    $server->{fastcgi} ? () : load($poold, @args, reconnect => 1));
}

# Ends the loads: (failures, answered, reconnects).
sub stop_load {
	my (@loads) = @_;
	my ($answered, $reconnects, @failures) = (0, 0);
	for my $result (map { $_->stop } @loads) {
		$answered += $result->{answered};
		$reconnects += $result->{reconnects};
		push @failures, @{ $result->{failures} };
	}
	return (\@failures, $answered, $reconnects);
}

sub serves {
	my ($name) = @_;
	my $server = $servers{$name};
	ok($server->{poold}->wait_serving(30), "$name: it starts")
	    or diag($server->{poold}->log_text);
	my $r = get($server);
	is($r && $r->text, 200, "$name: it answers");
	my @leaders = leaders($server);
	is(join(' ', answering($server, 2)), "@leaders", '... in two processes of poold');
	$server->{born}{$_} = time for @leaders;
}

# Kills one process of poold that has lived long enough for its end to be no
# start that failed.  Returns (nothing of its group remains, there are two again).
sub kill_one {
	my ($server) = @_;
	my @before = leaders($server);
	$server->{born}{$_} //= time for @before;
	my ($victim) = sort { $server->{born}{$a} <=> $server->{born}{$b} } @before;
	wait_until(sub { time - $server->{born}{$victim} > 2 }, 5);
	my ($other) = grep { $_ != $victim } @before;
	my @group = grep { group_of($_) == $victim } pids();
	signal_to 'KILL', $victim;
	my $gone = wait_until(sub { !grep { alive($_) } @group }, 5);
	my @now = answering($server, 2);
	return ($gone, @now == 2 && 1 == grep { $_ == $other } @now);
}

# One is killed; then all is as before.
sub loses_one {
	my ($name) = @_;
	my $server = $servers{$name};
	my @loads = start_load($server);
	my ($gone, $replaced);
	for (1 .. $rounds) {
		($gone, $replaced) = kill_one($server);
		last unless $gone && $replaced;
	}
	ok($gone, "$name: of one that is killed nothing remains");
	ok($replaced, '... it is replaced, while the other goes on');
	my ($failures, $answered) = stop_load(@loads);
	cmp_ok(scalar(@$failures), '<=', $rounds * @loads,
	    "... and only what it had in hand failed, of $answered requests")
	    or diag("@$failures");
	note("$name: $rounds killed, $answered requests, " . @$failures . ' failed');
}

# A new generation, with a request in work at the time.
sub reload_once {
	my ($server, $round) = @_;
	my $slow = client($server);
	$slow->request('GET', $server->{slow} // '/slow');
	my @before = leaders($server);
	$server->{poold}->write_config($server->{ini} . "env.ROUND = $round\n");
	my $line = $server->{poold}->reload(30);
	my $r = $slow->response;
	my $gone = wait_until(sub { !grep { alive($_) } @before }, 15);
	return ($line =~ /reload done/, $r->status == 200, $gone, $r->json->{generation});
}

sub reloads {
	my ($name) = @_;
	my $server = $servers{$name};
	my @loads = start_load($server);
	my ($done, $finished, $gone, $generation);
	for my $round (1 .. $rounds) {
		($done, $finished, $gone, $generation) = reload_once($server, $round);
		last unless $done && $finished && $gone;
	}
	ok($done, "$name: a change brings a new generation");
	ok($finished, '... the request in work is finished');
	is($generation, $rounds, '... by the old one');
	ok($gone, '... which then leaves');
	is(get($server)->json->{generation}, $rounds + 1, '... and the new one answers');
	my ($failures, $answered, $reconnects) = stop_load(@loads);
	# each client has at most one such connection at a time
	my $allowed = $server->{closes} ? $rounds * @loads : 0;
	cmp_ok(scalar(@$failures), '<=', $allowed,
	    "... of $answered requests no more than $allowed failed") or diag("@$failures");
	note("$name: $rounds reloads, $answered requests, "
	    . @$failures . " failed, $reconnects connections made anew");
}

# New code that does not even start.
sub refuses_bad_code {
	my ($name) = @_;
	my $server = $servers{$name};
	my $generation = get($server)->json->{generation};
	# one that does not tell when it is ready is taken to be after a while, and a
	# busy machine may need longer for it to fail
	my $ini = ini($name);
	$server->{poold}->write_config($ini =~ /^ready_after/m ? $ini : "${ini}ready_after = 9s\n");
	$server->{poold}->write_file($server->{files}[0], "this is nothing (\n");
	like($server->{poold}->reload(30), qr/reload failed/,
	    "$name: new code that does not start is refused");
	is(get($server)->json->{generation}, $generation, '... and the old goes on');
}

# reload_signal: gunicorn changes its own processes, and poold none of its.
sub gunicorn_reloads_itself {
	my $ini = ini('gunicorn') =~ s/gunicorn --preload/gunicorn/r . "reload_signal = HUP\n";
	my $app = Poold::Proc::slurp("$examples/app.py");
	my $poold = new_poold($ini);
	$poold->write_file('app.py', $app);
	$poold->{env} = { PORT => $poold->port };
	my $server = { poold => $poold->start };
	my @before = leaders($server);
	answering($server, 2);
	my @loads = start_load($server);
	$poold->write_file('app.py', $app =~ s/"pid"/"version": 2, "pid"/r);
	$poold->reload;
	my %new;
	wait_until(sub {
		my $r = get($server);
		$new{ group_of($r->pid) }++ if $r && $r->json->{version};
		delete $new{0};
		return keys %new == 2;
	}, 10);
	is(join(' ', sort { $a <=> $b } keys %new), "@before",
	    'gunicorn: with reload_signal = HUP each loads new code itself');
	my ($failures, $answered) = stop_load(@loads);
	is("@$failures", '', "... no request of $answered failed");
	$poold->stop;
}

# php-fpm finds its sockets by their addresses, and binds itself what it does not
# find, which here must fail: so that it starts says that it has found all.
sub php_fpm_addresses {
	my $second = (has_ipv6() ? '[::1]' : '127.0.0.2') . ':@port2@';
	my $poold = new_poold(<<'INI' =~ s/SECOND/$second/r);
[listen any]
address = :@port@
[listen second]
address = SECOND
[listen path]
address = unix:@run@/sock
[service php]
mode = inherit
inherit_as = php-fpm
listen = any, second, path
workers = 1
ready_after = 0
stop_signal = QUIT
command = ${PHP_FPM} --nodaemonize --force-stderr --fpm-config @conf@/php-fpm.conf
INI
	my $conf = Poold::Proc::slurp("$examples/php-fpm.conf") =~ s/^\[www\].*//msr;
	my @listen = ('@port@', $second, '@run@/sock');
	$conf .= "[pool$_]\nlisten = $listen[$_]\npm = static\npm.max_children = 1\n" for 0 .. 2;
	$poold->write_file('php-fpm.conf', $conf);
	$poold->{env} = $servers{'php-fpm'}{env};
	$poold->start(nowait => 1);
	ok($poold->wait_serving, 'php-fpm: it finds sockets of all kinds')
	    or diag($poold->log_text);
	$poold->stop;
}

my @missing = grep { !-x $servers{$_}{program} } @names;
@names = grep { -x $servers{$_}{program} } @names;
if (($ENV{CI} // '') eq 'true') {
	ok(0, "$_: $servers{$_}{program} is not installed (script/setup ci)") for @missing;
} else {
SKIP: {
		skip('not installed: ' . join(' ', map { $servers{$_}{program} } @missing), 1)
		    if @missing;
	}
}

for my $name (@names) {
	prepare($name);
	$servers{$name}{ini} = ini($name);
	$servers{$name}{poold}->start(nowait => 1);
}
serves($_) for @names;
loses_one($_) for @names;
reloads($_) for @names;
refuses_bad_code($_) for grep { $servers{$_}{files} } @names;
gunicorn_reloads_itself() if grep { $_ eq 'gunicorn' } @names;
php_fpm_addresses() if grep { $_ eq 'php-fpm' } @names;

finish();
