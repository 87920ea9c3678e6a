#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Services that misbehave in every way at the same time: each is dealt with, the
# log says how, and a service beside them on the same listener never notices.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);

my $poold = new_poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[service good]
route = /good
command = @bin@/echo
workers = 2

[service killed]
route = /killed
command = @bin@/echo
workers = 2

[service hanging]
route = /hanging
command = @bin@/echo
workers = 2
request_timeout = 500ms

[service stopped]
route = /stopped
command = @bin@/echo
workers = 2
health_check = /stopped
health_interval = 200ms
health_timeout = 200ms
health_failures = 2
stop_timeout = 500ms

[service leaking]
route = /leaking
command = @bin@/echo
workers = 2
max_memory = 60M

[service greedy]
route = /greedy
command = @bin@/limits
workers = 2
rlimit_nofile = 64

[service failing]
route = /failing
command = @bin@/echo
workers = 2
outlier_failures = 5

[service unready]
route = /unready
command = @bin@/notready
start_timeout = 500ms

[service exiting]
route = /exiting
command = /bin/false
INI

$poold->start(nowait => 1);
ok(wait_until(sub {
	2 == grep { $_ == 2 } map { scalar(() = $poold->workers($_)) } qw(good killed);
}, 10), 'poold serves what can be served');
wait_until(sub { 2 == $poold->workers($_) }, 10)
    for qw(hanging stopped leaking greedy failing);

my @load = map { load($poold, target => '/good', rate => 200) } 1 .. 2;
my $good = join ' ', $poold->workers('good');

my ($killed) = $poold->workers('killed');
signal_to 'KILL', $killed;

my $hanging = $poold->client;
$hanging->request('GET', '/hanging?hang=1');

my ($stopped) = $poold->workers('stopped');
signal_to 'STOP', $stopped;

my $leaking = $poold->get('/leaking?leak=90000000')->pid;
$poold->get('/failing?status=500') for 1 .. 16;

sub logged { ok($poold->wait_log($_[0], 15), $_[1]) }
logged(qr/service killed: worker \d+ \(pid $killed\) was killed by signal 9/,
    'a worker that is killed is in the log');
is($hanging->response->status, 504, 'a request that hangs gets 504');
logged(qr/service hanging: worker \d+ \(pid \d+\) .*request_timeout/,
    '... and its worker is named');
logged(qr/service stopped: worker \d+ \(pid $stopped\) .*health/,
    'a worker that does not answer is found out by its health check');
eventually { !alive($stopped) } 15, '... and replaced';
logged(qr/service leaking: worker \d+ \(pid $leaking\) is replaced: it holds \d+ KiB/,
    'a worker that leaks memory is replaced');
like($poold->get('/greedy?open=1000')->body, qr/Too many open files/,
    'a worker that opens files without end comes to its limit');
is($poold->get('/greedy')->status, 200, '... and goes on');
logged(qr/service failing: worker \d+ \(pid \d+\) answered 5 requests in a row with 5xx/,
    'a worker that answers 500 is recycled');
logged(qr/service unready: worker \d+ \(pid \d+\) .*not ready within start_timeout/,
    'a worker that never gets ready is killed');
logged(qr/service exiting: worker \d+ is started again in [\d.]+ s/,
    'a program that exits at once is started again, but not at once');
logged(qr/service exiting: the circuit breaker is open/, '... and its breaker opens');
is($poold->get('/exiting')->status, 503, '... so that nobody waits for it');

eventually {
	2 == $poold->workers('killed') && 2 == $poold->workers('hanging')
	    && 2 == $poold->workers('stopped') && 2 == $poold->workers('leaking')
	    && 2 == $poold->workers('failing')
} 15, 'all pools that can be are whole again'
    or diag join ' ', map { "$_: " . scalar(() = $poold->workers($_)) } qw(killed hanging stopped leaking failing);
for my $service (qw(killed hanging stopped leaking failing)) {
	is($poold->get("/$service")->status, 200, "... $service serves");
}
my @results = map { $_->stop } @load;
is("@{ $_->{failures} }", '', 'the service beside them never failed') for @results;
is(join(' ', $poold->workers('good')), $good, '... and kept its workers');

finish;
