# SPDX-License-Identifier: ISC
package Poold::Load;

# Requests at a steady rate from a process of their own, while the test does
# something to the daemon.

use strict;
use warnings;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);
use Poold::Client;

# port; target; rate (a second); fresh (a new connection for each request).
# reconnect: a connection that the server closed while it was not in use is made
# anew, as HTTP clients do, and counted; a service that is leased never does that.
# class: of the client, made with all these arguments; default Poold::Client.
sub new {
	my ($class, %args) = @_;
	pipe(my $read, my $write) or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		close $read;
		my $result = eval { run(%args) } // { failures => [$@], answered => 0 };
		print $write JSON::PP::encode_json($result);
		close $write;
		POSIX::_exit(0);
	}
	close $write;
	return bless { pid => $pid, read => $read }, $class;
}

# Ends the load: { answered, failures: texts, pids: pid => count, reconnects }.
sub stop {
	my ($self) = @_;
	kill 'TERM', $self->{pid};
	my $fh = $self->{read};
	local $/;
	my $text = <$fh>;
	waitpid delete $self->{pid}, 0;
	return JSON::PP::decode_json($text || '{"answered":0,"failures":["died"]}');
}

sub DESTROY {
	my ($self) = @_;
	return unless $self->{pid};
	local $?;
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
}

sub run {
	my (%args) = @_;
	my $stop = 0;
	local $SIG{TERM} = sub { $stop = 1 };
	local $SIG{ALRM} = 'DEFAULT';
	alarm 120; # should the test die without a word
	my $gap = 1 / ($args{rate} // 300);
	my $next = time;
	my ($client, %pids, @failures);
	my ($answered, $reconnects) = (0, 0);
	until ($stop) {
		my $reused = defined $client;
		my $r = request(\$client, %args);
		if ($args{reconnect} && $reused && was_closed($r)) {
			$reconnects++;
			undef $client;
			$r = request(\$client, %args);
		}
		if ($r->status == ($args{status} // 200)) {
			$answered++;
			$pids{ $r->pid }++;
		} else {
			push @failures, $r->text if @failures < 20;
			undef $client;
		}
		undef $client if $args{fresh} || $r->header('connection') =~ /close/i;
		$next += $gap;
		my $wait = $next - time;
		$wait > 0 ? sleep $wait : ($next = time);
	}
	return { answered => $answered, failures => \@failures, pids => \%pids,
		reconnects => $reconnects };
}

sub request {
	my ($client, %args) = @_;
	my $class = $args{class} // 'Poold::Client';
	return eval {
		$$client //= $class->new(%args);
		$$client->get($args{target});
	} // Poold::Response->new(status => 0, error => "$@");
}

# Before the first byte of an answer.
sub was_closed {
	my ($r) = @_;
	return $r->status == 0 && $r->error =~ /^(?:eof|reset)$/
	    && ($r->{partial} // '') eq '';
}

1;
