# SPDX-License-Identifier: ISC
package Poold::Client;

# A plain HTTP/1 client on one connection.  It sends what it is told, byte for
# byte, so that tests can send what no decent client would.

use strict;
use warnings;
use Errno qw(EAGAIN EINTR ECONNRESET EPIPE);
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw(IPPROTO_TCP TCP_NODELAY MSG_NOSIGNAL SHUT_WR SOCK_STREAM
    SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

# host and port, or path (unix).  Dies when the connection is refused.
sub new {
	my ($class, %args) = @_;
	my $timeout = $args{timeout} // 10 * ($ENV{POOLD_TEST_FACTOR} || 1);
	my $sock;
	if (defined $args{path}) {
		$sock = IO::Socket::UNIX->new(Type => SOCK_STREAM,
		    Peer => $args{path});
	} else {
		$sock = IO::Socket::IP->new(PeerHost => $args{host} // '127.0.0.1',
		    PeerPort => $args{port}, Proto => 'tcp',
		    Timeout => $timeout);
	}
	die "cannot connect to "
	    . ($args{path} // "port $args{port}") . ": " . ($@ || $!) . "\n"
	    unless $sock;
	setsockopt($sock, IPPROTO_TCP, TCP_NODELAY, 1) unless $args{path};
	$sock->blocking(0);
	my $self = bless { sock => $sock, in => '', timeout => $timeout,
		host => $args{authority} // 'localhost' }, $class;
	$self->{local_port} = $sock->sockport unless $args{path};
	return $self;
}

sub sock { return $_[0]{sock} }
sub local_port { return $_[0]{local_port} }

sub close {
	my ($self) = @_;
	close $self->{sock} if $self->{sock};
	delete $self->{sock};
}

# Leaves with a reset.  After a plain close the other side sees no more than a
# half-close until it writes.
sub reset {
	my ($self) = @_;
	setsockopt($self->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
	$self->close;
}

sub shutdown_write { shutdown($_[0]{sock}, SHUT_WR) }

# Sends all bytes.  Returns whether the other side took them.
sub send {
	my ($self, $bytes) = @_;
	my $deadline = time + $self->{timeout};
	my $off = 0;
	while ($off < length $bytes) {
		my $n = CORE::send($self->{sock}, substr($bytes, $off, 65536),
		    MSG_NOSIGNAL);
		if (defined $n) {
			$off += $n;
			next;
		}
		next if $! == EINTR;
		return 0 unless $! == EAGAIN;
		my $left = $deadline - time;
		return 0 if $left <= 0;
		IO::Select->new($self->{sock})->can_write($left);
	}
	return 1;
}

# The bytes of a request.  host undef leaves the field out.
sub format_request {
	my ($self, $method, $target, %o) = @_;
	my $host = exists $o{host} ? $o{host} : $self->{host};
	my @lines = ("$method $target HTTP/" . ($o{version} // '1.1'));
	push @lines, "Host: $host" if defined $host;
	push @lines, @{ $o{headers} // [] };
	my $body = $o{body};
	if ($o{chunks}) {
		push @lines, 'Transfer-Encoding: chunked';
		$body = join '', map { sprintf("%x\r\n%s\r\n", length, $_) }
		    @{ $o{chunks} };
		$body .= "0\r\n\r\n";
	} elsif (defined $body) {
		push @lines, 'Content-Length: ' . length $body;
	}
	return join("\r\n", @lines, '', '') . ($body // '');
}

# Sends a request and does not wait for its response.
sub request {
	my ($self, $method, $target, %o) = @_;
	return $self->send($self->format_request($method, $target, %o));
}

sub exchange {
	my ($self, $method, $target, %o) = @_;
	$self->request($method, $target, %o);
	return $self->response(method => $method, timeout => $o{timeout});
}

sub get { my ($self, @rest) = @_; return $self->exchange('GET', @rest) }

sub post {
	my ($self, $target, $body, %o) = @_;
	return $self->exchange('POST', $target, body => $body, %o);
}

# Reads more into the buffer: 'data', 'eof', 'reset' or 'timeout'.
sub fill {
	my ($self, $deadline) = @_;
	for (;;) {
		my $n = sysread($self->{sock}, $self->{in}, 65536,
		    length $self->{in});
		return $n ? 'data' : 'eof' if defined $n;
		next if $! == EINTR;
		return 'reset' if $! == ECONNRESET || $! == EPIPE;
		die "read: $!" unless $! == EAGAIN;
		my $left = $deadline - time;
		return 'timeout' if $left <= 0;
		IO::Select->new($self->{sock})->can_read($left);
	}
}

# How the connection ends: 'eof', 'reset', 'timeout' (it does not), or 'data'
# when something more was sent.
sub ending {
	my ($self, $seconds) = @_;
	return 'data' if length $self->{in};
	return $self->fill(time + ($seconds // $self->{timeout}));
}

# Whether anything lies there to read, waiting at most so long.
sub readable {
	my ($self, $seconds) = @_;
	return 1 if length $self->{in};
	return IO::Select->new($self->{sock})->can_read($seconds) ? 1 : 0;
}

# Reads one response.  Interim responses (1xx) are collected in {interim}
# unless interim => 1 asks for them.  On failure {status} is 0 and {error}
# says why ('timeout', 'reset', 'cut', 'bad ...'); {partial} is what had come.
sub response {
	my ($self, %o) = @_;
	my $deadline = time + ($o{timeout} // $self->{timeout});
	my @interim;
	for (;;) {
		my $r = $self->read_one($deadline, $o{method} // 'GET');
		$r->{interim} = \@interim;
		return $r if $r->{status} == 0 || $r->{status} >= 200 || $o{interim};
		push @interim, $r->{status};
	}
}

sub failed {
	my ($self, $error, %r) = @_;
	return Poold::Response->new(%r, status => 0, error => $error,
	    partial => $self->{in});
}

sub read_one {
	my ($self, $deadline, $method) = @_;
	my $end;
	until (($end = index $self->{in}, "\r\n\r\n") >= 0) {
		my $how = $self->fill($deadline);
		next if $how eq 'data';
		$how = 'cut' if $how eq 'eof' && length $self->{in};
		return $self->failed($how);
	}
	my $head = substr($self->{in}, 0, $end + 4, '');
	my ($line, @fields) = split /\r\n/, $head;
	$line =~ m{^HTTP/(1\.[01]) (\d{3}) (.*)$}
	    or return $self->failed("bad status line '$line'");
	my %r = (version => $1, status => $2 + 0, reason => $3, head => $head,
	    headers => {});
	for (@fields) {
		/^([^:\s]+):[ \t]*(.*?)[ \t]*$/
		    or return $self->failed("bad field '$_'");
		my $name = lc $1;
		$r{headers}{$name} = exists $r{headers}{$name}
		    ? "$r{headers}{$name}, $2" : $2;
	}
	my ($body, $error) = $self->read_body($deadline, $method, \%r);
	return $self->failed($error, head => $head, promised => $r{status})
	    if defined $error;
	return Poold::Response->new(%r, body => $body);
}

# (body) or (undef, error)
sub read_body {
	my ($self, $deadline, $method, $r) = @_;
	return '' if $method eq 'HEAD' || $r->{status} < 200
	    || $r->{status} == 204 || $r->{status} == 304;
	my $h = $r->{headers};
	return $self->read_chunked($deadline)
	    if ($h->{'transfer-encoding'} // '') =~ /chunked/i;
	if (defined $h->{'content-length'}) {
		return (undef, "bad content-length") if
		    $h->{'content-length'} !~ /^\d+$/;
		return $self->take($h->{'content-length'}, $deadline);
	}
	my $how;
	1 while ($how = $self->fill($deadline)) eq 'data';
	return (undef, $how) if $how ne 'eof';
	$r->{until_close} = 1;
	return substr($self->{in}, 0, length $self->{in}, '');
}

sub take {
	my ($self, $len, $deadline) = @_;
	while (length $self->{in} < $len) {
		my $how = $self->fill($deadline);
		return (undef, $how eq 'eof' ? 'cut' : $how) if $how ne 'data';
	}
	return substr($self->{in}, 0, $len, '');
}

sub read_line {
	my ($self, $deadline) = @_;
	my $end;
	until (($end = index $self->{in}, "\r\n") >= 0) {
		my $how = $self->fill($deadline);
		return (undef, $how eq 'eof' ? 'cut' : $how) if $how ne 'data';
	}
	return substr(substr($self->{in}, 0, $end + 2, ''), 0, -2);
}

sub read_chunked {
	my ($self, $deadline) = @_;
	my $body = '';
	for (;;) {
		my ($line, $error) = $self->read_line($deadline);
		return (undef, $error) if defined $error;
		$line =~ /^([0-9a-f]{1,8})\s*(;.*)?$/i
		    or return (undef, "bad chunk size '$line'");
		my $size = hex $1;
		last if $size == 0;
		(my $part, $error) = $self->take($size + 2, $deadline);
		return (undef, $error) if defined $error;
		return (undef, 'bad chunk end') if substr($part, -2, 2, '') ne "\r\n";
		$body .= $part;
	}
	for (;;) { # trailers
		my ($line, $error) = $self->read_line($deadline);
		return (undef, $error) if defined $error;
		return $body if $line eq '';
	}
}

package Poold::Response;

use strict;
use warnings;
use JSON::PP ();

sub new { my ($class, %self) = @_; return bless {%self}, $class }

sub status { return $_[0]{status} }
sub body { return $_[0]{body} // '' }
sub error { return $_[0]{error} // '' }
sub header { return $_[0]{headers}{ lc $_[1] } // '' }

# The body as JSON, {} when it is none.
sub json {
	my ($self) = @_;
	return $self->{json} //= eval { JSON::PP::decode_json($self->body) } // {};
}

sub pid { return $_[0]->json->{pid} // 0 }

# For messages: "200", or "0 (timeout)".
sub text {
	my ($self) = @_;
	return $self->{status} || "0 ($self->{error})";
}

1;
