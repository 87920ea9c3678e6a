# SPDX-License-Identifier: ISC
package Poold::Control;
# A connection to the control socket of a poold: a request, its reply.
use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP ();

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

1;
