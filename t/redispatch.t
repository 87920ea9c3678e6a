#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A worker dies with a request, at every instant of it: the request goes to
# another worker where that is safe, is answered with 502 where it is not, and
# is cut where an answer has begun.  The router's counters tell which it was.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive state signal_to);
use Time::HiRes qw(time);

my $files = temp_dir() . '/raw';
mkdir $files or die "$files: $!";
chmod 0777, $files;

# A daemon of its own for each kind of end, so that its counters tell of that
# kind alone.
sub raw_poold {
	my ($workers, $more) = @_;
	return poold(<<"INI" . ($more // ''));
[listen main]
address = 127.0.0.1:\@port\@

[service raw]
route = /raw
command = \@bin\@/raw
env.RAW_DIR = $files
workers = $workers
INI
}

my $file_count = 0;

# Leave to die once, for the path of a request.
sub leave {
	my ($suffix) = @_;
	my $name = 'f' . ++$file_count . ($suffix // '');
	open(my $fh, '>', "$files/$name") or die "$files/$name: $!";
	return $name;
}

sub taken {
	my ($path) = @_;
	my $text = Poold::Proc::slurp("$files/taken") // '';
	my @pids = $text =~ /^(\d+) \Q$path\E$/mg;
	return @pids;
}

sub whole {
	my ($poold, $count) = @_;
	return wait_until(sub {
		$poold->children > $count && $poold->programs('raw') == $count
	}, 15);
}

# Stops the daemon and compares its counters with what was expected.
sub counted {
	my ($poold, $what, %expected) = @_;
	is($poold->stop('TERM'), 0, "$what: it stops");
	my ($line) = $poold->log_text =~ /^.*\bcounters:(.*)$/m;
	my %is = ($line // '') =~ /(\w+)=(\d+)/g;
	my @names = qw(retried replayed lost_502 lost_cut forged out_of_step);
	is(join(' ', map { "$_=" . ($is{$_} // '?') } @names),
	    join(' ', map { "$_=" . ($expected{$_} // 0) } @names),
	    '... and its counters say that these branches ran');
	return \%is;
}

sub stop_process {
	my ($pid) = @_;
	signal_to 'STOP', $pid;
	return wait_until(sub { state($pid) eq 'T' }, 10);
}

my @bodies = ([ GET => undef ], [ POST => 'x' x 1000 ]);

sub ask {
	my ($poold, $method, $path, $body) = @_;
	my $client = $poold->client;
	$client->request($method, "/raw$path", body => $body);
	return $client;
}

# Nothing read and nothing written: another worker gets it, whatever it is.
{
	my $poold = raw_poold(4);
	for (@bodies) {
		my ($method, $body) = @$_;
		for my $place ('take', 'own', 'read') {
			my $path = "/$place/0/" . leave();
			my $client = ask($poold, $method, $path, $body);
			my $r = $client->response;
			is($r->text, 200, "$method, killed at $place with nothing read: "
			    . 'another worker answers');
			my @pids = taken($path);
			is(@pids, 2, '... the second that had it');
			is($r->pid, $pids[1] // 0, '... which is the one it says');
			is($r->json->{replay}, 0, '... with the bytes in the socket');
			is($client->get('/raw')->status, 200,
			    '... and the connection goes on');
		}
	}
	counted($poold, 'nothing read', retried => 6);
}

# Something was read of a request that may be repeated.
{
	my $poold = raw_poold(4);
	for my $place ('read/1', 'read/20', 'read/-1', 'write/0') {
		my $path = "/$place/" . leave();
		my $client = ask($poold, 'GET', $path);
		my $r = $client->response;
		is($r->text, 200, "GET, killed at $place: another worker answers");
		is($r->json->{replay}, 1, '... with the head from the router');
		is(taken($path), 2, '... the second that had it');
		is($client->get('/raw')->status, 200,
		    '... and the connection goes on where it should');
	}
	my $path = '/read/-1/' . leave();
	my $r = ask($poold, 'HEAD', $path)->response(method => 'HEAD');
	is($r->text, 200, 'HEAD is repeated, too');

	# a pipelined request lies behind what is discarded of the first
	$path = '/read/10/' . leave();
	my $client = $poold->client;
	$client->send($client->format_request('GET', "/raw$path")
	    . $client->format_request('GET', '/raw/live/0/second'));
	is($client->response->json->{replay}, 1, 'so is one with another behind it');
	is($client->response->text, 200, '... which is answered next');
	counted($poold, 'read, and repeatable', replayed => 6);
}

# Something was read of a request that may not be repeated.
{
	my $poold = raw_poold(4);
	for my $place ('read/1', 'read/20', 'read/-1', 'write/0') {
		my $path = "/$place/" . leave();
		my $client = ask($poold, 'POST', $path, 'x' x 1000);
		my $r = $client->response;
		is($r->text, 502, "POST, killed at $place: 502");
		like($r->header('content-type'), qr{^application/problem\+json},
		    '... as a problem');
		is($client->ending, 'eof', '... and the connection ends');
		is(taken($path), 1, '... and nobody else executes it');
	}
	my $path = '/read/1/' . leave();
	is(ask($poold, 'DELETE', $path)->response->text, 502,
	    'DELETE without a body is not repeated, either');
	counted($poold, 'read, and not repeatable', lost_502 => 5);
}

# A response has begun.
{
	my $poold = raw_poold(4);
	for (@bodies) {
		my ($method, $body) = @$_;
		for my $count (1, -2, -1) {
			my $path = "/write/$count/" . leave();
			my $client = ask($poold, $method, $path, $body);
			my $r = $client->response;
			my $name = "$method, killed after "
			    . { 1 => 'a byte', -2 => 'half', -1 => 'all' }->{$count}
			    . ' of the response';
			if ($count == -1) {
				is($r->text, 200, "$name: it is whole");
				like($client->ending, qr/^(?:reset|eof)$/,
				    '... and the connection ends');
			} else {
				like($r->error, qr/^(?:cut|reset)$/, "$name: cut");
				unlike($r->{partial} // '', qr/50[24]|problem/,
				    '... and no error is spliced in');
			}
			is(taken($path), 1, '... and nobody else executes it');
		}
	}
	counted($poold, 'response begun', lost_cut => 6);
}

# DONE is in its socket, unread, when the worker dies.
{
	my $poold = raw_poold(2);
	my $router = $poold->router;
	for (@bodies) {
		my ($method, $body) = @$_;
		my $path = '/done/0/' . leave('-hold');
		my $client = ask($poold, $method, $path, $body);
		wait_until(sub { taken($path) });
		my ($pid) = taken($path);
		wait_until(sub { state($pid) eq 'T' });
		# answered, and DONE was sent: now one that the router cannot read
		is($client->response->text, 200, "$method is answered");
		signal_to 'CONT', $pid;
		ok(wait_until(sub { !alive($pid) }), '... and its worker dies');
		is($client->get('/raw')->status, 200, '... and the connection goes on');

		$path = '/live/0/' . leave('-hold');
		$client = ask($poold, $method, $path, $body);
		wait_until(sub { taken($path) });
		($pid) = taken($path);
		ok(wait_until(sub { state($pid) eq 'T' }), 'a worker has the request');
		ok(stop_process($router), '... and the router is stopped');
		signal_to 'CONT', $pid;
		is($client->response->text, 200, '... the worker answers');
		ok(wait_until(sub { state($pid) eq 'S' }), '... says DONE and rests');
		signal_to 'KILL', $pid;
		ok(wait_until(sub { !alive($pid) }), '... and is killed');
		signal_to 'CONT', $router;
		is($client->get('/raw')->status, 200,
		    '... and DONE counts: the connection goes on');
	}
	counted($poold, 'DONE unread');
}

# The worker that the kernel would wake is stopped, and killed before it
# receives.
{
	my $poold = raw_poold(2);
	for (@bodies) {
		my ($method, $body) = @$_;
		whole($poold, 2);
		my @workers = $poold->programs('raw');
		stop_process($_) for @workers;
		my $path = '/live/0/' . leave();
		my $client = ask($poold, $method, $path, $body);
		signal_to 'KILL', $workers[0];
		ok(wait_until(sub { !alive($workers[0]) }),
		    "$method: a worker is killed before it receives");
		signal_to 'CONT', $workers[1];
		is($client->response->text, 200, '... another answers');
		is(taken($path), 1, '... and it alone had it');
	}
	counted($poold, 'not received');
}

# Another lease lies in the queue meanwhile.
for my $case ([ 'take/0', 'retried' ], [ 'own/0', 'retried' ],
	[ 'read/-1', 'replayed' ], [ 'write/-2', 'lost_cut' ]) {
	my ($place, $counter) = @$case;
	my $poold = raw_poold(1);
	my $warm = $poold->client;
	$warm->get('/raw') for 1 .. 40; # requests are short: leases are sent ahead
	my $path = "/$place/" . leave('-hold');
	my $first = ask($poold, 'GET', $path);
	ok(wait_until(sub { taken($path) }), "the only worker has a request ($place)");
	my ($pid) = taken($path);
	wait_until(sub { state($pid) eq 'T' });
	my @others = map { ask($poold, 'POST', '/live/0/other', 'x') } 1 .. 3;
	$poold->get('/nowhere'); # by now the router has sent them ahead
	signal_to 'KILL', $pid;
	is(join(' ', map { $_->response->text } @others), '200 200 200',
	    '... it is killed, and those behind it are answered');
	my $r = $first->response;
	if ($counter eq 'lost_cut') {
		like($r->error, qr/^(?:cut|reset)$/, '... and its own is cut');
	} else {
		is($r->text, 200, '... and so is its own');
	}
	counted($poold, 'another lease in the queue', $counter => 1);
}

# A request that kills whoever takes it.
{
	my $poold = raw_poold(4, "retries = 2\n\n"
	    . "[service never]\nroute = /never\ncommand = \@bin\@/raw\n"
	    . "env.RAW_DIR = $files\nworkers = 1\nretries = 0\n");
	my $path = '/read/-1/always';
	my $start = time;
	is(ask($poold, 'GET', $path)->response->text, 502,
	    'a request that kills each worker ends with 502');
	is(taken($path), 3, '... after as many retries as are allowed');
	is($poold->get('/raw')->text, 200, '... and the pool goes on');
	cmp_ok(time - $start, '<', patience(2), '... without a pause');
	$path = '/own/0/always';
	is(ask($poold, 'POST', $path, 'x')->response->text, 502,
	    'the same where nothing was read');
	is(taken($path), 3, '... after as many retries');
	ok(whole($poold, 5), '... and the pool is whole again');
	my $r = $poold->get('/never/own/0/always');
	is($r->text, 502, 'retries = 0: no second try');
	# nothing of a head that came in the message is read from the socket
	counted($poold, 'poison', replayed => 1, retried => 1 + 2, lost_502 => 3);
}

# On a unix listener the kernel counts nothing: nobody knows what is safe.
{
	my $poold = poold(<<"INI");
[listen main]
address = unix:\@run\@/socket

[service raw]
route = /raw
command = \@bin\@/raw
env.RAW_DIR = $files
workers = 2
INI
	my $client = Poold::Client->new(path => "$poold->{run}/socket");
	$client->request('GET', '/raw/read/-1/' . leave());
	like($client->response->error, qr/^(?:eof|reset|cut)$/,
	    'a unix client whose worker dies is cut');
	counted($poold, 'unix', lost_cut => 1);
}

finish();
