# SPDX-License-Identifier: ISC
package Poold::Proc;

# What /proc says about processes.  Each function returns undef, or an empty
# list, for a process that is gone.

use strict;
use warnings;
use Exporter 'import';

our @EXPORT_OK = qw(alive pids title state fds status_of stat_of mentioning
    signal_to slurp);

# What a file has.
sub slurp {
	my ($path) = @_;
	open(my $fh, '<', $path) or return;
	local $/;
	return scalar <$fh>;
}

# kill() that takes pids of processes only: undef and 0 would mean the process
# group of the test itself.  Returns how many were reached.
sub signal_to {
	my ($signal, @pids) = @_;
	@pids = grep { defined && $_ > 1 } @pids;
	return @pids ? kill $signal, @pids : 0;
}

sub pids {
	opendir(my $dh, '/proc') or die "/proc: $!";
	return sort { $a <=> $b } grep { /^\d+$/ } readdir $dh;
}

# { ppid, pgrp, session, state, start }; start tells a pid from its reuse.
sub stat_of {
	my ($pid) = @_;
	my $text = slurp("/proc/$pid/stat") // return;
	$text =~ /^.*\) (.*)/s or return;
	my @f = split ' ', $1;
	return { state => $f[0], ppid => $f[1], pgrp => $f[2],
		session => $f[3], start => $f[19] };
}

sub state {
	my ($pid) = @_;
	my $stat = stat_of($pid) // return '';
	return $stat->{state};
}

# Running in any way: a zombie is not.
sub alive {
	my ($pid) = @_;
	return state($pid) !~ /^[ZX]?$/;
}

# The process title, or the command line.
sub title {
	my ($pid) = @_;
	my $text = slurp("/proc/$pid/cmdline") // return '';
	$text =~ s/\0+\z//;
	$text =~ tr/\0/ /;
	return $text;
}

# The descriptors of a process: number => what it refers to.  undef when they
# may not be read.
sub fds {
	my ($pid) = @_;
	opendir(my $dh, "/proc/$pid/fd") or return;
	my %fds;
	for my $fd (grep { /^\d+$/ } readdir $dh) {
		$fds{$fd} = readlink("/proc/$pid/fd/$fd") // next;
	}
	return \%fds;
}

# /proc/PID/status as name => value.
sub status_of {
	my ($pid) = @_;
	my $text = slurp("/proc/$pid/status") // return;
	return { $text =~ /^(\w+):[ \t]*(.*?)[ \t]*$/mg };
}

# Processes whose program or command line lies in a folder.
sub mentioning {
	my ($dir) = @_;
	return grep {
		$_ != $$ && (index(readlink("/proc/$_/exe") // '', "$dir/") == 0
		    || index(title($_), "$dir/") >= 0)
	} pids();
}

1;
