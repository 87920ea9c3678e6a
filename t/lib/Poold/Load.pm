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

# Ends the load: { answered, failures: texts, pids: pid => count }.
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
	my $answered = 0;
	until ($stop) {
		my $r = eval {
			$client //= Poold::Client->new(port => $args{port});
			$client->get($args{target});
		} // Poold::Response->new(status => 0, error => "$@");
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
	return { answered => $answered, failures => \@failures, pids => \%pids };
}

1;
