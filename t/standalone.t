#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A libpoold worker run by hand, without poold.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);
use POSIX qw(WNOHANG);
use Time::HiRes qw(time);

my $echo = program('echo');
my @children;

sub run_worker {
	my (@args) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my $log = temp_dir() . '/worker.log';
		open(STDERR, '>>', $log);
		open(STDIN, '<', '/dev/null');
		delete @ENV{qw(LISTEN_FDS LISTEN_PID POOLD_PROTOCOL)};
		exec $echo, @args or POSIX::_exit(127);
	}
	push @children, $pid;
	return $pid;
}

sub exit_status {
	my ($pid) = @_;
	my $status;
	wait_until(sub { waitpid($pid, WNOHANG) == $pid and $status = $?, 1 }, 5)
	    or return 'running';
	@children = grep { $_ != $pid } @children;
	return $status & 127 ? 'signal ' . ($status & 127) : $status >> 8;
}

sub connected {
	my (%to) = @_;
	my $client;
	wait_until(sub { $client = eval { Poold::Client->new(%to) } }, 5);
	return $client;
}

my %forms = (
	'PORT' => sub { my $port = free_port(); ("$port", port => $port) },
	'ADDRESS:PORT' => sub {
		my $port = free_port();
		("127.0.0.1:$port", port => $port);
	},
	'[ADDRESS]:PORT' => sub {
		my $port = free_port();
		("[::1]:$port", host => '::1', port => $port);
	},
	'unix:PATH' => sub {
		my $path = temp_dir() . '/worker.sock';
		("unix:$path", path => $path);
	},
);
for my $form (sort keys %forms) {
	my ($arg, %to) = $forms{$form}->();
	my $pid = run_worker($arg);
	my $client = connected(%to);
	ok($client, "a worker listens on $form") or next;
	my $r = $client->get('/some/path?a=b');
	is($r->status, 200, '... and answers');
	is($r->pid, $pid, '... in one process');
	is($r->json->{path}, '/some/path', '... with the path');
	is($client->get('/again')->status, 200, '... on a kept connection');
	$client->send($client->format_request('GET', '/1')
	    . $client->format_request('POST', '/2', body => 'hello'));
	is($client->response->json->{path}, '/1', '... and pipelined');
	is($client->response->json->{body_hash}, fnv1a('hello'), '... with bodies');
	my $bad = connected(%to);
	$bad->send("GET / HTTP/1.1\r\n\r\n");
	is($bad->response->status, 400, '... and refuses a bad request');
	undef $bad; # a client that stays would be waited for
	my $start = time;
	signal_to 'TERM', $pid;
	is(exit_status($pid), 0, '... and TERM ends it with status 0');
	cmp_ok(time - $start, '<', patience(3), '... at once, since all are idle');
	ok(!-e $to{path}, '... without its socket file') if $to{path};
}

{
	my ($arg, %to) = $forms{PORT}->();
	my $pid = run_worker($arg);
	my $client = connected(%to);
	$client->request('GET', '/?sleep_ms=200&log=taken');
	my $log = temp_dir() . '/worker.log';
	wait_until(sub {
		open(my $fh, '<', $log) or return 0;
		return scalar grep { /taken/ } <$fh>;
	});
	signal_to 'TERM', $pid;
	is($client->response->status, 200, 'TERM lets the current request finish');
	is(exit_status($pid), 0, '... and then it ends');
}

is(exit_status(run_worker()), 64, 'without an address it says so: usage');
is(exit_status(run_worker('nonsense')), 64, 'a bad address is a usage error');
{
	my ($arg, %to) = $forms{PORT}->();
	my $first = run_worker($arg);
	connected(%to);
	is(exit_status(run_worker($arg)), 69, 'a taken port is 69');
	signal_to 'TERM', $first;
	is(exit_status($first), 0, '... and the first is not disturbed');
}

END { signal_to 'KILL', @children if @children }
done_testing();
