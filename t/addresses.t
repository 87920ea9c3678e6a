#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Where poold listens.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket;

my $service = <<'INI';

[service a]
route = /a
command = @bin@/echo
workers = 1
INI

my $probe;
my $six = socket($probe, AF_INET6, SOCK_STREAM, 0)
    ? bind($probe, pack_sockaddr_in6(0, Socket::inet_pton(AF_INET6, '::1'))) : 0;

# every address
{
	my $poold = poold("[listen main]\naddress = :\@port\@\n$service");
	my $r = $poold->get('/a');
	is($r->json->{client}, '127.0.0.1', ':port serves IPv4');
	is($r->json->{local_port}, $poold->port, '... and tells the port');
	SKIP: {
		skip 'no IPv6 here', 1 unless $six;
		is($poold->get('/a', client => { host => '::1' })->json->{client},
		    '::1', ':port serves IPv6');
	}
}

# one address
{
	my $poold = poold("[listen main]\naddress = 127.0.0.1:\@port\@\n$service");
	is($poold->get('/a')->status, 200, 'an IPv4 address is served');
	SKIP: {
		skip 'no IPv6 here', 1 unless $six;
		ok(!eval { $poold->client(host => '::1') }, '... and IPv6 is not');
	}
}
SKIP: {
	skip 'no IPv6 here', 2 unless $six;
	my $poold = poold("[listen main]\naddress = [::1]:\@port\@\n$service");
	is($poold->get('/a', client => { host => '::1' })->json->{client}, '::1',
	    'an IPv6 address is served');
	ok(!eval { $poold->client }, '... and IPv4 is not');
}

# unix
{
	my $poold = new_poold("[listen main]\naddress = unix:\@run\@/sock\n$service");
	my $path = "$poold->{run}/sock";
	{ # what a poold that was killed leaves behind
		my $stale = IO::Socket::UNIX->new(Listen => 1, Local => $path)
		    or die "$path: $!";
	}
	ok(-S $path, 'a stale unix socket lies there');
	$poold->start;
	my $client = $poold->client(path => $path);
	my $r = $client->get('/a');
	is($r->status, 200, 'a unix socket is served; a stale one was replaced');
	is($r->json->{client}, 'unix', '... and the client is called unix');
	is($client->post('/a', 'x' x 100_000)->json->{body_length}, 100_000,
	    '... and bodies come through');
	is($client->get('/none')->status, 404, '... and refusals');
	for my $byte (split //, $client->format_request('GET', '/a')) {
		$client->send($byte);
	}
	is($client->response->status, 200, '... and heads byte by byte');
	$client->send(join '', map { $client->format_request('GET', "/a/$_") } 1 .. 5);
	is(join(' ', map { $client->response->json->{path} } 1 .. 5),
	    '/a/1 /a/2 /a/3 /a/4 /a/5', '... and pipelined requests');

	my $second = new_poold("[listen main]\naddress = unix:$path\n$service");
	my ($status, $text) = $second->run('-c', $second->{ini});
	is($status, 69, 'a unix socket that is served is not replaced');
	is($poold->client(path => $path)->get('/a')->status, 200, '... and goes on');

	is($poold->stop, 0, 'it stops');
	ok(!-e $path, 'the unix socket is removed');
	no_leftovers($poold);
}
{
	my $poold = new_poold("[listen main]\naddress = unix:\@run\@/file\n$service");
	open(my $fh, '>', "$poold->{run}/file");
	print $fh "precious\n";
	close $fh;
	my ($status) = $poold->run('-c', $poold->{ini});
	is($status, 69, 'a file that is no socket is not replaced');
	is(-s "$poold->{run}/file", 9, '... and stays');
	unlink "$poold->{run}/file";
}

# taken
{
	my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
	    LocalPort => 0) or die "listen: $@";
	my $port = $taken->sockport;
	my $poold = new_poold("[listen main]\naddress = 127.0.0.1:$port\n$service");
	my ($status, $text) = $poold->run('-c', $poold->{ini});
	is($status, 69, 'a taken port is exit status 69');
	like($text, qr/\b$port\b.*\bin use\b/i, '... and the message says so');
	no_leftovers($poold);
}

# several listeners
{
	my $poold = poold("[listen one]\naddress = 127.0.0.1:\@port\@\n"
	    . "[listen two]\naddress = 127.0.0.1:\@port2\@\n$service");
	is($poold->get('/a', client => { listener => $_ })->json->{local_port},
	    $poold->port($_), "listener $_ serves") for 1, 2;
}

# a new poold takes the port of one that just ended
{
	my $poold = poold("[listen main]\naddress = 127.0.0.1:\@port\@\n$service");
	my $client = $poold->client;
	$client->get('/a');
	$poold->stop;
	my $next = new_poold("[listen main]\naddress = 127.0.0.1:"
	    . $poold->port . "\n$service");
	$next->{ports} = [ $poold->port ];
	$next->start;
	is($next->get('/a')->status, 200,
	    'the port of a poold that just ended can be taken');
}

finish();
