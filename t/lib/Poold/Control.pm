# SPDX-License-Identifier: ISC
package Poold::Control;
# A connection to the control socket of a poold: a request, its reply.
use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Poold::Test ();

# new(PATH): connects, or dies.
sub new {
	my ($class, $path) = @_;
	my $sock = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!";
	return bless { sock => $sock }, $class;
}

# ask(COMMAND, KEY => VALUE...): the reply; undef at the end of the connection.
sub ask {
	my ($self, $command, %more) = @_;
	my $sock = $self->{sock};
	print $sock JSON::PP->new->utf8->encode({ command => $command, %more }), "\n";
	my $line = <$sock> // return;
	return JSON::PP->new->utf8->decode($line);
}

# service(NAME, KEY => VALUE...): the object of a service in the status of all.
sub service {
	my ($self, $name, %more) = @_;
	my ($service) = grep { $_->{service} eq $name }
	    @{ $self->ask('status', %more)->{services} };
	return $service;
}

# poolctl(PATH, WORD...): runs poolctl: (exit status, what it printed, stderr included).
sub poolctl {
	my ($path, @words) = @_;
	my $pid = open(my $out, '-|') // die "fork: $!";
	if ($pid == 0) {
		open(STDERR, '>&', \*STDOUT);
		exec { Poold::Test::builddir() . '/poolctl' } 'poolctl', '-s', $path, @words
		    or POSIX::_exit(127);
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $text);
}

1;
