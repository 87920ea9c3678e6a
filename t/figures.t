#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The figures of requests in the status: what the router counts, and what becomes
# of it when the router, the workers, services and poold's program go.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Control;
use Poold::Test;
use Poold::Proc qw(signal_to);
use List::Util qw(sum0);

my $ini = <<'INI';
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[service echo]
listen = main
route = /echo
command = @bin@/echo
workers = 2
queue_limit = 1

[service other]
listen = main
route = /other
command = @bin@/echo
workers = 1
retries = 0
max_body = 100

[service own]
listen = own
mode = inherit
command = @bin@/echo
workers = 1
INI
my $poold = poold($ini);
my $control = Poold::Control->new("$poold->{run}/c.sock");

sub echo { return $control->service('echo', @_) }

# --- counted ------------------------------------------------------------------

$poold->get('/echo') for 1 .. 20;
$poold->get('/echo?status=404');
$poold->get('/echo?status=500') for 1 .. 3;
my $echo = echo();
is_deeply($echo->{status_classes},
    { none => 0, '1xx' => 0, '2xx' => 20, '3xx' => 0, '4xx' => 1, '5xx' => 3 },
    'answers are counted by the class of their status');
is($echo->{refusals}, 0, '... and nothing was refused');
is($echo->{queue_limit}, 1, 'the limit of the queue is shown');
$poold->post('/other', 'x' x 200);
is($control->service('other')->{refusals}, 1, 'what the router refuses for a service is counted');
is($control->service('own')->{status_classes}, undef,
    'of workers that accept for themselves nothing is known');
is($control->service('own')->{p50_seconds}, undef, '... no times either');
is($control->service('own', history => JSON::PP::true())->{history}, undef, '... and no history');

# --- the last minute ----------------------------------------------------------

eventually { defined echo()->{p50_seconds} } 10, 'the times of the last minute are known';
my @slow = map { $poold->client } 1 .. 2;
$_->send("GET /echo?sleep_ms=400 HTTP/1.1\r\nHost: a\r\n\r\n") for @slow;
$_->response for @slow;
$echo = echo();
cmp_ok($echo->{p50_seconds}, '<', patience(0.1), 'half of the requests were quick');
cmp_ok($echo->{p99_seconds}, '>', 0.37, '... and the slow ones show in p99');
cmp_ok($echo->{p99_seconds}, '<', patience(1), '... as long as they were');
eventually { echo()->{requests_per_second} > 0 } 10, 'there is a rate';

my $history = echo(history => JSON::PP::true())->{history};
is_deeply([ map { scalar @{ $history->{$_} } } qw(rate p50 p99 errors queue) ], [ (60) x 5 ],
    'the history has 60 seconds of each figure');
is(echo()->{history}, undef, '... for who asks for it');
is($history->{rate}[0], undef, '... null for those before poold');
$poold->get('/echo?status=503') for 1 .. 5;
eventually {
	my $now = echo(history => JSON::PP::true())->{history};
	sum0(grep { defined } @{ $now->{errors} }) >= 5
	    && grep { defined && $_ > 0 } @{ $now->{p99} };
} 10, 'what happens shows in it';

# --- one request --------------------------------------------------------------

my @busy = map { $poold->client } 1 .. 3;
$busy[0]->send("GET /echo/some/path?sleep_ms=2000&secret=1 HTTP/1.1\r\nHost: a\r\n\r\n");
my $worker;
eventually {
	($worker) = grep { defined $_->{request} }
	    @{ $control->ask('status', service => 'echo')->{workers} };
} 5, 'the request of a worker is shown';
is($worker->{request}, 'GET /echo/some/path', '... its method and path, and not its query');
like($worker->{request_id} // '', qr/^[0-9a-f]{32}$/, '... its id');
is(echo()->{in_flight}, 1, 'it is in flight');
ok(defined $worker->{cpu_seconds}, 'the CPU time of a worker is known');
$busy[$_]->send("GET /echo?sleep_ms=2000 HTTP/1.1\r\nHost: a\r\n\r\n") for 1 .. 2;
eventually { my $now = echo(); $now->{in_flight} == 2 && $now->{queued} == 1 } 5,
    'others wait behind it';
is($poold->get('/echo')->status, 503, 'more than queue_limit is refused');
is(echo()->{refusals}, 1, '... and counted');
is($_->response->status, 200, 'those that waited are answered') for @busy;
is(echo()->{in_flight}, 0, 'nothing is in flight any more');

# --- who dies -----------------------------------------------------------------

sub answered { return sum0(values %{ echo()->{status_classes} }) }
my $before = answered();
my $router = $poold->router;
signal_to('KILL', $router);
eventually { my $r = $poold->router; $r && $r != $router } 5, 'the router is replaced';
eventually { $poold->get('/echo')->status == 200 } 5, '... and serves';
my $after; # the answer may be there before it is counted
eventually { ($after = answered()) > $before } 5,
    'the next router counts on where the other one was';
cmp_ok($after, '<', $before + 50, '... and nothing twice');
is(echo()->{in_flight}, 0, '... with nothing in flight');

my $seen = $control->service('other');
my $died = $poold->client;
$died->send("GET /other?sleep_ms=5000 HTTP/1.1\r\nHost: a\r\n\r\n");
eventually { $control->service('other')->{in_flight} == 1 } 5, 'a request is in work';
signal_to('KILL', ($poold->workers('other'))[0]);
is($died->response->status, 502, '... when its worker dies');
is($control->service('other')->{refusals}, $seen->{refusals} + 1, '... which is counted');
cmp_ok($control->service('other')->{cpu_seconds}, '>=', $seen->{cpu_seconds},
    'the CPU time of a worker that is gone stays');

# --- another program ----------------------------------------------------------

sub upgrade {
	$poold->mark;
	$poold->signal('USR2');
	return $poold->wait_log(qr/took \d+ connections over/, 20);
}
Poold::Test::copy_program(Poold::Test::find_poold(), "$poold->{poold}.new");
rename "$poold->{poold}.new", $poold->{poold} or die "rename: $!";
my $other = $control->service('other');
$before = answered();
ok(upgrade(), 'poold is upgraded while it runs');
$control = Poold::Control->new("$poold->{run}/c.sock");
eventually { $poold->get('/echo')->status == 200 } 5, '... and serves';
is(answered(), $before + 1, '... and counts on where it was');
is($control->service('other')->{refusals}, $other->{refusals}, '... for all services');
cmp_ok($control->service('other')->{cpu_seconds}, '>=', $other->{cpu_seconds},
    '... and knows what CPU time was used');

# --- a program that counts in another way

Poold::Test::copy_program(Poold::Test::builddir() . '/t/next', "$poold->{poold}.new");
rename "$poold->{poold}.new", $poold->{poold} or die "rename: $!";
ok(upgrade(), 'a version with figures of another layout takes over');
$control = Poold::Control->new("$poold->{run}/c.sock");
eventually { $poold->get('/echo')->status == 200 } 5, '... and serves';
$before = 1;
eventually { answered() == $before } 5, '... and counts anew';
is($control->service('other')->{refusals}, 0, '... for all services');

# --- a place that is given again ----------------------------------------------

(my $without = $ini) =~ s/\[service other\].*?\n\n//s;
$poold->write_config($without);
ok($control->ask('reload')->{ok}, 'a service is removed');
eventually { !defined $control->service('other') } 10, '... and gone';
(my $renamed = $ini) =~ s{\[service other\]}{[service another]};
$renamed =~ s{/other}{/another};
$poold->write_config($renamed);
ok($control->ask('reload')->{ok}, 'another one comes');
is($control->service('another')->{refusals}, 0, '... and begins with nothing');
is($poold->get('/another')->status, 200, '... serves');
is($control->service('another')->{status_classes}{'2xx'}, 1, '... and is counted');
is(answered(), $before, '... while others go on');
is($poold->stop('TERM'), 0, 'poold stops');
no_leftovers($poold);

finish();
