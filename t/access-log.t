#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# One line for each request.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;

my $services = <<'INI';

[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 1
INI

my $poold = new_poold("[poold]\naccess_log = \@run\@/access.log\n"
    . "log = \@run\@/messages.log\n$services");
$poold->{log_file} = "$poold->{run}/messages.log";
$poold->{keep} = qr{^run/(?:access|messages)\.log};
$poold->start;
my $path = "$poold->{run}/access.log";

sub lines {
	my ($file) = @_;
	open(my $fh, '<', $file // $path) or return ();
	return map { chomp; $_ } <$fh>;
}

sub line_number {
	my ($n, $file) = @_;
	wait_until(sub { lines($file) >= $n }, 10);
	return (lines($file))[ $n - 1 ] // '';
}

my $client = $poold->client;
my $r = $client->get('/a/x?y=1&sleep_ms=50', headers => [
	'Referer: http://example.org/', 'User-Agent: "quoted\\' . "\xe9\"" ]);
my $line = line_number(1);
my $pid = $r->pid;
like($line, qr/^127\.0\.0\.1 - - /, 'a line begins with the client');
like($line, qr{ \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] },
    '... and the time');
like($line, qr{ "GET /a/x\?y=1&sleep_ms=50 HTTP/1\.1" 200 (\d+) },
    '... the request line, the status and the bytes');
like($line, qr{"http://example\.org/"}, '... the referrer');
like($line, qr{\Q"\x22quoted\x5c\xe9\x22"\E}, '... the user agent, made harmless');
like($line, qr/\ba $pid\b/, '... the service and the pid of the worker');
my ($queue) = $line =~ /\bqueue=([\d.]+)/;
my ($service) = $line =~ /\bservice=([\d.]+)/;
cmp_ok($queue // 9, '<', patience(0.04), '... the time in the queue');
cmp_ok($service // 0, '>=', 0.05, '... and with the worker');
cmp_ok($service // 9, '<', patience(0.5), '... in seconds');
my $id = $r->json->{request_id};
like($line, qr/\b$id\b/, '... and the request id that the worker was told');

$client->get('/none');
like(line_number(2), qr{"GET /none HTTP/1\.1" 404 }, 'a refusal has its line');
is($client->post('/a?status=201', 'hello')->status, 201, 'a POST is answered');
like(line_number(3), qr{"POST /a\?status=201 HTTP/1\.1" 201 },
    '... and has its line, with its status');
my $bad = $poold->client;
$bad->send("NONSENSE\r\n\r\n");
$bad->response;
like(line_number(4), qr{"NONSENSE" 400 }, 'what is no request has its line');

$client->get('/a') for 1 .. 96;
line_number(100);
is(scalar(lines()), 100, 'one hundred requests are one hundred lines');

# reopening
rename $path, "$path.1" or die $!;
$client->get('/a?first');
like(line_number(101, "$path.1"), qr/first/, 'a renamed log is written on');
$poold->signal('USR1');
eventually { -e $path } 10, 'USR1: a new file is opened';
wait_until(sub {
	$client->get('/a?probe');
	return scalar lines();
});
my $old = lines("$path.1");
$client->get('/a?second');
eventually { grep { /second/ } lines() } 3, '... and written';
is(scalar(lines("$path.1")), $old, '... and the old one is left alone');
ok(-e $poold->{log_file}, 'messages go to their own file');
is($client->get('/a')->status, 200, 'the connection goes on');

# off
$poold->write_config("[poold]\naccess_log = off\nlog = \@run\@/messages.log\n$services");
$poold->reload;
my $count = lines();
$client->get('/a?unseen');
$client->get('/a');
is(scalar(grep { /unseen/ } lines()), 0, 'access_log = off writes nothing');

# stderr
{
	my $p = poold("[poold]\naccess_log = stderr\n$services");
	$p->mark;
	$p->get('/a?seen');
	ok($p->wait_log(qr{"GET /a\?seen HTTP/1\.1" 200 }), 'access_log = stderr shows requests');
}

finish();
