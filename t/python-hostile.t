#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Python applications that do what they should not: each costs its own request, or
# its worker, and nothing else.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Runner;
use Poold::Proc qw(alive signal_to fds status_of);

need_runner('poold-python', 'libpython3-dev');
my $sanitized = qx(nm -D '@{[ Poold::Test::find_poold() ]}' 2>/dev/null) =~ /__asan_init/;
my $ini = <<'INI';
[poold]
access_log = off
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@

[service app]
route = /app
language = python
app = @bin@/hostile.py
workers = 1
request_timeout = 30s
@limit@
env.NOTES = @dir@/notes

[service asgi]
route = /asgi
language = python
app = @bin@/hostile.py:asgi
workers = 1
concurrency = 4
request_timeout = 30s
stop_timeout = 2s
@limit@

[service quiet]
route = /quiet
language = python
app = @bin@/hostile.py
workers = 1
INI
my $limit = $sanitized ? q{} : "rlimit_as = 600M"; # its shadow is larger than that
my $poold = runner_poold('poold-python', $ini =~ s/\@limit\@/$limit/gr);
$poold->start;
my $quiet = $poold->get('/quiet/pid')->body;

# ---- WSGI

sub get { return $poold->get("/app/$_[0]") }
sub worker { return get('pid')->body }

my $worker = worker();
my %answers = ('strange?none' => 500, 'strange?text' => 500, 'strange?number' => 500, 'strange?bytes' => 500,
    'strange?broken' => 200, 'strange?lies' => 200, recursion => 500, in_del => 200, thread => 200);
$answers{memory} = 500 unless $sanitized;
is(get($_)->status, $answers{$_}, "$_: $answers{$_}") for sort keys %answers;
is(get('strange?lies')->body, 'a', 'a length that is a lie is kept to');
ok(get("generator?$_")->error, "an exception that ends Python cuts the response: $_") for qw(exit interrupt stop left);
ok(get('strange?endless')->error, '... and so does one of the iterator');
ok($poold->wait_log(qr/ValueError: the request is over/), 'a thread that is left behind gets no other request');
ok($poold->wait_log(qr/RuntimeError: in __del__/), 'what is raised where nobody can hear it is in the log');
unlike($poold->log_text, qr/template\[/, 'lines of a forked worker begin as those of others');
is(worker(), $worker, 'all that by one worker');

my $client = $poold->client;
is($client->get('/app/fork_and_keep')->body, 'ok', 'a child that keeps the sockets holds up nobody');
is($client->get('/app/pid')->body, $worker, '... nor the next request of the connection');
is($poold->client->exchange('GET', '/app/fork_and_keep', headers => ['Connection: close'])->body, 'ok',
    '... nor its end');
is($poold->get('/app/fork_and_answer')->body, 'ok', 'a child that answers too is not heard');
is(get('pid')->status, 200, '... and others are served');
ok(note_of($poold, 'children', '^\d+$'), '... while there are children');
open(my $children, '<', "$poold->{dir}/notes/children") or die;
signal_to('KILL', map { chomp; $_ } <$children>);

for my $what (qw(leave)) {
	$worker = worker();
	get($what);
	eventually { (eval { worker() } // $worker) ne $worker } 20, "$what: the worker is replaced";
}

# ---- nothing is left behind

$worker = worker();
my ($fds, $memory);
for my $round (1 .. 3) {
	for (1 .. 200) {
		$client = $poold->client;
		$client->exchange('GET', "/app/$_") for 'strange?none', 'in_del', 'thread', 'generator?exit';
		$client->close;
	}
	($fds, $memory) = (get('fds')->body, status_of($worker)->{VmRSS} =~ s/ .*//r) if $round == 1;
}
is(worker(), $worker, 'thousands of such requests are answered by one worker');
# those of the last clients may not be closed yet; a leak would be hundreds
eventually { get('fds')->body <= $fds + 2 } 10, '... with no more descriptors than before';
SKIP: {
	skip 'a sanitizer keeps what is freed', 1 if $sanitized;
	cmp_ok(status_of($worker)->{VmRSS} =~ s/ .*//r, '<', $memory + patience(2048), '... and no more memory');
}

# ---- ASGI

for my $what (qw(leave loop callback)) {
	$worker = $poold->get('/asgi/pid')->body;
	$poold->get("/asgi/$what");
	eventually { ($poold->get('/asgi/pid')->body =~ /^(\d+)$/ ? $1 : $worker) ne $worker } 20,
	    "ASGI, $what: the worker is replaced";
}
SKIP: {
	skip 'a sanitizer ends where there is no memory', 1 if $sanitized;
	is($poold->get('/asgi/memory')->status, 500, 'ASGI, memory: 500');
}
is($poold->get('/quiet/pid')->body, $quiet, 'another service has not heard of all that');

# ---- a life span without end

my ($stubborn) = $poold->workers('asgi');
$poold->write_config(($ini =~ s/\@limit\@/$limit/gr) =~ s/concurrency = 4/concurrency = 4\nenv.HANG = startup\nstart_timeout = 2s/r);
unlike($poold->reload, qr/reload done/, 'a start-up that does not end: a reload fails');
is(join(' ', $poold->workers('asgi')), $stubborn, '... and the old generation goes on');
$poold->write_config(($ini =~ s/\@limit\@/$limit/gr) =~ s/concurrency = 4/concurrency = 4\nenv.HANG = shutdown/r);
like($poold->reload, qr/reload done/, 'a shut-down that will not end');
($stubborn) = $poold->workers('asgi');
$poold->write_config($ini =~ s/\@limit\@/$limit/gr);
$poold->reload;
eventually { !alive($stubborn) } 30, '... ends all the same';

is($poold->stop('TERM'), 0, 'it stops with status 0');
finish();
