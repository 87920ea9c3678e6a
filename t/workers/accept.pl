#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A server behind an inherited socket that says what it was given, and can be
# told how to behave:
#	--fd=N		the descriptor to accept on (3)
#	--ready=FILE	say READY=1 as soon as FILE exists
#	--stop=NAME	the signal that ends it (TERM); TERM is ignored otherwise
#	--child		start a process that ignores every signal it can
#	--never-stop	do not even end on that signal
use strict;
use warnings;
use Errno qw(EINTR);
use IO::Handle;
use IO::Socket::UNIX;
use JSON::PP ();
use Socket qw(SOCK_DGRAM pack_sockaddr_un);

my %option = (fd => 3, stop => 'TERM');
for (@ARGV) {
	/^--([a-z-]+)(?:=(.*))?$/ or die "usage";
	$option{$1} = $2 // 1;
}

my (%got, $stop);
$SIG{$_} = sub { $got{ $_[0] }++ } for qw(TERM HUP USR1 QUIT);
$SIG{ $option{stop} } = sub { $got{ $_[0] }++; $stop = !$option{'never-stop'} };

my $child = 0;
if ($option{child}) {
	$child = fork // die "fork: $!";
	if ($child == 0) {
		$SIG{$_} = 'IGNORE' for qw(TERM HUP INT QUIT USR1 USR2);
		sleep 1 while 1;
	}
}

sub say_ready {
	socket(my $sock, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
	my $name = $ENV{NOTIFY_SOCKET} =~ s/^@/\0/r;
	send($sock, 'READY=1', 0, pack_sockaddr_un($name)) or die "send: $!";
	delete $option{ready};
}

sub answer {
	my ($connection) = @_;
	my $head = '';
	until ($head =~ /\r\n\r\n/) {
		my $n = sysread $connection, $head, 4096, length $head;
		next if !defined $n && $! == EINTR;
		return if !$n;
	}
	my %told = map { $_ => $ENV{$_} } grep { /^LISTEN_|^SERVER_STARTER_|^FPM_/ } keys %ENV;
	my $body = JSON::PP->new->canonical->encode({ pid => $$, child => $child,
		signals => \%got, env => \%told,
		generation => $ENV{POOLD_GENERATION} + 0 });
	syswrite $connection, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
	    . length($body) . "\r\n\r\n$body";
}

open(my $listener, '+<&=', $option{fd}) or die "fd $option{fd}: $!";
until ($stop) {
	say_ready() if defined $option{ready} && -e $option{ready};
	vec(my $set = '', fileno $listener, 1) = 1;
	next if select($set, undef, undef, 0.05) <= 0;
	# another process may have been quicker
	$listener->blocking(0);
	next unless accept(my $connection, $listener);
	$connection->blocking(1);
	answer($connection);
}
