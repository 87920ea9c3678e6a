#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Many requests at a time in one worker: poold_worker_next.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);
use POSIX qw(WNOHANG);
use Time::HiRes qw(time);

my $config = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service async]
route = /
command = @bin@/async
workers = 1
concurrency = 64
request_timeout = 10s
INI
my $poold = poold($config);

# A worker that serves for itself; returns pid and port.
my @children;
END { kill KILL => $_ for @children }
sub alone {
	my (%env) = @_;
	my $port = free_port();
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open(STDERR, '>>', temp_dir() . '/alone.log');
		delete @ENV{qw(LISTEN_FDS LISTEN_PID POOLD_PROTOCOL)};
		$ENV{$_} = $env{$_} for keys %env;
		exec program('async'), $port or POSIX::_exit(127);
	}
	push @children, $pid;
	return ($pid, $port);
}

sub ended {
	my ($pid) = @_;
	my $status;
	wait_until(sub { waitpid($pid, WNOHANG) == $pid and $status = $?, 1 }, 10)
	    or return 'running';
	@children = grep { $_ != $pid } @children;
	return $status;
}

# Reads from client until pattern is there.
sub sees {
	my ($client, $pattern) = @_;
	my $deadline = time + patience(10);
	while ($client->{in} !~ $pattern) {
		return 0 if $client->fill($deadline) ne 'data';
	}
	return 1;
}

sub tasks { return $_[0]->()->get('/pid')->json->{tasks} // -1 }

# What holds wherever requests come from: $connect makes a connection.
sub same_everywhere {
	my ($where, $connect) = @_;

	my @held = map { $connect->() } 1 .. 60;
	$_->request('GET', '/hold') for @held;
	eventually { tasks($connect) == 60 } 10, "$where: 60 requests are in hand at once";
	my $r = $connect->()->post('/upload', 'u' x 300_000);
	is($r->body, '300000 bytes', '... and a body is read meanwhile');
	$connect->()->get('/go');
	my %pids = map { ($_->response->json->{pid} // 0) => 1 } @held;
	is(scalar keys %pids, 1, '... and all are answered, by one process');
	ok(!$pids{0}, '... with a response');
	$_->request('GET', '/pid') for @held;
	is(scalar(grep { $_->response->status == 200 } @held), 60,
	    '... on connections that are kept');

	my $client = $connect->();
	$client->send("GET /pid HTTP/1.1\r\nHost: x\r\n\r\n" x 20);
	is(scalar(grep { $client->response->status == 200 } 1 .. 20), 20,
	    "$where: pipelined requests are answered in order");

	my $body = join '', map { chr(65 + $_ % 26) } 1 .. 500_000;
	is($connect->()->post('/echo', $body)->body, $body,
	    "$where: a body goes in and out again, piece by piece");
	my @chunks = map { substr $body, $_ * 5000, 5000 } 0 .. 99;
	is($connect->()->exchange('POST', '/echo', chunks => \@chunks)->body, $body,
	    '... a chunked one, too');
	$client = $connect->();
	$client->request('POST', '/upload', headers => [ 'Expect: 100-continue',
		'Content-Length: 10' ]);
	ok(sees($client, qr/100 Continue/), "$where: 100 Continue is sent");
	$client->{in} = '';
	$client->send('0123456789');
	is($client->response->body, '10 bytes', '... and the body comes');

	$client = $connect->();
	$client->request('GET', '/stream?size=20000000');
	my $file = $connect->();
	$file->request('GET', '/file?size=20000000');
	my $big = $connect->();
	$big->request('GET', '/big?size=20000000');
	is(tasks($connect) >= 0, 1, "$where: clients that do not read hold nobody up");
	is(length $big->response->body, 20_000_000, '... and get all in the end');
	is(length $file->response->body, 20_000_000, '... from a file');
	is(length $client->response->body, 20_000_000, '... and in pieces');
	is($big->get('/pid')->status, 200, '... and the connection lives on');

	$client = $connect->();
	$client->send("GET /switch HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
	    . "Upgrade: echo\r\n\r\n");
	is($client->response(interim => 1)->status, 101, "$where: a connection is upgraded");
	$client->send("ping\n");
	ok(sees($client, qr/ping/), '... and talks');
	$client->reset;

	my @streams = map { $connect->() } 1 .. 40;
	$_->request('GET', '/events') for @streams;
	eventually { tasks($connect) == 40 } 10, "$where: 40 streams are open";
	$connect->()->get('/tick');
	is(scalar(grep { sees($_, qr/data: tick/) } @streams), 40, '... and all get an event');
	$_->reset for @streams;
	eventually { tasks($connect) == 0 } 10, '... clients that leave are noticed';

	is($connect->()->get('/nothing')->status, 500, "$where: no answer is a 500");
	$client = $connect->();
	$client->send("GET /big?size=20000000 HTTP/1.1\r\nHost: x\r\n\r\n");
	sees($client, qr/bbbb/);
	$client->reset;
	eventually { tasks($connect) == 0 } 10, "$where: half an answer can be left";
}

same_everywhere('leased', sub { $poold->client });
{
	my ($pid, $port) = alone();
	wait_until(sub { eval { Poold::Client->new(port => $port) } }, 10);
	same_everywhere('alone', sub { Poold::Client->new(port => $port) });
	my @held = map { Poold::Client->new(port => $port) } 1 .. 3;
	$_->request('GET', '/hold') for @held;
	eventually { tasks(sub { Poold::Client->new(port => $port) }) == 3 } 5,
	    'alone: three are held';
	my $go = Poold::Client->new(port => $port);
	$go->send("GET /go HTTP/1.1\r\nHost: x\r\n");
	kill TERM => $pid;
	$go->send("\r\n");
	is($go->response->status, 200, '... a request that is half there is served at the end');
	is(scalar(grep { $_->response->status == 200 } @held), 3, '... and so are those in hand');
	is(ended($pid), 0, '... then it exits with 0');
}
{
	my ($pid, $port) = alone(POOLD_CONCURRENCY => 3);
	wait_until(sub { eval { Poold::Client->new(port => $port) } }, 10);
	my @held = map { Poold::Client->new(port => $port) } 1 .. 2;
	$_->request('GET', '/hold') for @held;
	eventually { tasks(sub { Poold::Client->new(port => $port) }) == 2 } 5,
	    'alone, with room for three: two are held';
	my $third = Poold::Client->new(port => $port);
	$third->request('GET', '/hold');
	my $fourth = Poold::Client->new(port => $port);
	$fourth->request('GET', '/pid');
	ok(!$fourth->readable(0.3), '... a fourth one waits');
	$held[0]->reset;
	is($fourth->response->status, 200, '... until there is room');
	kill TERM => $pid;
	$_->reset for $held[1], $third;
	is(ended($pid), 0, '... and it stops');
}

{
	my $before = ($poold->workers('async'))[0];
	my @held = map { $poold->client } 1 .. 20;
	$_->request('GET', '/hold') for @held;
	eventually { tasks(sub { $poold->client }) == 20 } 10, '20 requests are in flight';
	signal_to(KILL => $before);
	eventually { tasks(sub { $poold->client }) == 20 } 10,
	    'kill -9: another worker has all of them';
	$poold->get('/go');
	my @answers = map { $_->response } @held;
	is(scalar(grep { $_->status == 200 && $_->json->{pid} != $before } @answers), 20,
	    '... and answers them');
}

{
	my @streams = map { $poold->client } 1 .. 3;
	$_->request('GET', '/events') for @streams;
	eventually { tasks(sub { $poold->client }) == 3 } 10, 'streams are open';
	my $held = $poold->client;
	$held->request('GET', '/hold');
	eventually { tasks(sub { $poold->client }) == 4 } 10, '... and a request is held';
	my ($before) = $poold->workers('async');
	$poold->write_config($config =~ s/(\[service async\]\n)/$1env.NEW = 1\n/r);
	like($poold->reload, qr/done/, 'a reload does not wait for them');
	is(scalar(grep { sees($_, qr/\r\n0\r\n\r\n$/) } @streams), 3,
	    '... the worker is told, and ends its streams');
	ok(alive($before), '... but not before it has answered');
	isnt($poold->get('/pid')->json->{pid}, $before, '... while the new one serves');
	$held->reset;
	eventually { !alive($before) } 10, '... and leaves when nothing is left';
	$poold->write_config($config);
	$poold->reload;
}
$poold->destroy;

# Two workers with room for two: what is sent ahead is not one's alone.
$poold = poold($config =~ s/workers = 1\nconcurrency = 64/workers = 2\nconcurrency = 2/r);
{
	my @held = map { $poold->client } 1 .. 4;
	$_->request('GET', '/hold') for @held;
	my $fifth = $poold->client;
	$fifth->request('GET', '/hold');
	ok(!$fifth->readable(0.5), 'two workers have room for four requests');
	$held[0]->reset;
	$_->reset for @held[1 .. 3], $fifth;
	eventually { tasks(sub { $poold->client }) <= 0 } 10, '... and are free again';
}
$poold->destroy;

# request_timeout
$poold = poold($config =~ s/request_timeout = 10s/request_timeout = 500ms/r);
{
	my ($before) = $poold->workers('async');
	my $stream = $poold->client;
	$stream->request('GET', '/events');
	sees($stream, qr/200 OK/);
	my $long = $poold->client;
	$long->request('GET', '/hold');
	my $until = time + 5;
	my ($others, $good, $innocent) = (0, 0);
	# requests that come and go meanwhile, and one that is young when it ends
	while (!$long->readable(0) && time < $until) {
		$others++;
		$good++ if $poold->get('/pid')->status == 200;
	}
	is($long->response->status, 504, 'a request past its time is a 504');
	ok($others == $good && $good > 0, "... others ($good) are served before and after");
	eventually { !alive($before) } 5, '... since its worker was killed';
	is($stream->ending(5) =~ /eof|reset|data/ ? 1 : 0, 1, '... with its streams');
	my @both = map { $poold->client } 1 .. 2;
	$both[0]->request('GET', '/hold');
	select undef, undef, undef, 0.3;
	$both[1]->request('GET', '/hold');
	is($both[0]->response->status, 504, 'of two, the one past its time is ended');
	eventually { tasks(sub { $poold->client }) >= 1 } 5, '... the other is retried';
	$poold->get('/go');
	is($both[1]->response->status, 200, '... and answered');
}
$poold->destroy;

# The example of libpoold(3), as it stands on the page.
{
	my $build = Poold::Test::builddir();
	my ($lib) = grep { -e "$_/libpoold.so" } "$build/.libs";
	my $cc = $ENV{CC} // 'cc';
	my $path = Poold::Test::srcdir() . '/man/libpoold.3';
	open(my $fh, '<', $path) or die "$path: $!";
	my $page = do { local $/; <$fh> };
	my ($text) = $page =~ /^\.\\" example: begin.*?\n\.Bd.*?\n(.*?)^\.Ed/ms;
	$text =~ s/\\e/\\/g;
	my $source = temp_dir() . '/example.c';
	open(my $out, '>', $source) or die "$source: $!";
	print $out $text;
	close $out;
	my $program = temp_dir() . '/example';
	my @sanitize = `grep -c fsanitize=address $build/Makefile` > 0 ?
	    '-fsanitize=address,undefined' : ();
	SKIP: {
		skip 'no compiler or no shared library', 5
		    unless $lib && system("command -v $cc >/dev/null 2>&1") == 0;
		is(system($cc, @sanitize, '-Wall', '-Wextra', '-Werror',
		    '-I' . Poold::Test::srcdir() . '/src/libpoold', '-o', $program, $source,
		    "-L$lib", '-lpoold', "-Wl,-rpath,$lib"), 0,
		    'the example of libpoold(3) compiles');
		my $port = free_port();
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			open(STDERR, '>', temp_dir() . '/example.log');
			delete @ENV{qw(LISTEN_FDS LISTEN_PID POOLD_PROTOCOL)};
			exec $program, $port or POSIX::_exit(127);
		}
		push @children, $pid;
		my $client;
		wait_until(sub { $client = eval { Poold::Client->new(port => $port) } }, 10);
		$client->request('GET', '/wait');
		my $go = Poold::Client->new(port => $port);
		ok(!$client->readable(0.1), '... a request waits there');
		is($go->get('/go')->body, "gone\n", '... until another one comes');
		is($client->response->body, "go\n", '... that lets it go');
		kill TERM => $pid;
		is(ended($pid), 0, '... and it ends with 0');
	}
}

finish();
