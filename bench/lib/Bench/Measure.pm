# SPDX-License-Identifier: ISC
package Bench::Measure;

# One figure: wrk for some seconds, and what the server's processes used
# meanwhile.

use strict;
use warnings;
use List::Util qw(sum0);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);
use Bench::Servers;
use Poold::Proc qw(signal_to);

my $ticks = POSIX::sysconf(&POSIX::_SC_CLK_TCK);
my $wrk_pid;

# CPU time of a process in nanoseconds: what its threads ran, by the
# scheduler's clock, and that of children that ended and were waited for.
sub cpu_ns {
	my ($pid) = @_;
	my $ns = 0;
	for my $task (glob "/proc/$pid/task/*/schedstat") {
		$ns += $1 if (Poold::Proc::slurp($task) // '') =~ /^(\d+)/;
	}
	my $stat = Poold::Proc::slurp("/proc/$pid/stat") // return $ns;
	my @f = split ' ', $stat =~ s/^.*\) //sr;
	$ns = ($f[11] + $f[12]) * 1e9 / $ticks if $ns == 0;	# no schedstat
	return $ns + ($f[13] + $f[14]) * 1e9 / $ticks;
}

# Memory of a process in KiB: its share of what it shares; or, where that may
# not be read (the router of a poold that is not root), all of it.
sub memory_kib {
	my ($pid) = @_;
	my $text = Poold::Proc::slurp("/proc/$pid/smaps_rollup") // '';
	return $1 if $text =~ /^Pss:\s+(\d+)/m;
	my $status = Poold::Proc::status_of($pid) // return 0;
	return ($status->{VmRSS} // 0) =~ /(\d+)/ ? $1 : 0;
}

# Seconds that all CPUs of the machine were busy since it started.
sub machine_busy {
	my (undef, $user, $nice, $system, undef, undef, $irq, $softirq, $steal)
	    = split ' ', Poold::Proc::slurp('/proc/stat');
	return ($user + $nice + $system + $irq + $softirq + $steal) / $ticks;
}

sub server_cpu_ns { return sum0 map { cpu_ns($_) } Bench::Servers::pids($_[0]) }

# The server before has closed its connections and sleeps.
sub wait_quiet {
	my ($server) = @_;
	my $before = server_cpu_ns($server);
	for (1 .. 50) {
		sleep 0.03;
		my $now = server_cpu_ns($server);
		return if $now - $before < 200_000;
		$before = $now;
	}
	return;
}

sub wrk_start {
	my ($output, @args) = @_;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
		setpgrp(0, 0);
		open(STDOUT, '>', $output);
		open(STDERR, '>&', \*STDOUT);
		{ exec 'wrk', @args; }
		POSIX::_exit(127);
	}
	return $pid;
}

# Runs wrk to its end; returns the largest memory seen meanwhile.
sub wrk_run {
	my ($output, $pids, @args) = @_;
	my $peak = 0;
	my $end = 0;
	$wrk_pid = wrk_start($output, @args);
	while (waitpid($wrk_pid, WNOHANG) == 0) {
		sleep 0.02;
		next if time < $end;
		my $memory = sum0 map { memory_kib($_) } @$pids;
		$peak = $memory if $memory > $peak;
		$end = time + 0.2;
	}
	undef $wrk_pid;
	return $peak;
}

sub stop {
	signal_to('KILL', $wrk_pid);
	waitpid $wrk_pid, 0 if $wrk_pid;
	undef $wrk_pid;
	return;
}

# Measures one server; $body is 64, 16k, 1m or post.  Returns the figures.
sub cell {
	my ($server, $body, $connections, %o) = @_;
	my $path = $body eq 'post' ? 64 : $body;
	my $threads = $connections < $o{threads} ? $connections : $o{threads};
	my $output = "$o{dir}/wrk.out";
	my @pids = Bench::Servers::pids($server);

	wait_quiet($server);
	my $cpu = server_cpu_ns($server);
	my $client = sum0((times)[2, 3]);
	my $busy = machine_busy();
	my $peak = wrk_run($output, \@pids, '-t', $threads, '-c', $connections,
	    '-d', "$o{seconds}s", '--timeout', '10s', '-s', "$o{bench}/wrk.lua",
	    "http://127.0.0.1:$Bench::Servers::PORT{$server}/$path", '--', $body);
	$client = sum0((times)[2, 3]) - $client;
	$cpu = server_cpu_ns($server) - $cpu;
	my $others = machine_busy() - $busy - $client - $cpu / 1e9;

	my $text = Poold::Proc::slurp($output) // '';
	my ($line) = $text =~ /^figures: (.*)$/m or die "wrk failed:\n$text";
	my %f = $line =~ /(\w+)=(\S+)/g;
	# 256 responses of 1 MiB that are half done at the end are a large part.
	my $requests = $body eq '1m' ? $f{bytes} / (1024 * 1024) : $f{requests};
	my $seconds = $f{duration} / 1e6;
	return {
		server => $server, body => $body, connections => $connections,
		requests => int($requests + 0.5), failed => $f{failed},
		rate => $requests / $seconds,
		p50_us => $f{p50}, p99_us => $f{p99},
		cpu_us => $cpu / 1000 / ($requests || 1),
		memory_kib => $peak,
		client_percent => 100 * $client / $seconds / $threads,
		others_percent => $others < 0 ? 0 : 100 * $others / $seconds,
	};
}

1;
