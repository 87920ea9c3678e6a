# SPDX-License-Identifier: ISC
package Poold::Test;

# The harness of t/*.t.
#
#	use Poold::Test;
#	my $poold = poold(<<'INI');
#	[listen main]
#	address = 127.0.0.1:@port@
#	[service a]
#	route = /a
#	command = @bin@/echo
#	INI
#	is($poold->get('/a')->status, 200, 'a service answers');
#	finish();
#
# Environment: POOLD (the program), top_builddir, top_srcdir, TMPDIR, and
# POOLD_TEST_FACTOR, by which deadlines are multiplied (slow builds, such as
# those with sanitizers); POOLD_TEST_KEEP keeps the temporary folder,
# POOLD_TEST_LOG shows the end of the logs when a test fails.
#
# Programs are copied into a folder that everybody may enter, since workers run
# as another user and the build tree may lie under a closed home.

use strict;
use warnings;
use Cwd qw(abs_path);
use parent 'Exporter';
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Find ();
use File::Temp ();
use Socket qw(:DEFAULT inet_pton AF_INET6 IPPROTO_IPV6 IPV6_V6ONLY
    pack_sockaddr_in6);
use Test::More;
use Time::HiRes qw(time sleep);

use Poold::Client;
use Poold::Daemon;
use Poold::Load;
use Poold::Proc;

our @EXPORT = qw(poold new_poold finish no_leftovers eventually wait_until
    free_port patience load program is_root has_ipv6 fnv1a temp_dir tally);

my $main_pid = $$;
my ($temp, $dir, @daemons, @port_locks);
my $counter = 0;

sub import {
	my ($class) = @_;
	strict->import;
	warnings->import;
	Test::More->export_to_level(1, undef, @Test::More::EXPORT);
	$class->export_to_level(1, $class, @EXPORT);
}

# Deadlines are for the worst case on a busy machine.
sub patience { return $_[0] * ($ENV{POOLD_TEST_FACTOR} || 1) }

sub is_root { return $> == 0 }

# Whether the machine has the loopback address ::1.
sub has_ipv6 {
	socket(my $probe, AF_INET6, SOCK_STREAM, 0) or return 0;
	return bind($probe, pack_sockaddr_in6(0, inet_pton(AF_INET6, '::1')));
}

sub setup {
	return if $dir;
	$temp = File::Temp->newdir('poold-test-XXXXXXXX', TMPDIR => 1,
	    CLEANUP => 0);
	$dir = abs_path("$temp");
	chmod 0755, $dir or die "$dir: $!";
	$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
	$SIG{PIPE} = 'IGNORE';
	$SIG{ALRM} = sub { diag('the test file takes too long'); exit 1 };
	alarm patience(90);
}

sub temp_dir { setup(); return $dir }

sub srcdir {
	return abs_path($ENV{top_srcdir} // dirname(__FILE__) . '/../../..');
}

sub builddir {
	return abs_path($ENV{top_builddir}) if defined $ENV{top_builddir};
	return -d srcdir() . '/build' ? srcdir() . '/build' : srcdir();
}

# The program behind what libtool may have left as a wrapper script.
sub real_program {
	my ($path) = @_;
	my $real = dirname($path) . '/.libs/' . basename($path);
	return -x $real ? $real : $path;
}

sub find_poold {
	return real_program(abs_path($ENV{POOLD})) if $ENV{POOLD};
	for my $path ('poold', 'src/poold', 'src/supervisor/poold') {
		return real_program(builddir() . "/$path")
		    if -x builddir() . "/$path" && -f _;
	}
	BAIL_OUT('no poold: set POOLD or top_builddir');
}

sub copy_program {
	my ($from, $to) = @_;
	copy($from, $to) or die "copy $from to $to: $!";
	chmod 0755, $to or die "$to: $!";
}

# Copies poold and the test workers into $where.  They carry libpoold in them.
sub copy_programs {
	my ($where) = @_;
	mkdir $_ for $where, "$where/bin";
	copy_program(find_poold(), "$where/bin/poold");
	for my $source (glob srcdir() . '/t/workers/*.c') {
		my $name = basename($source, '.c');
		my $path = builddir() . "/t/workers/$name";
		-x $path or BAIL_OUT("$path is not built: make check");
		copy_program(real_program($path), "$where/bin/$name");
	}
	copy_program($_, "$where/bin/" . basename $_)
	    for glob srcdir() . '/t/workers/*.{pl,py}';
}

# The copy of a test worker.
sub program {
	my ($name) = @_;
	setup();
	copy_programs("$dir/0") unless -d "$dir/0";
	return "$dir/0/bin/$name";
}

# A poold with this configuration that has not been started.
# as: the user that starts it; args: further options; env: environment.
sub new_poold {
	my ($ini, %args) = @_;
	setup();
	my $home = "$dir/" . ++$counter;
	copy_programs($home);
	my $poold = Poold::Daemon->new(dir => $home, bin => "$home/bin",
	    poold => "$home/bin/poold", ports => [], %args);
	push @daemons, $poold;
	$poold->write_config($ini);
	return $poold;
}

# A poold that serves.
sub poold {
	my ($ini, %args) = @_;
	return new_poold($ini, %args)->start;
}

# A port that nobody uses and no other test file takes while this one runs: an
# abstract socket of the same number is the lock, gone with its process.  The
# range lies below those from which clients get theirs.
sub free_port {
	setup();
	for (1 .. 1000) {
		my $port = 15000 + int rand 17000;
		socket(my $lock, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
		bind($lock, pack_sockaddr_un("\0poold-test-port-$port")) or next;
		next unless port_is_free($port);
		push @port_locks, $lock;
		return $port;
	}
	die "no free port\n";
}

sub port_is_free {
	my ($port) = @_;
	socket(my $four, AF_INET, SOCK_STREAM, 0) or die "socket: $!";
	setsockopt($four, SOL_SOCKET, SO_REUSEADDR, 1);
	bind($four, pack_sockaddr_in($port, INADDR_ANY)) or return 0;
	socket(my $six, AF_INET6, SOCK_STREAM, 0) or return 1;
	setsockopt($six, SOL_SOCKET, SO_REUSEADDR, 1);
	setsockopt($six, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	return bind($six, pack_sockaddr_in6($port, inet_pton(AF_INET6, '::')));
}

# Polls until the condition holds; returns its value, or 0 at the deadline.
sub wait_until {
	my ($condition, $seconds) = @_;
	my $deadline = time + patience($seconds // 5);
	for (;;) {
		my $value = $condition->();
		return $value if $value;
		return 0 if time >= $deadline;
		sleep 0.01;
	}
}

# The same as a test.
sub eventually(&$$) {
	my ($condition, $seconds, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(wait_until($condition, $seconds), $name);
}

sub load {
	my ($poold, %args) = @_;
	return Poold::Load->new(port => $poold->port, %args);
}

# FNV-1a, 64 bits, as the echo worker prints it.
sub fnv1a {
	my ($bytes) = @_;
	use integer;
	my $hash = -3750763034362895579; # 0xcbf29ce484222325
	$hash = ($hash ^ $_) * 1099511628211 for unpack 'C*', $bytes;
	return sprintf '%016x', $hash;
}

# How often each value occurs.
sub tally {
	my %count;
	$count{$_}++ for @_;
	return \%count;
}

# Nothing of a stopped poold remains: no process, no file that it made.
# keep: names (patterns) of files that may stay.
sub no_leftovers {
	my ($poold, %args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until(sub { !$poold->leftovers }, 5);
	my @left = map { "$_ (" . Poold::Proc::title($_) . ')' } $poold->leftovers;
	my $keep = $args{keep} // qr/(?!)/;
	my @files;
	File::Find::find(sub {
		return if -d;
		my $name = substr $File::Find::name, length($poold->{dir}) + 1;
		return if $name =~ m{^(?:bin|etc)/|^log$} || $name =~ $keep;
		push @files, $name;
	}, $poold->{dir});
	my $good = !@left && !@files;
	ok($good, 'nothing is left behind');
	diag("left: $_") for @left, @files;
	return $good;
}

# Stops every poold that still runs, checks that it ends well and leaves
# nothing, and ends the test file.
sub finish {
	for my $poold (grep { $_->{pid} } @daemons) {
		if (!defined $poold->exited) {
			is($poold->stop('TERM'), 0, 'it stops with status 0');
			no_leftovers($poold, keep => $poold->{keep});
		}
	}
	for my $poold (@daemons) {
		my @reports = $poold->log_text =~
		    /^(.*(?:Sanitizer: |runtime error: |[Aa]ssertion ).*)$/mg;
		is("@reports[0 .. ($#reports < 4 ? $#reports : 4)]", '',
		    'no sanitizer or assertion speaks in the log');
	}
	done_testing();
}

END {
	if ($$ == $main_pid && $dir) {
		my $status = $?;
		alarm 0;
		my $failed = $status || !Test::More->builder->is_passing;
		for my $poold (@daemons) {
			diag("the end of the log of poold $poold->{dir}:\n"
			    . substr($poold->log_text, -3000)) if $failed && $ENV{POOLD_TEST_LOG};
			$poold->destroy;
		}
		if ($ENV{POOLD_TEST_KEEP}) {
			diag("kept: $dir");
		} else {
			File::Path::remove_tree($dir, { safe => 0 });
		}
		$? = $status;
	}
}

1;
