#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# poolctl: each command, its exit status, and the keys that poolctl(1) lists.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Control;
use Poold::Proc qw(signal_to slurp);
use IO::Socket::UNIX;
use JSON::PP ();
use Socket qw(AF_UNIX SOCK_STREAM SOCK_NONBLOCK pack_sockaddr_un);
use Time::HiRes qw(time);

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
env.SECRET = of-echo

[service spare]
listen = main
route = /spare
command = @bin@/echo
scaling = dynamic
workers_max = 6
workers_spare = 0

[service left]
listen = main
route = /both weight=1
command = @bin@/echo
workers = 1

[service right]
listen = main
route = /both weight=1
command = @bin@/echo
workers = 1

[service late]
listen = main
route = /late
command = @bin@/echo
workers = 1
slow_threshold = 200ms

[service own]
listen = own
mode = inherit
command = @bin@/echo
workers = 1
INI
my $poold = poold($ini);
my $poolctl = Poold::Test::builddir() . '/poolctl';
our $socket = "$poold->{run}/c.sock";
my %seen; # keys in replies

sub ctl { return Poold::Control::poolctl($socket, @_) }

sub note_keys {
	my ($value) = @_;
	if (ref $value eq 'HASH') {
		for my $key (keys %$value) {
			$seen{$key} = 1;
			# labels of metrics are in docs/metrics.md
			note_keys($value->{$key}) if $key ne 'labels';
		}
	} elsif (ref $value eq 'ARRAY') {
		note_keys($_) for @$value;
	}
	return $value;
}

# One command with --json: the last object that it printed.
sub json {
	my (@args) = @_;
	my (undef, $text) = ctl('--json', @args);
	my @objects = map { note_keys(JSON::PP->new->utf8->decode($_)) } split /\n/, $text;
	return $objects[-1];
}

sub service {
	my ($name) = @_;
	my ($service) = grep { $_->{service} eq $name } @{ json('status')->{services} };
	return $service;
}

# --- status -------------------------------------------------------------------

my ($status, $text) = ctl('status');
is($status, 0, 'status ends well');
like($text, qr/^echo +running +0\/2\/0 /m, '... and shows a service in a line');
ok(!(grep { length > 80 } (split /\n/, $text)[ 1 .. 3 ]), '... of a terminal of 80 columns');
unlike($text, qr/\033/, '... without colours when it is no terminal');
$poold->get('/echo') for 1 .. 5;
is(service('echo')->{requests}, 5, 'status counts requests');
my $echo = json('status', 'echo');
is(scalar @{ $echo->{workers} }, 2, 'status of a service has each worker');
is_deeply([ sort map { $_->{pid} } @{ $echo->{workers} } ],
    [ sort $poold->workers('echo') ], '... with its pid');
is(service('own')->{requests}, undef, 'requests of mode = inherit are not known');
like((ctl('status', 'own'))[1], qr/running/, '... but its state is');
($status, $text) = ctl('status', 'none');
is($status, 1, 'a service that does not exist is refused');
like($text, qr/there is no such service/, '... with the reason');

my $slow = $poold->client;
$slow->send("GET /echo?sleep_ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n");
eventually { service('echo')->{workers_busy} == 1 } 5, 'a worker with a request is busy';
ok((grep { defined $_->{request_seconds} } @{ json('status', 'echo')->{workers} }) == 1,
    '... and the age of its request is shown');
like((ctl('status', 'echo'))[1], qr{ busy +\d+\.\ds +GET /echo }, '... and the request itself');

# --- a crash ------------------------------------------------------------------

signal_to('KILL', ($poold->workers('spare'))[0]);
eventually { service('spare')->{restarts} == 1 } 5, 'a worker that died is counted';
eventually {
	grep { ($_->{last_exit} // '') =~ /signal 9/ } @{ json('status', 'spare')->{workers} }
} 5, 'its slot remembers how';
eventually { (ctl('check'))[0] == 0 } 5, 'check ends with 0 when all is well';

# --- slow requests ------------------------------------------------------------

is((ctl('slowlog'))[1], "no request was slow since poold was started or upgraded\n",
    'slowlog says that nothing was slow');
$poold->get('/late?sleep_ms=1500');
my @slow = @{ json('slowlog')->{slow} };
is(scalar @slow, 1, 'a slow request is kept, though slow_log is off');
is($slow[0]{request}, 'GET /late?sleep_ms=1500', '... with what was asked');
is($slow[0]{service}, 'late', '... of whom');
is_deeply([ $slow[0]{pid} ], [ $poold->workers('late') ], '... and who was at it');
cmp_ok($slow[0]{request_seconds}, '>=', 0.2, '... for how long');
like((ctl('slowlog', 'late'))[1], qr/ late slow worker 0 .*GET \/late\?sleep_ms=1500 [0-9a-f]{32}\n    wchan /,
    '... and is shown to people');
is(scalar @{ json('slowlog', 'echo')->{slow} }, 0, 'slowlog can be about one service');
is((ctl('slowlog', 'none'))[0], 1, '... if there is such a one');

# --- drain --------------------------------------------------------------------

is((ctl('drain', 'echo'))[0], 0, 'drain ends well');
my $refused;
eventually { ($refused = $poold->get('/echo'))->status == 503 } 5,
    'a drained service refuses new requests';
like($refused->header('Retry-After') // '', qr/^\d+$/, '... with Retry-After');
is($poold->get('/spare')->status, 200, 'other services go on');
is(service('echo')->{state}, 'drained', 'status says that it is drained');
is((ctl('check'))[0], 1, 'check warns of it');
$poold->reload;
is($poold->get('/echo')->status, 503, 'a reload leaves it drained');
my $router = $poold->router;
signal_to('KILL', $router);
eventually { my $r = $poold->router; $r && $r != $router } 5, 'the router is replaced';
eventually { $poold->get('/spare')->status == 200 } 5, '... and serves';
is($poold->get('/echo')->status, 503, '... and knows what is drained');
is((ctl('resume', 'echo'))[0], 0, 'resume ends well');
eventually { $poold->get('/echo')->status == 200 } 5, '... and requests are served again';
ctl('drain', 'left');
eventually { $poold->get('/both')->json->{service} eq 'right' } 5,
    'of services that share a route one is drained';
is_deeply(tally(map { $poold->get('/both')->json->{service} } 1 .. 6), { right => 6 },
    '... and the other one serves what it would have');
ctl('resume', 'left');
like((ctl('drain', 'own'))[1], qr/accept for themselves/,
    'mode = inherit cannot be drained');

# --- scale --------------------------------------------------------------------

is((ctl('scale', 'echo', 4))[0], 0, 'scale ends well');
eventually { service('echo')->{workers_ready} == 4 } 5, 'a static service is scaled up';
is((ctl('scale', 'echo', 1))[0], 0, 'scale down ends well');
eventually { $poold->workers('echo') == 1 } 5, '... and stops workers';
($status, $text) = ctl('scale', 'echo', 500);
is($status, 1, 'more than there is room for is refused');
like($text, qr/from 1 to 8/, '... with how many it may be');
is((ctl('scale', 'echo', 0))[0], 1, 'none at all is refused');
is((ctl('scale', 'echo', 'many'))[0], 64, 'a number that is none is a usage error');
ctl('scale', 'spare', 3);
eventually { service('spare')->{workers_ready} == 3 } 5, 'a dynamic service has as many as told';
ok(service('spare')->{scaled_by_hand}, '... and says that it was by hand');
ctl('scale', 'spare', 'auto');
ok(!service('spare')->{scaled_by_hand}, 'auto undoes it');

# --- reload, restart ----------------------------------------------------------

is((ctl('reload'))[0], 0, 'reload ends well');
eventually { service('echo')->{workers_ready} == 2 } 5,
    'a reload brings the number of the configuration back';
my @before = $poold->workers('echo');
my @others = $poold->workers('spare');
is((ctl('restart', 'echo'))[0], 0, 'restart ends well');
ok(service('echo')->{generation} >= 2, '... with a new generation');
eventually {
	my %old = map { $_ => 1 } @before;
	my @now = $poold->workers('echo');
	@now == 2 && !grep { $old{$_} } @now;
} 5, '... of new workers';
is_deeply([ $poold->workers('spare') ], \@others, '... and other services keep theirs');
ok(json('status')->{services}[0]{requests} >= 5, 'counters go on with a new generation');

$poold->write_config($ini =~ s/workers = 1/wokers = 1\nworkers = x/r);
($status, $text) = ctl('reload');
is($status, 1, 'a reload with errors fails');
like($text, qr/poold\.ini:\d+: .*wokers/, '... and shows the first, with its line');
like($text, qr/poold\.ini:\d+: .*workers/, '... and the second');
is(scalar @{ json('reload')->{errors} }, 2, '... and all of them as JSON');
is((ctl('check'))[0], 1, 'check warns of a failed reload');
$poold->write_config($ini);
is((ctl('reload'))[0], 0, 'it can be mended');

$poold->write_config($ini =~ s{\@bin\@/echo\nworkers = 2}{\@bin\@/notready\nworkers = 2\nstart_timeout = 300ms}r);
($status, $text) = ctl('reload');
is($status, 1, 'a reload whose workers do not get ready fails');
like($text, qr/start_timeout|before it was ready/, '... and says why');
$poold->write_config($ini);
ctl('reload');

# --- events, config -----------------------------------------------------------

($status, $text) = ctl('events');
is($status, 0, 'events ends');
like($text, qr/ worker_died spare .*signal 9/, '... after what happened');
my $follower = open(my $events, '-|', $poolctl, '-s', $socket, '--json', 'events', '-f')
    or die "poolctl: $!";
my $followed;
while (my $line = <$events>) {
	my $event = note_keys(JSON::PP->new->utf8->decode($line));
	ctl('drain', 'spare') if ($event->{event} // '') eq 'reload_done' && !$seen{'-'}++;
	$followed = ($event->{event} // '') eq 'drained' && $event->{service} eq 'spare' and last;
}
delete $seen{'-'};
ok($followed, 'events -f goes on with what happens');
signal_to('TERM', $follower);
close $events;
ctl('resume', 'spare');

($status, $text) = ctl('config');
is($status, 0, 'config ends well');
like($text, qr/^workers = 2  ; .*poold\.ini:\d+$/m, '... with where a key stands');
like($text, qr/^concurrency = 1  ; default$/m, '... and what is a default');
ok(json('config')->{sections}[0]{keys}, '... also as JSON');

# --- the keys -----------------------------------------------------------------

json($_) for 'check', 'events', 'config', 'slowlog';
json('drain', 'spare');
json('check');
json('resume', 'spare');
json('status', 'none');
# poolctl itself never asks for it
note_keys(Poold::Control->new($socket)->ask('status', history => JSON::PP::true()));
json('metrics');
# of the breaker's event, which t/breaker.t has; and what poolctl keeps to itself
$seen{$_} = 1 for qw(reason end follow exit_status signal);
my ($keys) = slurp(Poold::Test::srcdir() . '/man/poolctl.1') =~ /^\.Ss Keys\n(.*?)^\.Ss /ms;
my @listed = $keys =~ /^\.It Li (\S+)$/mg;
is_deeply([ sort keys %seen ], [ sort @listed ], 'poolctl(1) lists the keys, all and no others');

# --- usage --------------------------------------------------------------------

is((ctl())[0], 64, 'no command is a usage error');
is((ctl('nonsense'))[0], 64, 'so is an unknown one');
is((ctl('status', '--nonsense'))[0], 64, '... and an unknown option');
is((ctl('scale', 'echo'))[0], 64, '... and a missing argument');
is((ctl('-V'))[0], 0, 'it has a version');
{
	local $socket = "$poold->{run}/none.sock";
	is((ctl('status'))[0], 69, 'without a poold it cannot work');
	is((ctl('check'))[0], 2, '... which check finds critical');
}
{
	# as of a poold that is stopped
	local $socket = "$poold->{run}/full.sock";
	my $full = IO::Socket::UNIX->new(Local => $socket, Listen => 1) or die "$socket: $!";
	my @waiting;
	for (1 .. 100) {
		socket(my $one, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0) or die "socket: $!";
		connect($one, pack_sockaddr_un($socket)) or last;
		push @waiting, $one;
	}
	local $SIG{ALRM} = sub { close $full }; # who hangs is refused
	alarm 60;
	my ($status, $text) = ctl('check');
	alarm 0;
	is($status, 2, 'so is a poold that lets nobody in');
	like($text, qr/does not answer/, '... which is said');
	unlink $socket;
}
{
	local $ENV{POOLD_CONTROL} = $socket;
	is(system("$poolctl status >/dev/null"), 0, 'POOLD_CONTROL names the socket');
}

# --- stop ---------------------------------------------------------------------

undef $slow;
is((ctl('stop'))[0], 0, 'stop ends well');
is($poold->wait_exit, 0, '... when poold has stopped');
no_leftovers($poold);

# --- many ---------------------------------------------------------------------

my $many = "[poold]\naccess_log = off\ncontrol = \@run\@/c.sock\n"
    . "[listen main]\naddress = 127.0.0.1:\@port\@\n";
$many .= "[service s$_]\nroute = /s$_\ncommand = \@bin\@/hello\nworkers = 20\nstart_timeout = 60s\n"
    for 1 .. 50;
SKIP: {
	skip('1000 processes, not with sanitizers', 2) if $ENV{POOLD_TEST_FACTOR};
	my $big = new_poold($many);
	$big->start(nowait => 1);
	$socket = "$big->{run}/c.sock";
	ok($big->wait_serving(60) && wait_until(sub { (ctl('check'))[0] == 0 }, 20),
	    '50 services of 20 workers are ready');
	my $best = 1e9;
	for (1 .. 5) {
		my $begin = time;
		ctl('status');
		my $took = time - $begin;
		$best = $took if $took < $best;
	}
	note(sprintf 'status of 50 x 20: %.1f ms', $best * 1e3);
	ok($best < patience(0.5), 'status of 50 services of 20 workers is quick');
}

finish();
