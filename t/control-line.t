#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The line that workers of a service with the key control have to the supervisor.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);
use JSON::PP ();

my $json = JSON::PP->new->utf8;
my $poold = poold(<<'INI');
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[listen wide]
address = :@port2@

[listen own]
address = 127.0.0.1:@port3@

[service read]
listen = main
route = /read
route = Example.org/also
command = @bin@/control
workers = 1
control = read
description = One that looks
example = /read/fd
tags = a, b
required = yes

[service change]
listen = main
route = /change
command = @bin@/control
workers = 1
control = change

[service far]
listen = wide
route = /
command = @bin@/control
workers = 1
control = change

[service off]
listen = main
route = /off
command = @bin@/control
workers = 1

[service own]
mode = inherit
listen = own
command = @bin@/control
workers = 1
control = read

[service echo]
listen = main
route = /echo
command = @bin@/echo
workers = 2
INI

# The reply of the supervisor to a request on the line of a service's worker.
sub ask {
	my ($service, %request) = @_;
	my $response = $poold->post("/$service/ask", $json->encode(\%request) . "\n");
	return $response->status == 200 ? $json->decode($response->body) : {};
}

sub next_line {
	my ($service) = @_;
	my $response = $poold->post("/$service/line", '');
	return $response->status == 200 ? $json->decode($response->body) : undef;
}

# All events after one; the last id.
sub events {
	my ($service, @since) = @_;
	ask($service, command => 'events', @since ? (since => $since[0]) : ());
	my @events;
	while (my $event = next_line($service)) {
		return @events if $event->{end};
		push @events, $event;
	}
	return;
}

# --- who has one --------------------------------------------------------------

is($poold->get('/off/fd')->body, '0', 'a worker has no line without the key');
cmp_ok($poold->get('/read/fd')->body, '>', 6, 'with it, it is told its descriptor');
cmp_ok($poold->exchange('GET', '/fd', client => { listener => 3 })->body, '>=', 4,
    '... also where it accepts for itself');
ok($poold->wait_log(qr/service far: its workers may change how poold runs .*\[listen wide\]/),
    'that other machines reach a worker that may change something is worth a warning');
unlike($poold->log_text, qr/service (read|change): its workers may change/,
    '... and only that');

# --- what it may --------------------------------------------------------------

my $status = ask('read', command => 'status', workers => JSON::PP::true());
my %service = map { $_->{service} => $_ } @{ $status->{services} };
is(scalar @{ $service{echo}{workers} }, 2, 'status has the workers of all services, if asked');
is($service{read}{description}, 'One that looks', '... descriptions');
is_deeply($service{read}{examples}, ['/read/fd'], '... examples');
is_deeply($service{read}{tags}, [ 'a', 'b' ], '... tags');
ok($service{read}{required} && !$service{echo}{required}, '... what is required');
is_deeply($service{read}{routes}, [
	{ listener => 'main', host => undef, prefix => '/read', weight => undef },
	{ listener => 'main', host => 'example.org', prefix => '/also', weight => undef } ],
    '... and routes');
is_deeply($service{own}{routes},
    [ { listener => 'own', host => undef, prefix => undef, weight => undef } ],
    '... which are a whole listener where workers accept for themselves');
is_deeply([ map { $_->{name} } @{ $status->{listeners} } ], [ 'main', 'wide', 'own' ],
    '... and the listeners');
is(ask('read', command => 'check')->{status}, 'ok', 'check is for it, too');

like(ask('read', command => $_, service => 'echo')->{error}, qr/may only look/,
    "with control = read, $_ is refused")
    for qw(reload restart scale drain resume stop config upgrade run);
ok(ask('change', command => 'drain', service => 'echo')->{ok}, 'with control = change, it can drain');
is($poold->get('/echo')->status, 503, '... which takes effect');
ok(ask('change', command => 'resume', service => 'echo')->{ok}, '... and resume');
ok(ask('change', command => 'scale', service => 'echo', workers => 3)->{ok}, '... and scale');
eventually { $poold->workers('echo') == 3 } 10, '... which takes effect';
ok(ask('change', command => 'restart', service => 'echo')->{ok}, '... and restart');
ok(ask('change', command => 'reload')->{ok}, '... and reload');
my $mark = $poold->mark;
ok(ask('change', command => 'reload', wait => JSON::PP::false())->{ok},
    '... without waiting for its end');
ok($poold->wait_log(qr/reload done/, 10), '... which comes');
like(ask('change', command => $_)->{error}, qr/not for workers/,
    "$_ is for the control socket alone")
    for qw(stop config upgrade run);

# --- events -------------------------------------------------------------------

my @all = events('read');
ok(@all > 3, 'it can ask for events');
is_deeply([ map { $_->{id} } @all ], [ 1 .. @all ], '... which are numbered');
my $last = $all[-1]{id};
is(scalar events('read', $last), 0, '... and for those after one');
ask('change', command => 'drain', service => 'echo');
ask('change', command => 'resume', service => 'echo');
is_deeply([ map { $_->{event} } events('read', $last) ], [ 'drained', 'resumed' ], '... in order');
is(scalar events('read', $last + 1000), $last + 2, 'an id that has not been gives all');

# --- its bounds ---------------------------------------------------------------

$poold->post('/read/send', "x" x 5000);
like(next_line('read')->{error}, qr/too long/, 'a request without an end is refused');
is(next_line('read'), undef, '... and its line cut');
is(ask('change', command => 'check')->{ok}, JSON::PP::true(), '... but no other');
my ($pid) = $poold->workers('read');
signal_to 'KILL', $pid;
eventually { my ($new) = $poold->workers('read'); $new && $new != $pid } 10, 'another worker';
eventually { ask('read', command => 'check')->{ok} } 10, '... has another line';

# more replies than it reads: no request is taken until they are
$poold->post('/read/send', qq({"command":"status","workers":true}\n) x 500);
ok(ask('change', command => 'check')->{ok}, 'a worker that does not read delays no other');
is($poold->get('/echo')->status, 200, '... and no request');
my $lines = grep { ($poold->post('/read/line', '')->body // '') =~ /"services"/ } 1 .. 500;
is($lines, 500, '... and gets every reply when it reads them');

# --- upgrade ------------------------------------------------------------------

$poold->post('/read/send', qq({"command":"events","follow":true}\n));
is(next_line('read')->{follow}, JSON::PP::true(), 'it can follow events');
my ($event, @ids);
while ($event = next_line('read')) {
	push @ids, $event->{id};
	last if $event->{event} eq 'worker_died';
}
is_deeply(\@ids, [ 1 .. $last + 3 ], '... those that were');
$poold->post('/change/send', '{"command":');
my ($reader) = $poold->workers('read');
$poold->mark;
$poold->signal('USR2');
ok($poold->wait_log(qr/goes on in the place of/, 20), 'an upgrade');
is(($poold->workers('read'))[0], $reader, '... leaves the worker');
push @ids, $event->{id}
    while ($event = next_line('read')) && $event->{event} ne 'upgraded';
is($event->{event}, 'upgraded', '... which goes on following');
push @ids, $event->{id};
is_deeply(\@ids, [ 1 .. @ids ], '... with numbers that go on');
my $rest = $poold->post('/change/ask', qq("check"}\n));
like($rest->body, qr/"problems"/, '... and a request that was half said can be ended');
is_deeply([ map { $_->{id} } events('change') ], \@ids, 'events are kept');
like(ask('change', command => 'config')->{error}, qr/not for workers/,
    'what a worker may do is as it was');
ok(ask('change', command => 'restart', service => 'read')->{ok}, 'a service is started again');
cmp_ok($poold->get('/read/fd')->body, '>', 6, '... and has its line');

# the listener's descriptors, and nothing else
sub fds { return scalar keys %{ Poold::Proc::fds($poold->pid) } }
my $fds = fds();
for my $round (1 .. 5) {
	my ($old) = $poold->workers('change');
	signal_to 'KILL', $old;
	wait_until(sub { my ($new) = $poold->workers('change'); $new && $new != $old }, 10);
}
eventually { ask('change', command => 'check')->{ok} } 10, 'after some deaths it has a line';
eventually { fds() <= $fds } 10,
    '... and the supervisor no more descriptors than before';

finish();
