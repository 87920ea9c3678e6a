#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# SIGHUP with a configuration that does not work: the old one goes on.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive);
use IO::Socket::INET;

my $good = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 2

[service b]
route = /b
command = @bin@/echo
workers = 1
INI

my $poold = poold($good);
my @workers = $poold->workers;
my $router = $poold->router;
my $idle = $poold->client;
$idle->get('/a');

# A bad configuration, and what the log must say.
sub refused {
	my ($name, $ini, $pattern, %also) = @_;
	$poold->mark;
	$poold->write_config($ini);
	$poold->reload;
	ok($poold->wait_log($pattern), "$name: the log says why")
	    or diag $poold->log_text($poold->{log_mark});
	is($poold->get('/a')->status, 200, '... and serve');
	is($poold->get('/new')->status, 404, '... and nothing new does');
	eventually {
		my %children = $poold->children;
		keys %children == 2 + @workers; # router and logger
	} 5, '... and no process of the attempt remains';
	is(join(' ', $poold->workers), "@workers", '... and the workers stay');
}

refused('a syntax error', "$good\n[service\n", qr/poold\.ini:\d+/);
refused('an unknown key', $good =~ s/workers = 2/wokers = 2/r,
    qr/poold\.ini:\d+:.*wokers.*workers/);
refused('a command that is not there', <<"INI", qr{no-such-program});
$good
[service new]
route = /new
command = \@bin\@/no-such-program
INI
refused('a worker that is never ready', <<"INI", qr/\bnew\b.*(?:ready|start_timeout)/);
$good
[service new]
route = /new
command = \@bin\@/notready
workers = 2
start_timeout = 300ms
INI
refused('a worker that dies', <<"INI", qr/\bnew\b.*(?:status|code) 3/);
$good
[service new]
route = /new
command = \@bin\@/crash
start_timeout = 2s
INI
chmod 0755, $poold->write_file('unloadable', <<'SH');
#!/bin/sh
echo "error while loading shared libraries: libmissing.so.1" >&2
exit 127
SH
refused('a program whose library is missing', <<"INI",
$good
[service new]
route = /new
command = \@conf\@/unloadable
start_timeout = 2s
INI
    qr/\bnew\b.*could not be loaded.*names the shared library/);
{
	my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
	    LocalPort => 0, ReuseAddr => 1) or die "listen: $@";
	my $port = $taken->sockport;
	refused('a port that is in use', <<"INI", qr/\b$port\b/);
$good
[listen second]
address = 127.0.0.1:$port

[service new]
route = /new
command = \@bin\@/echo
INI
}
refused('a change beside an error', ($good =~ s/workers = 2/workers = 3/r) . <<'INI',
[service new]
route = /new
command = @bin@/notready
start_timeout = 300ms
INI
    qr/\bnew\b.*(?:ready|start_timeout)/);

# What the router knows of a service is not changed before it commits, either.
refused('smaller limits beside an error', ($good =~ s/workers = 2/workers = 2\nmax_body = 4/r) . <<'INI',
[service new]
route = /new
command = @bin@/notready
start_timeout = 300ms
INI
    qr/\bnew\b.*(?:ready|start_timeout)/);
is($poold->post('/a', 'x' x 100)->status, 200, '... and the old limits hold');

is($poold->router, $router, 'the router is the same');
is($idle->get('/a')->status, 200, 'a connection from before lives');

$poold->write_config("$good\n[service new]\nroute = /new\ncommand = \@bin\@/echo\n");
$poold->reload;
is($poold->get('/new')->status, 200, 'the next good configuration is taken');

finish();
