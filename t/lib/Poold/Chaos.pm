# SPDX-License-Identifier: ISC
package Poold::Chaos;

# What t/chaos.t and bench/chaos do to a poold while bench/ledger keeps the
# books: kill workers and routers, stop workers, reload.

use strict;
use warnings;
use File::Path ();
use Time::HiRes qw(time sleep);
use Poold::Proc qw(alive stat_of signal_to);
use Poold::Test ();

my $LEDGER_BYTES = 64 << 20; # one for each id; holes cost nothing
# A worker that dies within a second of being ready counts as dying young, and
# the supervisor takes its time to replace the next: only older ones are killed.
my $OLD_ENOUGH = 1.05;

# workers; retries; broken: how many percent of the reloads find a broken file;
# ini: more lines of the service.
# The service chaos is started anew by a reload after touch(), the services
# still and unread never are.
sub new {
	my ($class, %args) = @_;
	my $self = bless { workers => 4, retries => 20, broken => 10, ini => '',
		round => 0, born => {}, first_id => 1, %args }, $class;
	my $poold = $self->{poold} = Poold::Test::new_poold($self->config);
	my $program = Poold::Test::builddir() . '/bench/chaos-worker';
	Poold::Test::copy_program($program, "$poold->{bin}/chaos-worker");
	$self->{executions} = "$poold->{dir}/executions";
	open(my $fh, '>', $self->{executions}) or die "executions: $!";
	truncate $fh, $LEDGER_BYTES or die "executions: $!";
	chmod 0666, $self->{executions};
	$poold->{keep} = qr/^executions$|^unread\//;
	mkdir "$poold->{dir}/unread";
	chmod 0777, "$poold->{dir}/unread";
	$self->touch;
	$poold->start;
	return $self;
}

sub config {
	my ($self) = @_;
	return "[poold]\naccess_log = off\nmax_connections = 20000\n"
	    . ($> == 0 ? "user = nobody\n" : '') . <<"INI";

[listen main]
address = 127.0.0.1:\@port\@
backlog = 4096
keepalive_timeout = 10m
keepalive_requests = 1000000000

[service chaos]
route = /chaos
command = \@bin\@/chaos-worker
workers = $self->{workers}
retries = $self->{retries}
env.CHAOS_LEDGER = \@dir\@/executions
watch = touched
$self->{ini}

[service unread]
route = /unread
command = \@bin\@/raw
env.RAW_DIR = \@dir\@/unread
workers = 2

[service still]
route = /still
command = \@bin\@/chaos-worker
env.CHAOS_LEDGER = \@dir\@/executions
workers = 1
INI
}

sub poold { return $_[0]{poold} }

# Makes the next reload start new workers of the service.
sub touch {
	my ($self) = @_;
	$self->{poold}->write_file('touched', ++$self->{round});
}

# --- the ledger

# Starts a client.  Options as those of bench/ledger, by their letters; x is a
# list.  Ids of clients of one Chaos never meet: ids is how many it may need.
sub ledger {
	my ($self, %o) = @_;
	my $target = delete $o{target} // '/chaos';
	my @more = map { ('-x', $_) } @{ delete $o{x} // [] };
	my $first = $self->{first_id};
	$self->{first_id} += delete $o{ids} // $o{n} // (10 << 20);
	return $self->client('ledger',
	    defined $self->{executions} ? ('-e', $self->{executions}) : (),
	    '-o', $first, (map { ("-$_", $o{$_}) } sort keys %o), @more, $target);
}

# Starts slow clients.  Options as those of bench/holder.
sub holder {
	my ($self, %o) = @_;
	return $self->client('holder', (map { ("-$_", $o{$_}) } sort keys %o), '/chaos');
}

sub client {
	my ($self, $program, @args) = @_;
	my $poold = $self->{poold};
	pipe(my $read, my $write) or die "pipe: $!";
	my $errors = "$poold->{run}/$program-" . ++$self->{clients};
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open(STDOUT, '>&', $write);
		open(STDERR, '>', $errors);
		exec Poold::Test::builddir() . "/bench/$program", '-p', $poold->port, @args
		    or POSIX::_exit(127);
	}
	close $write;
	my $ledger = { pid => $pid, read => $read, errors => $errors };
	$self->{ledgers}{$pid} = $ledger;
	<$read>; # "began": those that idle or are slow are there
	return $ledger;
}

# Waits for the end of one that has a limit.
sub report {
	my ($self, $ledger) = @_;
	my $fh = $ledger->{read};
	my %report = map { chomp; split /=(?=[^=]*$)/, $_, 2 } <$fh>;
	waitpid $ledger->{pid}, 0;
	delete $self->{ledgers}{ $ledger->{pid} };
	$report{exit} = $?;
	$report{told} = Poold::Proc::slurp($ledger->{errors});
	unlink $ledger->{errors};
	return \%report;
}

sub stop_ledger {
	my ($self, $ledger) = @_;
	signal_to 'TERM', $ledger->{pid};
	return $self->report($ledger);
}

# The sum of what a report says about executions: executed($r, 'ok', '2|3\+').
sub executed {
	my ($report, $fate, $times) = @_;
	my $sum = 0;
	for (keys %$report) {
		$sum += $report->{$_} if /^executed\.$fate\.(?:$times)\./;
	}
	return $sum;
}

# --- who lives

# Children of the supervisor without looking at all processes: pid => title.
sub family {
	my ($self) = @_;
	my $pid = $self->{poold}->pid;
	my $list = Poold::Proc::slurp("/proc/$pid/task/$pid/children");
	return $self->{poold}->children unless defined $list;
	return map { $_ => Poold::Proc::title($_) } split ' ', $list;
}

# Workers of the service chaos: pid => seconds since they were first seen to
# wait for requests.
sub ages {
	my ($self) = @_;
	my %family = $self->family;
	my (%age, %born);
	for (keys %family) {
		next if $family{$_} !~ /^poold: chaos worker/;
		$born{$_} = $self->{born}{$_} // time;
		$age{$_} = time - $born{$_};
	}
	$self->{born} = \%born;
	return %age;
}

sub wait_whole {
	my ($self) = @_;
	return Poold::Test::wait_until(sub {
		my %age = $self->ages;
		return keys %age == $self->{workers} && $self->{poold}->router;
	}, 40);
}

# --- the deeds

# Kills one worker that is old enough, waiting for it.
sub kill_worker {
	my ($self) = @_;
	for (;;) {
		my %age = $self->ages;
		my @old = grep { $age{$_} >= $OLD_ENOUGH } keys %age;
		if (@old) {
			my $victim = $old[ rand @old ];
			# in no step with anything
			sleep rand 0.02;
			signal_to 'KILL', $victim;
			delete $self->{born}{$victim};
			return $victim;
		}
		die "poold has ended\n" if defined $self->{poold}->exited;
		sleep 0.005;
	}
}

# A request whose worker dies before it has read anything of it, while another is
# there.  Returns the status.
sub die_unread {
	my ($self) = @_;
	my $poold = $self->{poold};
	my $name = 'f' . ++$self->{unread};
	my $leave = "$poold->{dir}/unread/$name"; # to die once
	Poold::Test::wait_until(sub { $poold->programs('raw') == 2 }, 40);
	open(my $fh, '>', $leave) or die "$leave: $!";
	return $poold->post("/unread/own/0/$name", 'x' x 1000)->status;
}

sub kill_router {
	my ($self) = @_;
	my $old = $self->{poold}->router or return 0;
	signal_to 'KILL', $old;
	return Poold::Test::wait_until(sub {
		my $new = $self->{poold}->router;
		return $new && $new != $old;
	}, 10);
}

# Stops a worker for a while, or until it is gone: one that had a request is
# killed past request_timeout.  Returns whether it was.
sub stop_worker {
	my ($self, $seconds) = @_;
	my %age = $self->ages;
	my @pids = keys %age or return 0;
	my $victim = $pids[ rand @pids ];
	my $start = (stat_of($victim) // return 0)->{start};
	my $same = sub { my $stat = stat_of($victim); $stat && $stat->{start} == $start };
	my $end = time + $seconds;
	signal_to 'STOP', $victim;
	sleep 0.01 while time < $end && $same->();
	return 1 if !$same->();
	signal_to 'CONT', $victim;
	return 0;
}

sub log_count {
	my ($self, $pattern) = @_;
	my $count = () = $self->{poold}->log_text =~ /$pattern/mg;
	return $count;
}

# The n-th of many reloads: each third has something new, each tenth (see new)
# is broken, and each seventh is asked for while the one before may be under way.
# Returns whether it came to its end, if that was waited for; nowait: only for
# that of a broken one.
sub hup {
	my ($self, $n, %o) = @_;
	my $poold = $self->{poold};
	my $broken = int($n * $self->{broken} / 100) > int(($n - 1) * $self->{broken} / 100);
	$self->touch if $n % 3 == 0;
	$poold->write_config($self->config . "\n[nonsense\n") if $broken;
	my $mark = $poold->log_size;
	signal_to 'HUP', $poold->pid;
	# what it finds depends on when it looks: only in turn can one be sure
	return 1 if !$broken && ($n % 7 == 0 || $o{nowait});
	my $ended = Poold::Test::wait_until(sub {
		my $log = $poold->log_text($mark);
		return $broken ? $log =~ /reload failed/ : $log =~ /reload done/;
	}, 30);
	$poold->write_config($self->config) if $broken;
	return $ended;
}

# Upgrades the running program to one that was built, or with a text for a
# script, tries to.  Returns the line of the log that ends it.
sub upgrade {
	my ($self, $program, $script) = @_;
	my $poold = $self->{poold};
	if (defined $script) {
		open(my $fh, '>', "$poold->{poold}.new") or die "script: $!";
		print $fh $script;
		close $fh or die "script: $!";
		chmod 0755, "$poold->{poold}.new";
	} else {
		Poold::Test::copy_program($program, "$poold->{poold}.new");
	}
	rename "$poold->{poold}.new", $poold->{poold} or die "rename: $!";
	my $mark = $poold->log_size;
	my $line = '';
	signal_to 'USR2', $poold->pid;
	Poold::Test::wait_until(sub {
		$poold->log_text($mark) =~ /^(.*(?:took \d+ connections|upgrade failed).*)$/m
		    and $line = $1;
	}, 30);
	return $line;
}

# --- what it costs

# What the router has used: sleeps (each is a wait that ended), cpu_ns, and what
# it holds: rss (KiB), fds.
sub router_use {
	my ($self) = @_;
	my $pid = $self->{poold}->router;
	my $status = Poold::Proc::status_of($pid) // {};
	my ($cpu_ns) = split ' ', Poold::Proc::slurp("/proc/$pid/schedstat") // 0;
	return { sleeps => $status->{voluntary_ctxt_switches} // 0, cpu_ns => $cpu_ns,
		rss => ($status->{VmRSS} // 0) =~ s/\D//gr,
		fds => scalar keys %{ Poold::Proc::fds($pid) // {} } };
}

# Descriptors, memory and number of processes by role.  own is what they have
# written to (RssAnon, KiB): the whole has in it what they touched of the shared
# file of executions.  Meant for quiet moments.
sub sample {
	my ($self) = @_;
	my %family = ($self->{poold}->pid => 'poold: supervisor', $self->family);
	my %sample;
	for my $pid (keys %family) {
		my ($role) = $family{$pid} =~ /^poold: (\w+)/ or next;
		my $fds = Poold::Proc::fds($pid) // {};
		my $status = Poold::Proc::status_of($pid) // {};
		my ($pss) = (Poold::Proc::slurp("/proc/$pid/smaps_rollup") // '')
		    =~ /^Pss:\s+(\d+)/m;
		$sample{$role}{processes}++;
		$sample{$role}{fds} += keys %$fds;
		$sample{$role}{own} += ($status->{RssAnon} // 0) =~ s/\D//gr;
		$sample{$role}{pss} += $pss // 0;
	}
	return \%sample;
}

# Ends poold and returns what its routers counted, added up.
sub counters {
	my ($self) = @_;
	my $poold = $self->{poold};
	$self->{exit} = $poold->stop('TERM', 20);
	my %sum;
	for my $line ($poold->log_text =~ /counters: (.*)$/mg) {
		$sum{$1} += $2 while $line =~ /(\w+)=(\d+)/g;
	}
	return \%sum;
}

sub DESTROY {
	my ($self) = @_;
	local $?;
	for my $pid (keys %{ $self->{ledgers} // {} }) {
		signal_to 'KILL', $pid;
		waitpid $pid, 0;
	}
}

1;
