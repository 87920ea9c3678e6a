# SPDX-License-Identifier: ISC
package Poold::Daemon;

# A poold that a test runs: its configuration, processes, log and clients.

use strict;
use warnings;
use Fcntl ();
use File::Path qw(make_path);
use POSIX qw(WNOHANG);
use Time::HiRes qw(time sleep);
use Poold::Client;
use Poold::Proc qw(alive pids title state stat_of signal_to);

# Made by Poold::Test: dir, bin, poold (program), ports (function).  wrap: words
# of a command that runs poold as its child; waiter: its pid, when pid is the
# supervisor's own.
sub new {
	my ($class, %args) = @_;
	my $self = bless { args => [], env => {}, log_mark => 0, seen => {},
		%args }, $class;
	$self->{conf} = "$self->{dir}/etc";
	$self->{run} = "$self->{dir}/run";
	$self->{log} = "$self->{dir}/log";
	$self->{ini} = "$self->{conf}/poold.ini";
	make_path($self->{conf}, "$self->{conf}/conf.d", $self->{run});
	chown $self->uid, $self->gid, $self->{run} if $> == 0;
	mkdir "$self->{dir}/tmp";
	chmod 01777, "$self->{dir}/tmp";
	return $self;
}

sub uid { return defined $_[0]{as} ? (getpwnam $_[0]{as})[2] : $> }
sub gid { return defined $_[0]{as} ? (getpwnam $_[0]{as})[3] : $) + 0 }

# Port number n of this daemon, from 1.  The same in every call.
sub port {
	my ($self, $n) = @_;
	return $self->{ports}[($n // 1) - 1] //= Poold::Test::free_port();
}

# Replaces @port@, @port2@ ..., @bin@, @dir@ and @conf@; a configuration
# without a [poold] section gets a quiet one.
sub expand {
	my ($self, $text) = @_;
	$text =~ s/\@port(\d*)\@/$self->port($1 || 1)/ge;
	$text =~ s/\@(bin|dir|conf|run)\@/$self->{$1}/g;
	return $text;
}

sub write_config {
	my ($self, $text) = @_;
	$text = "[poold]\naccess_log = off\n" . ($> == 0 && !defined $self->{as}
	    ? "user = nobody\n" : '') . "\n$text" if $text !~ /^\[poold\]/m;
	return $self->write_file('poold.ini', $text);
}

# Writes a file of the configuration folder, whole or not at all.
sub write_file {
	my ($self, $name, $text) = @_;
	my $path = "$self->{conf}/$name";
	open(my $fh, '>', "$path.new") or die "$path.new: $!";
	print $fh $self->expand($text);
	close $fh or die "$path: $!";
	rename "$path.new", $path or die "$path: $!";
	return $path;
}

sub remove_file { unlink "$_[0]{conf}/$_[1]" or die "$_[1]: $!" }

# Starts poold in the foreground.  Does not wait.
sub spawn {
	my ($self, @args) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$self->exec_poold(@args);
		POSIX::_exit(127);
	}
	return $pid;
}

sub exec_poold {
	my ($self, @args) = @_;
	setpgrp(0, 0);
	$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP ALRM PIPE CHLD);
	open(STDIN, '<', '/dev/null');
	open(STDOUT, '>>', $self->{log}) or die "$self->{log}: $!";
	open(STDERR, '>>', $self->{log}) or die "$self->{log}: $!";
	chdir $self->{dir};
	$ENV{XDG_RUNTIME_DIR} = $self->{run};
	$ENV{RUNTIME_DIRECTORY} = $self->{run};
	$ENV{TMPDIR} = "$self->{dir}/tmp";
	for my $name (keys %{ $self->{env} }) {
		my $value = $self->{env}{$name};
		$ENV{$name} = ref $value ? $value->() : $value;
	}
	$self->give_sockets if $self->{sockets};
	if (defined $self->{as}) {
		my ($uid, $gid) = ($self->uid, $self->gid);
		$) = "$gid $gid";
		POSIX::setgid($gid);
		POSIX::setuid($uid) or warn "setuid: $!";
	}
	my @command = $self->{wrap} ? (@{ $self->{wrap} }, $self->{poold}) : 'poold';
	my $program = $self->{wrap} ? $command[0] : $self->{poold};
	{ exec { $program } @command, @args; }
	warn "exec $program: $!\n";
}

# As systemd starts a program: sockets, each [ name, handle ], from descriptor 3.
sub give_sockets {
	my ($self) = @_;
	my @sockets = @{ $self->{sockets} };
	my @numbers = map { fcntl($_->[1], Fcntl::F_DUPFD(), 100) } @sockets;
	POSIX::dup2($numbers[$_], 3 + $_) for 0 .. $#numbers;
	POSIX::close($_) for @numbers;
	$ENV{LISTEN_PID} //= $$;
	$ENV{LISTEN_FDS} //= @sockets;
	$ENV{LISTEN_FDNAMES} //= join ':', map { $_->[0] } @sockets;
}

sub start {
	my ($self, %o) = @_;
	$self->{pid} = $self->spawn('-c', $self->{ini}, @{ $self->{args} });
	$self->remember;
	return $self if $o{nowait};
	$self->wait_serving or do {
		main::diag("poold does not serve; its log:\n" . $self->log_text);
		die "poold does not serve\n";
	};
	return $self;
}

# All services are ready, and all processes show who they are.
sub is_serving {
	my ($self) = @_;
	my $ready = () = $self->log_text =~ /^.*\bgeneration \d+ is ready\b.*$/mg;
	return $ready >= $self->service_count && $self->router;
}

sub service_count {
	my ($self) = @_;
	my $count = 0;
	for my $file ($self->{ini}, glob "$self->{conf}/conf.d/*.ini") {
		$count += () = Poold::Proc::slurp($file) =~ /^\[service /mg;
	}
	return $count;
}

sub wait_serving {
	my ($self, $seconds) = @_;
	return Poold::Test::wait_until(sub {
		defined $self->exited || $self->is_serving;
	}, $seconds // 15) && !defined $self->exited;
}

# Runs poold to its end: (exit status, what it printed).
sub run {
	my ($self, @args) = @_;
	my $mark = $self->log_size;
	my $pid = $self->spawn(@args);
	my $status;
	Poold::Test::wait_until(sub {
		return 0 if waitpid($pid, WNOHANG) != $pid;
		$status = $?;
		return 1;
	}, 15) or do {
		signal_to 'KILL', $pid;
		waitpid $pid, 0;
		return (-1, $self->log_text($mark));
	};
	return ($status & 127 ? 128 + ($status & 127) : $status >> 8,
	    $self->log_text($mark));
}

sub pid { return $_[0]{pid} }

# Exit status of the supervisor, 128 + n for signal n; undef while it runs.
sub exited {
	my ($self) = @_;
	return $self->{exit} if defined $self->{exit};
	return unless $self->{pid};
	my $r = waitpid($self->{waiter} // $self->{pid}, WNOHANG);
	return if $r == 0;
	$self->{exit} = $r < 0 ? -1 : $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return $self->{exit};
}

sub wait_exit {
	my ($self, $seconds) = @_;
	Poold::Test::wait_until(sub { defined $self->exited }, $seconds // 10);
	return $self->{exit};
}

sub signal {
	my ($self, $signal) = @_;
	$self->remember;
	return signal_to($signal, $self->{pid});
}

sub stop {
	my ($self, $signal, $seconds) = @_;
	$self->signal($signal // 'TERM');
	return $self->wait_exit($seconds);
}

# The log line that ends a reload, good or bad.
our $RELOADED = qr/^.*\breload(?:ed| (?:done|failed|refused|nothing)).*$/mi;

# Sends HUP and waits for its end.  Returns the last line of it.
sub reload {
	my ($self, $seconds) = @_;
	my $mark = $self->log_size;
	$self->signal('HUP');
	my $line;
	Poold::Test::wait_until(sub {
		$self->log_text($mark) =~ /($RELOADED)/ and $line = $1;
	}, $seconds // 15);
	$self->remember;
	return $line // '';
}

# Children of the supervisor: pid => title.
sub children {
	my ($self) = @_;
	my %children;
	for my $pid (pids()) {
		my $stat = stat_of($pid) // next;
		next if $stat->{ppid} != $self->{pid} || $stat->{state} eq 'Z';
		$children{$pid} = title($pid);
		$self->{seen}{$pid} = $stat->{start};
	}
	return %children;
}

sub remember { my %unused = $_[0]->children; return }

sub router {
	my ($self) = @_;
	my %children = $self->children;
	my ($pid) = grep { $children{$_} =~ /^poold: router\b/ } keys %children;
	return $pid // 0;
}

sub logger {
	my ($self) = @_;
	my %children = $self->children;
	my ($pid) = grep { $children{$_} =~ /^poold: logger\b/ } keys %children;
	return $pid // 0;
}

# Workers of a service (of all without a name) that have set their title, in
# the order of their slots.
sub workers {
	my ($self, $service) = @_;
	my %children = $self->children;
	my $name = defined $service ? quotemeta $service : '\S+';
	my %slot;
	for my $pid (keys %children) {
		$slot{$pid} = $1 if $children{$pid} =~ /^poold: $name worker (\d+)/;
	}
	my @pids = sort { $slot{$a} <=> $slot{$b} || $a <=> $b } keys %slot;
	return @pids;
}

# Waits until all workers of a service wait for requests.  A worker that has
# just answered takes the next request before it waits again, so they take turns
# exactly only when each comes to rest in between.
sub rest {
	my ($self, $service) = @_;
	my @workers = $self->workers($service);
	return Poold::Test::wait_until(sub {
		return !grep { state($_) ne 'S' } @workers;
	}, 2);
}

# The pids that answer a number of requests, each made at rest.
sub turns {
	my ($self, $service, $target, $count) = @_;
	my $client = $self->client;
	return map {
		$self->rest($service);
		$client->get($target)->pid;
	} 1 .. $count;
}

# Whether the workers of a service take turns: $rounds times each, in the same
# order.  On a busy machine a late worker may be overtaken once; hence the tries.
sub take_turns {
	my ($self, $service, $target, $rounds) = @_;
	my $count = $self->workers($service);
	for my $try (1 .. 5) {
		my @pids = $self->turns($service, $target, $rounds * $count);
		my %distinct = map { $_ => 1 } @pids[ 0 .. $count - 1 ];
		return 1 if keys %distinct == $count
		    && !grep { $pids[$_] != $pids[ $_ - $count ] } $count .. $#pids;
		main::note("try $try: @pids");
	}
	return 0;
}

# Children that run a program, whatever their title says.
sub programs {
	my ($self, $name) = @_;
	my %children = $self->children;
	my @pids = sort { $a <=> $b } grep {
		(readlink("/proc/$_/exe") // '') =~ m{/\Q$name\E$}
		    || $children{$_} =~ m{/\Q$name\E\b}
	} keys %children;
	return @pids;
}

# What of this daemon runs, its supervisor included, orphans too.
sub leftovers {
	my ($self) = @_;
	my %pids = map { $_ => 1 } Poold::Proc::mentioning($self->{dir});
	for my $pid (keys %{ $self->{seen} }) {
		my $stat = stat_of($pid) // next;
		$pids{$pid} = 1 if $stat->{start} == $self->{seen}{$pid};
	}
	$pids{ $self->{pid} } = 1 if $self->{pid} && !defined $self->exited;
	return grep { $_ != $$ && alive($_) } sort { $a <=> $b } keys %pids;
}

# Ends whatever is left, by pid.
sub destroy {
	my ($self) = @_;
	return unless $self->{pid};
	for my $round (1 .. 200) {
		my @left = $self->leftovers or last;
		signal_to 'KILL', @left;
		signal_to 'CONT', @left;
		$self->exited;
		sleep 0.01;
	}
	$self->exited;
}

# Messages are looked for in log_file, where a test sends them elsewhere than
# to stderr.
sub log_text {
	my ($self, $from) = @_;
	open(my $fh, '<', $self->{log_file} // $self->{log}) or return '';
	seek $fh, $from // 0, 0;
	local $/;
	return scalar(<$fh>) // '';
}

# wait_log looks only at what was logged after the last mark.
sub mark { $_[0]{log_mark} = $_[0]->log_size }

sub log_size { return -s($_[0]{log_file} // $_[0]{log}) // 0 }

sub wait_log {
	my ($self, $pattern, $seconds) = @_;
	my $found;
	Poold::Test::wait_until(sub {
		$self->log_text($self->{log_mark}) =~ /^(.*$pattern.*)$/m
		    and $found = $1;
	}, $seconds // 5);
	return $found;
}

# A new connection to listener number n.
sub client {
	my ($self, %o) = @_;
	return Poold::Client->new(port => $self->port($o{listener}), %o);
}

# One request on a connection of its own.
sub get {
	my ($self, $target, %o) = @_;
	return $self->exchange('GET', $target, %o);
}

sub post {
	my ($self, $target, $body, %o) = @_;
	return $self->exchange('POST', $target, body => $body, %o);
}

sub exchange {
	my ($self, $method, $target, %o) = @_;
	my $client = eval { $self->client(%{ delete $o{client} // {} }) }
	    or return Poold::Response->new(status => 0, error => 'no connection');
	return $client->exchange($method, $target, %o,
	    headers => [ 'Connection: close', @{ $o{headers} // [] } ]);
}

1;
