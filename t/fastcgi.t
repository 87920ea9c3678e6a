#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# FastCGI applications under poold-fastcgi, the language "fastcgi".  What the
# application does is in t/workers/fastcgi.c.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to stat_of);
use Time::HiRes qw(sleep time);

my $libexec = $ENV{POOLD_LIBEXEC} // Poold::Test::builddir() . '/libexec';
my $fastcgi = <<'INI';
[service one]
route = /one
language = fastcgi
app = @bin@/fastcgi
workers = 1
max_body = 200M
response_buffer = 0
env.SAID = by the configuration
env.HTTP_PROXY = http://bad.example/
env.TMPDIR = @dir@/notes
INI
my $head = "[poold]\naccess_log = off\nlibexec = \@bin\@\n"
    . (is_root() ? "user = nobody\n" : '')
    . "[listen main]\naddress = 127.0.0.1:\@port\@\n";
my $poold = new_poold($head . $fastcgi);
$poold->{env} = { LEAKED => 'from the shell' };
Poold::Test::copy_program(Poold::Test::real_program("$libexec/poold-fastcgi"),
    "$poold->{bin}/poold-fastcgi");
my $notes = "$poold->{dir}/notes";
mkdir $notes;
chmod 0777, $notes;
$poold->{keep} = qr{^notes/};
$poold->start;

sub note_of {
	my ($name) = @_;
	my $text;
	wait_until(sub { $text = Poold::Proc::slurp("$notes/$name") }, 10);
	return $text // '';
}
sub forget { unlink glob "$notes/*" }
sub application { return $poold->get('/one/pid')->body }

# ---- the request

my $r = $poold->get('/one/env?x=1&y', headers => [ 'X-Some-Thing: a', 'X-Some-Thing: b',
    'Cookie: c=1', 'Cookie: d=2', 'Proxy: http://bad.example/', 'Authorization: Basic x',
    'X-Empty:', 'X-Long: ' . 'l' x 300 ], host => 'Example.org:123');
is($r->status, 200, 'a FastCGI application answers');
my %env = map { split /=/, $_, 2 } split /\n/, $r->body;
my %expected = (
	GATEWAY_INTERFACE => 'CGI/1.1', SERVER_PROTOCOL => 'HTTP/1.1',
	REQUEST_METHOD => 'GET', QUERY_STRING => 'x=1&y', SCRIPT_NAME => '/one',
	PATH_INFO => '/env', PATH_TRANSLATED => "$poold->{bin}/env",
	SCRIPT_FILENAME => "$poold->{bin}/fastcgi", DOCUMENT_ROOT => $poold->{bin},
	REMOTE_ADDR => '127.0.0.1', SERVER_PORT => $poold->port,
	REQUEST_URI => '/one/env?x=1&y', HTTP_X_SOME_THING => 'a, b',
	HTTP_COOKIE => 'c=1; d=2', HTTP_AUTHORIZATION => 'Basic x', HTTP_X_EMPTY => '(empty)',
	HTTP_X_LONG => 'l' x 300, REQUEST_ID => $r->header('x-request-id'),
);
is($env{$_}, $expected{$_}, "... $_") for sort keys %expected;
ok(!exists $env{$_}, "... without $_") for qw(HTTP_PROXY CONTENT_LENGTH LEAKED);
my $environ = Poold::Proc::slurp('/proc/' . application() . '/environ') // '';
like($environ, qr/(?:^|\0)SAID=by the configuration\0/, 'its environment has the env keys');
like($environ, qr/(?:^|\0)PHP_FCGI_CHILDREN=0(?:\0|$)/, '... and no children');
unlike($environ, qr/(?:^|\0)(?:LEAKED|HTTP_PROXY|POOLD_|NOTIFY_SOCKET)/, '... and nothing else of ours');
my $fds = Poold::Proc::fds(application());
is(join(' ', grep { $_ > 2 && $fds->{$_} !~ /^socket/ } sort keys %$fds), '',
    'no descriptor of ours is open in it');
is(scalar(grep { $_ > 2 } keys %$fds), 1, '... but for the connection');
is(join(' ', glob "$notes/poold-fastcgi-*"), '', 'its socket has no name');

$r = $poold->post('/one/body', 'a' x 1000);
like($r->body, qr/^1000 97000 1000 /, 'a body gets to its STDIN');
$r = $poold->exchange('PUT', '/one/body', chunks => [ 'in ', 'chunks' ]);
like($r->body, qr/^9 \d+ 9 /, 'a chunked one too, and its length is known');
$r = $poold->post('/one/body', 'b' x 100, headers => ['Expect: 100-continue']);
like($r->body, qr/^100 9800 /, 'a client that waits is told to go on');
like($poold->post('/one/body', '')->body, qr/^0 0 0 /, 'an empty one is one of length 0');
my @wide = map { "X-W$_: " . 'w' x 7000 } 1 .. 4;
$r = $poold->get('/one/env', headers => [ @wide, 'Cookie: ' . 'c' x 2000 ]);
is(() = $r->body =~ /w{7000}/g, 4, 'a head of 30 KiB gets there');

# ---- the response

my $before = application();
$r = $poold->get('/one/short');
is($r->status . $r->header('x-odd') . $r->body, '203yesshort records',
    'records of one byte, padded, in many writes');
is($r->header('content-length'), 13, 'a short response has its length');
is(length $poold->get('/one/large')->body, 2 * 65535, 'records as long as can be');
is($poold->get('/one/split')->body, 'split', 'a head in several records');
is($poold->get('/one/strangers')->body, 'mine', 'records that are not of the request are skipped');
$r = $poold->get('/one/location');
is($r->status . $r->header('location'), '302/elsewhere', 'a Location sends the client there');
$r = $poold->get('/one/stderr');
is($r->body, 'said', 'what is on STDERR is no response');
my $id = $r->header('x-request-id');
ok($poold->wait_log("\\[$id\\] $_"), "... but logged with the request id: $_")
    for 'first line', 'second.x09line', 'no end', '/one: exit status 3';
is($poold->get('/one/late-padding')->body, 'padded', 'padding may come after the end') for 1 .. 2;
$r = $poold->client->exchange('HEAD', '/one/pid');
is($r->status, 200, 'HEAD');
is(application(), $before, 'all that by one process');

my $client = $poold->client;
$client->request('GET', "/one/slow?$notes");
wait_until(sub { $client->fill(time + 1) && $client->{in} =~ /first/ });
like($client->{in}, qr/first/, 'a response is sent as it is written');
open(my $go, '>', "$notes/go") or die;
close $go;
like($client->response->body, qr/first\nsecond/, '... to its end');
forget();

# ---- bad ones

$poold->mark;
for my $what ('nothing', 'garbage', 'bad-status', 'no-head-end', 'no-field', 'huge-head', 'role') {
	is($poold->get("/one/$what")->status, 502, "$what: 502");
}
ok($poold->wait_log('/one: bad output: no output'), '... and the log says what was wrong');
$r = $poold->get('/one/overloaded');
is($r->status . ' ' . $r->header('retry-after'), '503 1', 'an application that is overloaded: 503');
is(application(), $before, '... and still the same process');
is($poold->get('/one/not-fastcgi')->status, 502, 'another protocol: 502');
$r = $poold->get('/one/short-end');
isnt($r->status, 200, 'an end that is too short is none');
my $restarted = application();
isnt($restarted, $before, '... for which it is started anew');

# ---- an application that closes, ends or dies

is($poold->get('/one/close-after')->body, 'closed after', 'one that closes after each response') for 1 .. 3;
like($poold->post('/one/body', 'x')->body, qr/^1 /, '... and the next is a POST');
is($poold->get('/one/close-before')->status, 502, 'one that closes without an answer: 502');
is(application(), $restarted, 'all that by one process');
for my $round (1 .. 5) {
	my $pid = $poold->get('/one/exit-after')->body;
	like($poold->post('/one/body', 'x')->body, qr/^1 120 1 (?!$pid$)\d+$/,
	    "round $round: one that ends after its response is replaced, and a POST does not fail");
}
is($poold->get("/one/die-once?$notes")->body, 'alive', 'one that dies before its answer: a GET is made again');
forget();
is($poold->get("/one/die-head?$notes")->body, 'alive', '... also within the head');
forget();
is($poold->post("/one/die-once?$notes", 'x')->status, 502, '... a POST is not');
forget();
is($poold->get('/one/die-always')->status, 502, '... nor a GET more than once');
ok($poold->wait_log('/one: bad output: it was killed by signal 9'), '... and the log says how it died');
$r = $poold->get('/one/die-body');
like($r->error, qr/^(?:cut|reset)$/, 'one that dies within its response: it is cut');
is($r->{promised}, 200, '... after its head');
signal_to('KILL', $before = application());
eventually { !alive($before) } 5, 'one that is killed while it is idle';
like($poold->post('/one/body', 'x')->body, qr/^1 /, '... is replaced before a POST is lost');

# ---- clients that leave

for my $what ('heeds', 'ignores') {
	$client = $poold->client;
	$client->request('GET', "/one/$what?$notes");
	my $pid = note_of('waits');
	$client->reset;
	is(note_of('heard'), $what eq 'heeds' ? 'abort' : 'nobody there',
	    "a client that leaves is noticed by an application that $what ABORT_REQUEST");
	is(application(), $pid, '... which goes on with the next');
	forget();
}
$client = $poold->client;
$client->request('POST', '/one/body', headers => ['Content-Length: 1000000']);
$client->send('x' x 1000);
$client->reset;
is($poold->get('/one/pid')->status, 200, 'one that leaves in its body holds up nobody');
$r = $poold->post('/one/early', 'x' x 500_000);
is($r->status . $r->body, '200not wanted', 'a body that is not wanted');
is($poold->get('/one/pid')->status, 200, '... is not taken for the next request');

# ---- large bodies

# The most that the worker ever had in memory, in KiB.
sub peak {
	my ($pid) = $poold->workers('one');
	return Poold::Proc::slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m ? $1 : 0;
}

my $size = 100 << 20;
my $peak = peak();
for my $how ('sized', 'chunked') {
	my $part = 'abcdefgh' x 8192;
	my $sum = unpack('%64C*', $part) * ($size / length $part);
	$client = $poold->client(timeout => patience(60));
	$client->request('POST', '/one/body', headers =>
	    [ $how eq 'sized' ? "Content-Length: $size" : 'Transfer-Encoding: chunked' ]);
	for (1 .. $size / length $part) {
		$client->send($how eq 'sized' ? $part
		    : sprintf("%x\r\n", length $part) . "$part\r\n") or last;
	}
	$client->send("0\r\n\r\n") if $how eq 'chunked';
	like($client->response->body, qr/^$size $sum $size /, "100 MiB are taken, $how");
}
# what comes is not kept here either
$client = $poold->client(timeout => patience(60));
$client->request('GET', '/one/big?1024', headers => ['Connection: close']);
my $got = 0;
while ($client->fill(time + patience(60)) eq 'data') {
	$got += length $client->{in};
	$client->{in} = '';
}
cmp_ok($got, '>', 1024 << 20, '1 GiB is given');
cmp_ok(peak() - $peak, '<', patience(4096), '... in less than 4 MiB of memory') or diag(peak());

# ---- a worker that is killed

my ($worker) = $poold->workers('one');
my $pid = application();
is(stat_of($pid)->{ppid}, $worker, 'the application is a child of its worker');
signal_to('KILL', $worker);
eventually { !alive($pid) } 5, '... and dies with it';
eventually { $poold->workers('one') == 1 } 10, '... and both are replaced';
is($poold->get('/one/pid')->status, 200, '... and serve');

# ---- wrong ones

sub refuses {
	my ($config, $said, $name) = @_;
	$poold->mark;
	$poold->write_config($head . $fastcgi . $config);
	unlike($poold->reload, qr/reload done/, "$name: a reload fails");
	ok($poold->wait_log($said), '... and says why');
	is($poold->get('/one/pid')->status, 200, '... and the old generation goes on');
}
refuses("[service bad]\nroute = /bad\nlanguage = fastcgi\napp = \@dir\@/gone\n",
    'gone: No such file', 'an application that is not there');
refuses("[service bad]\nroute = /bad\nlanguage = fastcgi\napp = \@bin\@/poold.txt\n",
    'poold\.txt: No such file', 'another');
refuses("[service bad]\nroute = /bad\nlanguage = fastcgi\napp = \@bin\@/fastcgi\nargument = refuse\n",
    'these are my own words', 'an application that ends at once');
ok($poold->wait_log('took no FastCGI connection: it ended with exit status 3'), '... and how it ended');
open(my $text, '>', "$poold->{bin}/text") or die;
print $text "no program\n";
close $text;
refuses("[service bad]\nroute = /bad\nlanguage = fastcgi\napp = \@bin\@/text\n",
    'cannot start .*/text: Permission denied', 'a file that is no program');
refuses("[service bad]\nroute = /bad\nlanguage = cgi\napp = \@bin\@/fastcgi\nargument = x\n",
    "unknown key 'argument'.*language = fastcgi", 'a key of another language');

is($poold->stop, 0, 'it stops with status 0');
unlink "$poold->{bin}/text";
no_leftovers($poold, keep => $poold->{keep});

# ---- alone

my $port = free_port();
my $alone = fork // die;
if ($alone == 0) {
	open(STDERR, '>>', $poold->{log});
	exec "$poold->{bin}/poold-fastcgi", '--app', "$poold->{bin}/fastcgi", $port;
}
my $own = eventually_get($port);
like($own, qr/^\d+$/, 'it serves without poold');
signal_to('TERM', $alone);
waitpid $alone, 0;
is($?, 0, '... and ends');
eventually { !alive($own) } 5, '... with its application';

# ... and told to end at any moment of its start, it leaves no name of its socket
sub start_to_end {
	my ($after) = @_;
	my $pid = fork // die;
	if ($pid == 0) {
		open(STDERR, '>>', $poold->{log});
		$ENV{TMPDIR} = "$poold->{dir}/start";
		exec "$poold->{bin}/poold-fastcgi", '--app', '/bin/true', $port;
	}
	my $start = time;
	if (defined $after) {
		sleep $after;
		signal_to('TERM', $pid);
	}
	waitpid $pid, 0;
	return time - $start;
}
mkdir "$poold->{dir}/start";
my $took = start_to_end();
start_to_end(rand $took) for 1 .. 100;
is(join(' ', glob "$poold->{dir}/start/*"), '', 'told to end while it starts, it leaves no file');

sub eventually_get {
	my ($where) = @_;
	my $body;
	wait_until(sub {
		my $c = eval { Poold::Client->new(port => $where) } or return 0;
		return $body = $c->get('/pid')->body;
	}, 10);
	return $body // '';
}

finish();
