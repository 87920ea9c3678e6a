# SPDX-License-Identifier: ISC
package Poold::FastCGI;

# A small FastCGI client: what a web server asks php-fpm, one request on each
# connection.  It looks like Poold::Client where a load needs it.

use strict;
use warnings;
use Time::HiRes qw(time);
use Poold::Client;

# Types of records, and the one role (FastCGI 1.0, section 8).
use constant { TYPE_BEGIN => 1, TYPE_END => 3, TYPE_PARAMS => 4, TYPE_STDIN => 5,
	TYPE_STDOUT => 6, RESPONDER => 1 };

# port; script: the file to run; timeout.
sub new {
	my ($class, %args) = @_;
	return bless { timeout => 10 * ($ENV{POOLD_TEST_FACTOR} || 1), %args }, $class;
}

sub record {
	my ($type, $content) = @_;
	return pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content;
}

# Names and values shorter than 128 bytes.
sub params {
	my (@params) = @_;
	my $text = '';
	while (my ($name, $value) = splice @params, 0, 2) {
		$text .= pack('CC', length $name, length $value) . $name . $value;
	}
	return $text;
}

sub request_bytes {
	my ($self, $target) = @_;
	my ($path, $query) = split /\?/, $target, 2;
	return record(TYPE_BEGIN, pack('nCx5', RESPONDER, 0)) . record(TYPE_PARAMS, params(
		SCRIPT_FILENAME => $self->{script}, SCRIPT_NAME => $path,
		REQUEST_URI => $target, QUERY_STRING => $query // '',
		REQUEST_METHOD => 'GET', SERVER_PROTOCOL => 'HTTP/1.1',
		GATEWAY_INTERFACE => 'CGI/1.1')) . record(TYPE_PARAMS, '') . record(TYPE_STDIN, '');
}

sub failed {
	my ($error, $partial) = @_;
	return Poold::Response->new(status => 0, error => $error,
	    partial => $partial // '');
}

# Reads the next record: (type, content), or (undef, error).
sub next_record {
	my ($client) = @_;
	my $deadline = time + $client->{timeout};
	my ($head, $error) = $client->take(8, $deadline);
	return (undef, $error) if defined $error;
	my (undef, $type, undef, $len, $padding) = unpack 'CCnnC', $head;
	(my $content, $error) = $client->take($len + $padding, $deadline);
	return defined $error ? (undef, $error) : ($type, substr $content, 0, $len);
}

# Sends a request and does not wait for its response.
sub request {
	my ($self, undef, $target) = @_;
	$self->{client} = Poold::Client->new(port => $self->{port},
	    timeout => $self->{timeout});
	return $self->{client}->send($self->request_bytes($target));
}

# A response is whole with its END record, and only then.
sub response {
	my ($self) = @_;
	my $out = '';
	for (;;) {
		my ($type, $content) = next_record($self->{client});
		return failed($content, $out) if !defined $type;
		$out .= $content if $type == TYPE_STDOUT;
		last if $type == TYPE_END;
	}
	$self->{client}->close; # which php-fpm waits for
	my ($head, $body) = split /\r\n\r\n/, $out, 2;
	my $status = $head =~ /^Status: (\d+)/m ? $1 : 200;
	return Poold::Response->new(status => $status, headers => {}, body => $body);
}

sub get {
	my ($self, $target) = @_;
	$self->request('GET', $target);
	return $self->response;
}

1;
