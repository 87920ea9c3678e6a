#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The circuit breaker of a service: when it opens, what it answers, how it
# closes, and what does not open it.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Control;
use Poold::Test;
use Poold::Proc qw(alive signal_to title);
use POSIX ();
use Time::HiRes qw(time);

my $poold = new_poold(<<'INI');
[poold]
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[service good]
route = /good
command = @bin@/echo

[service flaky]
route = /flaky
command = @bin@/flaky

[service without]
route = /without
command = @bin@/without
breaker = off

[service stranded]
route = /stranded
command = @bin@/stranded
workers = 1

[service errors]
route = /errors
command = @bin@/echo
breaker_status = 500
breaker_requests = 10
breaker_time = 2s
breaker_trials = 2

[service plain]
route = /plain
command = @bin@/echo
workers = 4

[service brief]
route = /brief
command = @bin@/echo
workers = 1
queue_timeout = 300ms

[service poison]
route = /poison
command = @bin@/echo
INI

# Replaces the program of a service.
sub install {
	my ($service, $from) = @_;
	unlink "$poold->{bin}/$service";
	Poold::Test::copy_program(program($from), "$poold->{bin}/$service");
}

# ... by one that dies at once, and kills the workers.
sub break_service {
	my ($service) = @_;
	install($service, 'crash');
	my @workers = $poold->workers($service);
	signal_to 'KILL', @workers;
	wait_until(sub { !grep { alive($_) } @workers }, 5);
}

sub breaker_lines {
	my ($service) = @_;
	my @lines = $poold->log_text($poold->{log_mark})
	    =~ /^.*\bservice \Q$service\E: the circuit breaker is (.*)$/mg;
	return @lines;
}

# A response and the time it took.
sub timed {
	my ($service, %o) = @_;
	my $began = time;
	my $r = $poold->get("/$service", %o);
	return ($r, time - $began);
}

install($_, 'echo') for qw(flaky without stranded);
$poold->start;
my @good = $poold->workers('good');

# --- a crash loop

$poold->mark;
break_service('flaky');
my $waiting = $poold->client(timeout => patience(10));
my $began = time;
$waiting->request('GET', '/flaky');
is($waiting->response->status, 503, 'what waits when the breaker opens gets 503');
cmp_ok(time - $began, '<', patience(5), '... long before queue_timeout');
ok($poold->wait_log(qr/\bflaky: the circuit breaker is open: no worker is ready/),
    'a crash loop opens the breaker, and the log says why');
{
	my ($r, $took) = timed('flaky');
	is($r->status, 503, 'an open breaker answers 503');
	cmp_ok($took, '<', patience(2), '... at once');
	like($r->header('retry-after'), qr/^[1-9]\d?$/, '... with Retry-After');
	like($r->json->{detail}, qr/circuit breaker/, '... and says what it is');
	($r) = timed('flaky', body => 'x' x 100_000, headers => ['Expect: 100-continue']);
	is($r->status, 503, '... a request with a body too');
	my $client = $poold->client;
	is($client->get('/flaky')->status, 503, '... on a connection');
	is($client->get('/good')->status, 200, '... that goes on');
}
eventually { title($poold->pid) =~ /, 1 breaker open\)/ } 5,
    'the title of the supervisor counts it';
is(join(' ', $poold->workers('good')), "@good",
    'another service of the listener keeps its workers');
is($poold->get('/good')->status, 200, '... and answers');
eventually {
	my $r = $poold->get('/flaky');
	$r->status == 503 && $r->header('retry-after') >= 2;
} 15, 'Retry-After grows with the pauses of the supervisor';
is(scalar(breaker_lines('flaky')), 1, 'further deaths are no news to the log');

my $router = $poold->router;
signal_to 'KILL', $router;
ok(wait_until(sub { my $new = $poold->router; $new && $new != $router }, 10),
    'another router starts');
{
	my ($r, $took) = timed('flaky');
	is($r->status, 503, '... and knows that the service is broken');
	cmp_ok($took, '<', patience(2), '... without finding out anew');
}
eventually { breaker_lines('flaky') == 2 } 10, '... which the log says once more';

# --- and its end

$poold->mark;
install('flaky', 'echo');
ok($poold->wait_log(qr/\bflaky: the circuit breaker is half-open: a worker is ready/, 40),
    'the supervisor starts workers as ever: the first that is ready half-opens it');
is($poold->get('/flaky')->status, 200, '... requests may try') for 1 .. 3;
ok($poold->wait_log(qr/\bflaky: the circuit breaker is closed: 3 trial requests/),
    '... and close it');
is(scalar(breaker_lines('flaky')), 2, '... with one line for each change');
eventually { title($poold->pid) !~ /breaker/ } 5, '... and the title is as before';

# --- breaker = off

break_service('without');
{
	my $client = $poold->client;
	$poold->mark;
	$client->request('GET', '/without');
	# as many deaths as open that of another service
	ok(wait_until(sub {
		my $deaths = () = $poold->log_text($poold->{log_mark})
		    =~ /\bwithout: worker .* exited with status 3/g;
		return $deaths >= 8;
	}, 10), 'workers of a service without breaker die');
	ok(!$client->readable(0), '... and its requests wait');
	install('without', 'echo');
	is($client->response(timeout => patience(30))->status, 200,
	    '... until they are answered');
}

# --- a lease that lies in the queue when the last worker dies

{
	my $control = Poold::Control->new("$poold->{run}/c.sock");
	my $client = $poold->client(timeout => patience(10));
	my ($worker) = $poold->workers('stranded');
	my $began;

	signal_to 'STOP', $worker;
	$client->request('GET', '/stranded');
	eventually { $control->service('stranded')->{in_flight} == 1 } 10,
	    'a request is leased to a worker that does not take it';
	install('stranded', 'crash');
	$began = time;
	signal_to 'KILL', $worker;
	is($client->response->status, 503, '... and gets 503 when all who could have died');
	cmp_ok(time - $began, '<', patience(5), '... long before queue_timeout');
	install('stranded', 'echo');
}

# --- the rate of failures

$poold->mark;
is($poold->get('/plain?status=500')->status, 500, 'a 500 of a worker') for 1 .. 30;
is(scalar(breaker_lines('plain')), 0, '... does not open a breaker by default');
is($poold->get('/errors?status=404')->status, 404, 'a 404') for 1 .. 15;
is(scalar(breaker_lines('errors')), 0, '... never does');
# 15 of 29 would be too many
is($poold->get('/errors?status=503')->status, 503, 'a 503') for 1 .. 14;
is(scalar(breaker_lines('errors')), 0, '... does not below the percentage');
is($poold->get('/errors?status=500')->status, 500, '... at it');
ok($poold->wait_log(qr/\berrors: the circuit breaker is open: 15 of 30 requests failed/),
    '... the breaker opens where breaker_status says so');
{
	my ($r, $took) = timed('errors');
	is($r->status, 503, '... and answers 503');
	is($r->header('retry-after'), 2, '... with the time that is left');
	cmp_ok($took, '<', patience(2), '... at once, though workers are idle');
}
ok($poold->wait_log(qr/\berrors: the circuit breaker is half-open: 2 requests at a time/, 5),
    'after its time it is half-open');
my @trials = map { $poold->client } 1 .. 2;
$_->request('GET', '/errors?sleep_ms=1500&status=500') for @trials;
{
	my ($r, $took);
	ok(wait_until(sub {
		($r, $took) = timed('errors', headers => ['X-Is: one too many']);
		return $r->status == 503;
	}, 1), '... and lets no more than breaker_trials through at a time');
	is($r->header('retry-after'), 1, '... the next one may come soon');
}
is($trials[0]->response->status, 500, 'a trial that fails');
ok($poold->wait_log(qr/\berrors: the circuit breaker is open: a trial request failed.*for 4\.0 s/),
    '... opens it for twice the time');
$trials[1]->response;
like($poold->get('/errors')->header('retry-after'), qr/^[34]$/, '... and clients are told');
$poold->mark;
ok($poold->wait_log(qr/\berrors: the circuit breaker is half-open/, 10), '... then it tries again');
is($poold->get('/errors')->status, 200, 'trials that end well') for 1 .. 2;
ok($poold->wait_log(qr/\berrors: the circuit breaker is closed/), '... close it');

# --- a service whose workers die of every request

$poold->mark;
ok(wait_until(sub {
	my $r = $poold->post('/poison?crash=before', 'x');
	$r->status == 503 && $r->json->{detail} =~ /breaker/;
}, 20), 'workers that die of every request open the breaker');
ok(scalar(breaker_lines('poison')), '... and it is logged');

# --- workers that answer, and die young nevertheless

$poold->mark;
for (1 .. 20) {
	wait_until(sub { $poold->get('/brief')->status == 200 }, 5);
	my ($pid) = $poold->workers('brief');
	signal_to 'KILL', $pid;
	wait_until(sub { !alive($pid) }, 5) if $pid;
	last if breaker_lines('brief');
}
ok($poold->wait_log(qr/\bbrief: the circuit breaker is open: no worker is ready/),
    'pauses between starts that are longer than queue_timeout open the breaker');

# --- a reload

$poold->mark;
break_service('flaky');
ok($poold->wait_log(qr/\bflaky: the circuit breaker is open/), 'it opens again');
install('flaky', 'echo');
like($poold->reload(30), qr/reload done/, 'a reload brings a program that works');
is($poold->get('/flaky')->status, 200, '... and the breaker does not wait');
ok($poold->wait_log(qr/\bflaky: the circuit breaker is closed: another generation/),
    '... since the new generation begins with it closed');

# --- kill -9 is no crash loop

$poold->mark;
{
	my $load = load($poold, target => '/plain', rate => 500);
	my $killed = 0;
	for (1 .. 20) {
		my @workers = $poold->workers('plain') or next;
		$killed += signal_to 'KILL', $workers[ rand @workers ];
		wait_until(sub { $poold->workers('plain') >= 3 }, 5);
	}
	$killed += signal_to 'KILL', $poold->workers('plain');
	ok(wait_until(sub { $poold->workers('plain') == 4 }, 30), "$killed workers are killed");
	my $report = $load->stop;
	cmp_ok($report->{answered}, '>', 20, '... under load');
	is((grep { /^503/ } @{ $report->{failures} }) + 0, 0, '... no request is refused');
	is(scalar(breaker_lines('plain')), 0, '... and the breaker stays closed');
}

# --- many at once

# Seconds of CPU time that a process has used.
sub cpu {
	my ($pid) = @_;
	my ($rest) = Poold::Proc::slurp("/proc/$pid/stat") =~ /^.*\) (.*)/s;
	my @f = split ' ', $rest;
	return ($f[11] + $f[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

my $sick = new_poold(join("\n", "[listen main]\naddress = 127.0.0.1:\@port\@\n",
    (map { "[service s$_]\nroute = /s$_\ncommand = \@bin\@/crash\n" } 1 .. 20),
    "[service mute]\nroute = /mute\ncommand = \@bin\@/notready\nstart_timeout = 500ms\n"));
$sick->start(nowait => 1);
ok($sick->wait_log(qr/\bmute: the circuit breaker is open/, 10),
    'a service that does not become ready in time opens its breaker');
eventually { title($sick->pid) =~ /, 21 breakers open\)/ } 20,
    '20 services in a crash loop do, too';
is($sick->get("/$_")->status, 503, "... and answer 503 ($_)") for qw(s7 mute);
{
	my ($cpu, $began) = (cpu($sick->pid), time);
	wait_until(sub { time - $began >= 4 }, 10);
	my $percent = 100 * (cpu($sick->pid) - $cpu) / (time - $began);
	note(sprintf 'the supervisor uses %.1f%% of a CPU', $percent);
	cmp_ok($percent, '<', 10, '... while the supervisor hardly works');
}
$sick->stop;

finish();
