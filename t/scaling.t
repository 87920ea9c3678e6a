#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The number of workers follows the load.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);
use Time::HiRes qw(time);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[listen late]
address = 127.0.0.1:@port3@

[service steady]
listen = main
route = /steady
command = @bin@/echo
workers = 2

[service dynamic]
listen = main
route = /dynamic
command = @bin@/echo
scaling = dynamic
workers_min = 1
workers_max = 8
workers_spare = 0
idle_timeout = 1500ms

[service spare]
listen = main
route = /spare
command = @bin@/echo
scaling = dynamic
workers_max = 6
workers_spare = 2
idle_timeout = 1s

[service ondemand]
listen = main
route = /ondemand
command = @bin@/echo
scaling = ondemand
workers_max = 4
idle_timeout = 1s

[service own]
listen = own
mode = inherit
command = @bin@/echo
scaling = dynamic
workers_max = 4
workers_spare = 0
idle_timeout = 1s

[service late]
listen = late
mode = inherit
command = @bin@/echo
scaling = ondemand
workers_max = 3
idle_timeout = 1s
INI
my $poold = poold($ini);

sub count { return scalar $poold->workers($_[0]) }

# Clients that keep a service busy until they are stopped.
sub busy {
	my ($target, $clients, %o) = @_;
	return map { load($poold, target => $target, rate => 1000, %o) } 1 .. $clients;
}

sub stop_all {
	my @failures = map { @{ $_->stop->{failures} } } @_;
	is("@failures", '', '... and no request fails');
}

is(count('steady'), 2, 'a static pool has its workers');
eventually { count('dynamic') == 2 } 5, 'a dynamic one begins with as many as workers says';
eventually { count('dynamic') == 1 } 5, '... and sheds those that nobody needs';
eventually { count('spare') == 2 } 5, '... but for workers_spare idle ones';
is(count('ondemand'), 0, 'one on demand begins with none');

# --- dynamic ---
{
	my @load = busy('/dynamic?sleep_ms=20', 20);
	eventually { count('dynamic') == 8 } 5, 'a step of load is followed to workers_max';
	ok($poold->wait_log(qr/service dynamic: requests wait, and all 8 workers that workers_max/),
	    '... and the log says once that it is saturated');
	my $saturated = () = $poold->log_text =~ /service dynamic: requests wait, and all/g;
	is($saturated, 1, '... once');
	stop_all(@load);
	my $end = time;
	eventually { count('dynamic') == 1 } 10, 'without load it goes back to workers_min';
	cmp_ok(time - $end, '>', 1, '... not before idle_timeout');
}

{
	my $client = $poold->client;
	$client->request('GET', '/spare?sleep_ms=1500');
	eventually { count('spare') == 3 } 1.2, 'a busy worker is made up for by a spare one';
	is($client->response->status, 200, '... and answers');
	eventually { count('spare') == 2 } 5, '... which goes when it is idle again';
}

# A dip shorter than idle_timeout stops nobody.
{
	$poold->mark;
	my $log = $poold->log_size;
	my @first = busy('/dynamic?sleep_ms=20', 20);
	eventually { count('dynamic') == 8 } 10, 'after some time it grows again';
	my %before = map { $_ => 1 } $poold->workers('dynamic');
	stop_all(@first);
	my @second = busy('/dynamic?sleep_ms=20', 20);
	wait_until(sub { $poold->get('/steady')->status != 200 }, 1);
	my @now = grep { $before{$_} } $poold->workers('dynamic');
	is(scalar @now, 8, 'a short dip of the load stops no worker');
	stop_all(@second);
}

# --- on demand ---
{
	my $start = time;
	my $r = $poold->get('/ondemand');
	my $took = time - $start;
	is($r->status, 200, 'the first request of a pool on demand waits for a worker');
	cmp_ok($took, '<', patience(1), '... no longer than that takes to start');
	note(sprintf 'first answer after %.1f ms', $took * 1000);
	is(count('ondemand'), 1, '... and one is enough');
	my @clients = map { $poold->client } 1 .. 12;
	$_->request('GET', '/ondemand?sleep_ms=300') for @clients;
	my @bad = grep { $_->response->status != 200 } @clients;
	is(scalar @bad, 0, 'many at once are answered');
	cmp_ok(count('ondemand'), '>', 1, '... by more workers');
	cmp_ok(count('ondemand'), '<=', 4, '... not more than workers_max');
	eventually { count('ondemand') == 0 } 10, 'then it goes back to none';
	is($poold->get('/ondemand')->status, 200, '... and starts again');
	signal_to 'KILL', $poold->workers('ondemand');
	is($poold->get('/ondemand')->status, 200, '... even when its only worker was killed');
}

# --- behind their own sockets ---
{
	my $port = $poold->port(2);
	eventually { count('own') == 1 } 5, 'a pool with its own socket shrinks, too';
	my @load = busy('/?burn_ms=20', 6, port => $port);
	eventually { count('own') > 1 } 5, '... and grows with what its workers do';
	stop_all(@load);
	eventually { count('own') == 1 } 10, '... and shrinks without load';

	$port = $poold->port(3);
	is(count('late'), 0, 'on demand it begins with no worker');
	my $r = Poold::Client->new(port => $port)->get('/');
	is($r->status, 200, '... whose first client waits for one');
	eventually { count('late') == 0 } 10, '... which goes when it is idle';
	is(Poold::Client->new(port => $port)->get('/')->status, 200, '... and comes back');
}

# --- changes ---
{
	eventually { count('ondemand') == 0 } 10, 'nobody is there on demand';
	(my $broken = $ini) =~ s{(\[service ondemand\].*?command = )\S+}{$1/bin/false}s;
	$poold->write_config($broken);
	like($poold->reload, qr/reload failed: service ondemand:/,
	    'a reload tries one worker even of a pool on demand');
	is($poold->get('/ondemand')->status, 200, '... and the old generation goes on');
	(my $more = $ini) =~ s{workers_max = 8}{workers_max = 3};
	$poold->write_config($more);
	like($poold->reload, qr/reload done/, 'workers_max can be changed');
	my @load = busy('/dynamic?sleep_ms=20', 12);
	eventually { count('dynamic') == 3 } 5, '... and holds';
	stop_all(@load);
}

# --- mistakes ---
sub refused {
	my ($change, $error, $name) = @_;
	my $text = $ini;
	$change->() for $text;
	my $bad = new_poold($text);
	my ($status, $output) = $bad->run('-c', $bad->{ini}, '-t');
	is($status, 78, $name);
	like($output, $error, '... and the message says where and what');
}
refused(sub { s/workers_max = 8\n// }, qr/poold.ini:\d+: \[service dynamic\]: scaling needs workers_max/,
    'scaling without workers_max is refused');
refused(sub { s/workers_min = 1/workers_min = 9/ }, qr/poold.ini:\d+: .*workers_min 9 is more than workers_max 8/,
    'workers_min above workers_max is refused');
refused(sub { s/workers = 2/workers = 2\nworkers_max = 4/ },
    qr/poold.ini:\d+: \[service steady\]: workers_max has no meaning without scaling/,
    'workers_max without scaling is refused');

refused(sub { s/(\[service ondemand\]\n)/$1queue_limit = 0\n/ },
    qr/poold.ini:\d+: \[service ondemand\]: with queue_limit 0 no request could wait/,
    'a service on demand where nobody may wait is refused');

# --- the examples ---
for my $mode (qw(static dynamic ondemand)) {
	my $example = Poold::Proc::slurp(Poold::Test::srcdir() . "/conf/scaling/$mode.ini");
	$example =~ s{^command = (calc|search)\b}{command = @{[Poold::Test::builddir()]}/libexec/$1}mg;
	my $example_poold = new_poold($example);
	my ($status, $output) = $example_poold->run('-c', $example_poold->{ini}, '-t');
	is($status, 0, "conf/scaling/$mode.ini is valid") or diag $output;
}

finish;
