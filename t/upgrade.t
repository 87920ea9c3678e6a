#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# SIGUSR2: another version of poold goes on in the place of the running one.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive fds signal_to title);
use JSON::PP ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(time sleep);

my $config = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen local]
address = unix:@conf@/socket

[listen own]
address = 127.0.0.1:@port2@

[service two]
route = /two
command = @bin@/echo
workers = 2
listen = main, local

[service one]
route = /one
command = @bin@/echo
workers = 1
prefetch = off

[service timed]
route = /timed
command = @bin@/echo
workers = 1
request_timeout = 1500ms

[service big]
route = /big
command = @bin@/big
workers = 1

[service events]
route = /events
command = @bin@/events
workers = 1

[service ws]
route = /ws
command = @bin@/websocket
workers = 1

[service own]
mode = inherit
listen = own
command = @bin@/echo
workers = 2
INI
$config =~ s/^prefetch = off\n//m;
$config =~ s/(\[service (?:one|timed|big|events|ws)\]\n)/$1listen = main\n/g;

my $poold = poold($config, args => ['-p', 'poold.pid']);
my $size = 6_000_000;

# Puts another program where poold was started from, as a package would.
sub install {
	my ($from) = @_;
	Poold::Test::copy_program($from, "$poold->{poold}.new");
	rename "$poold->{poold}.new", $poold->{poold} or die "rename: $!";
}

sub install_script {
	my ($text, $mode) = @_;
	open(my $fh, '>', "$poold->{poold}.new") or die "script: $!";
	print $fh $text;
	close $fh or die "script: $!";
	chmod $mode // 0755, "$poold->{poold}.new";
	rename "$poold->{poold}.new", $poold->{poold} or die "rename: $!";
}

sub built { return Poold::Test::builddir() . "/$_[0]" }
my $this = Poold::Test::find_poold();

# Sends USR2 and waits for its end, good or bad.  Returns the last line of it.
sub upgrade {
	my ($pattern) = @_;
	$poold->mark;
	$poold->signal('USR2');
	my $line = $poold->wait_log($pattern // qr/took \d+ connections|upgrade failed/, 20);
	$poold->remember;
	return $line // '';
}

# Supervisor and router without clients.
sub fd_counts {
	return map { scalar keys %{ fds($_) // {} } } $poold->pid, $poold->router;
}

sub slow_client {
	my $client = $poold->client;
	setsockopt($client->sock, SOL_SOCKET, SO_RCVBUF, 65536);
	$client->request('GET', "/big?bytes=$size");
	return $client;
}

sub frame {
	my ($text) = @_;
	return pack('CC', 0x81, 0x80 | length $text) . pack('C4', 0, 0, 0, 0) . $text;
}

sub echoes {
	my ($client, $text) = @_;
	$client->send(frame($text));
	my $deadline = time + patience(10);
	while (length $client->{in} < 2 + length $text) {
		return 0 if $client->fill($deadline) ne 'data';
	}
	return substr($client->{in}, 0, 2 + length $text, '') eq
	    pack('CC', 0x81, length $text) . $text;
}

$poold->get($_) for qw(/two /one /timed /big);
# those that were closed linger
wait_until(sub { title($poold->router) =~ /\(0 connections/ }, 10);
my @before = fd_counts();
my @workers = $poold->workers;
my ($pid, $router) = ($poold->pid, $poold->router);

# One round with connections in every state, to another version.
sub round {
	my ($name, $program, $version) = @_;
	note $name;
	my $old = $poold->router;
	my @idle = map { $poold->client } 1 .. 20;
	$_->get('/two') for @idle;
	my $fresh = $poold->client; # no byte yet
	my $local = $poold->client(path => "$poold->{conf}/socket");
	is($local->get('/two')->status, 200, "$name: a connection by a unix socket idles");
	my $local_part = $poold->client(path => "$poold->{conf}/socket");
	$local_part->send("GET /two HTTP/1.1\r\nHo");
	my $part = $poold->client;
	$part->send("GET /two HTTP/1.1\r\nHost: x\r\nX-Half");
	my $gated = $poold->client;
	$gated->send("POST /two HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
	my $upload = $poold->client;
	$upload->send("POST /two?log=uploading HTTP/1.1\r\nHost: x\r\n"
	    . "Content-Length: 300000\r\n\r\n" . 'u' x 150_000);
	my $at_work = $poold->client;
	$at_work->request('GET', '/one?sleep_ms=1000&log=at-work');
	ok($poold->wait_log(qr/at-work/), '... a worker is at work');
	my @queue = map { $poold->client } 1 .. 4;
	$_->request('GET', '/one') for @queue;
	my $late = $poold->client;
	$late->request('GET', '/timed?sleep_ms=60000&log=late');
	my $pipelined = $poold->client;
	$pipelined->send($pipelined->format_request('GET', '/two?sleep_ms=300')
	    . $pipelined->format_request('GET', '/two'));
	my $slow = slow_client();
	eventually { $poold->get('/big', client => { timeout => 1 })->status == 200 } 5,
	    '... the router sends the rest of a response';
	my $lingers = $poold->client;
	$lingers->send("GET /two HTTP/9.9\r\nHost: x\r\n\r\n");
	is($lingers->response->status, 505, '... a connection lingers');
	my $events = $poold->client;
	$events->request('GET', '/events?interval_ms=50');
	ok($events->readable(5), '... a stream of events is open');
	my $ws = $poold->client;
	$ws->send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	    . "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
	is($ws->response(interim => 1)->status, 101, '... and a WebSocket');
	my $inherited = $poold->client(listener => 2);
	is($inherited->get('/x')->status, 200, '... and a service accepts for itself');

	install($program);
	like(upgrade(), qr/took \d+ connections/, "$name: the upgrade is done");
	like($poold->log_text, qr/poold \Q$version\E goes on/, '... to the other version');
	ok(!defined $poold->exited, '... in the same process');
	eventually { !alive($old) } 5, '... with another router';
	isnt($poold->router, $old, '... which shows itself');
	like(title($poold->pid), qr/^poold: supervisor \(poold\.ini, 7 services, 9 workers\)/,
	    '... under a title that is right');

	is(join(' ', map { $_->get('/two')->status } @idle), join(' ', (200) x 20),
	    'idle connections go on');
	is($fresh->get('/two')->status, 200, '... and one that had not said anything');
	is($local->get('/two')->status, 200, '... and one by a unix socket');
	$local_part->send("st: x\r\n\r\n");
	is($local_part->response->status, 200, '... where half a head becomes a whole one');
	$part->send(": 1\r\n\r\n");
	is($part->response->status, 200, 'half a head becomes a whole one');
	is($part->get('/two')->status, 200, '... and its connection goes on');
	$gated->send('56789');
	my $r = $gated->response;
	is($r->status == 200 && $r->json->{body_length}, 10, 'so does half a small body');
	$upload->send('u' x 150_000);
	$r = $upload->response;
	is($r->status == 200 && $r->json->{body_length}, 300_000, 'and half an upload');
	is($upload->get('/two')->status, 200, '... whose connection goes on');
	is($at_work->response->status, 200, 'a request at work is answered');
	is($at_work->get('/two')->status, 200, '... and its connection goes on');
	is(join(' ', map { $_->response->status } @queue), '200 200 200 200',
	    'so are those that waited');
	is(join(' ', map { $pipelined->response->status } 1, 2), '200 200',
	    'and pipelined ones');
	$r = $slow->response(timeout => 30);
	is(length $r->body, $size, 'a slow client gets all of its response');
	is($slow->get('/two')->status, 200, '... and goes on');
	is($lingers->ending, 'eof', 'the connection that lingered ends');
	my $seen = length $events->{in};
	$events->fill(time + patience(5)) for 1 .. 3;
	cmp_ok(length $events->{in}, '>', $seen, 'events still come');
	ok(echoes($ws, 'still here'), 'the WebSocket still echoes');
	is($inherited->get('/x')->status, 200, 'the inherited connection goes on');
	is($late->response->status, 504, 'a request past its time is found out');
	is($poold->get('/events', client => { timeout => 0.3 })->status, 0,
	    'workers with connections of their own still count as busy');
	$ws->close;
	$events->reset;
	eventually { $poold->workers('timed') == 1 } 5, 'the worker that hung is replaced';
}

round('another version', built('t/next'), '999-next');
is(join(' ', grep { !alive($_) } grep { $_ != ($poold->workers('timed'))[0] } @workers) =~
    tr/ //, 0, 'all workers but the one that hung are the same');
round('back', $this, '0.1.0');

# nothing is left open
sub at_rest {
	my @now;
	wait_until(sub {
		@now = fd_counts();
		return "@now" eq "@before";
	}, 10);
	return "@now";
}
is(at_rest(), "@before", 'supervisor and router have as many descriptors as before');

# what was known is still known
{
	my @same = $poold->workers;
	like($poold->reload, qr/done/, 'a reload after an upgrade');
	is(join(' ', $poold->workers), "@same", '... changes no worker');
	is($poold->get('/x', client => { listener => 2 })->status, 200,
	    '... and inherited sockets work');
	install(built('t/next'));
	upgrade();
	like($poold->reload, qr/done/, 'a reload by the other version');
	is(join(' ', $poold->workers), "@same", '... changes no worker either');
	install($this);
	upgrade();
	my $pidfile = Poold::Proc::slurp("$poold->{dir}/poold.pid") // '';
	is($pidfile + 0, $pid, 'the pid file has the pid');
	my ($status, $said) = $poold->run('-c', $poold->{ini}, '-p', 'poold.pid');
	is($status, 69, '... and is locked');
	signal_to 'KILL', ($poold->workers('two'))[0];
	eventually { $poold->workers('two') == 2 } 5, 'a worker that dies is replaced';
	my $killed = $poold->router;
	signal_to 'KILL', $killed;
	eventually { my $new = $poold->router; $new && $new != $killed } 5,
	    'a router that dies is replaced';
	is($poold->get('/two')->status, 200, '... and serves');
	is(at_rest(), "@before", '... with as many descriptors');
}

# versions that cannot go on
{
	my $load = load($poold, target => '/two', rate => 200);
	my $idle = $poold->client;
	is($idle->get('/two')->status, 200, 'a connection idles');
	my @same = ($poold->router, $poold->workers);
	my @bad = (
		[ 'that exits', sub { install_script("#!/bin/sh\necho no such luck >&2\nexit 3\n") },
			qr/exited with status 3 in a dry run: no such luck/ ],
		[ 'that may not be executed', sub { install_script("#!/bin/sh\n", 0644) },
			qr/cannot be started: exec: Permission denied/ ],
		[ 'that is no program', sub { install_script("\0garbage\n" x 100) },
			qr/cannot be started: exec: Exec format error/ ],
		[ 'that dies', sub { install_script("#!/bin/sh\nkill -9 \$\$\n") },
			qr/was killed by signal 9 in a dry run/ ],
		[ 'that prints without end', sub {
			install_script("#!/bin/sh\nprintf '\\001%70000s' x\nexit 1\n") },
			qr/exited with status 1 in a dry run/ ],
		[ 'that cannot read the state', sub { install(built('t/far')) },
			qr/the state of poold 0\.1\.0 has format 2, this poold reads format 99/ ],
		[ 'that says nothing', sub { install_script("#!/bin/sh\nexec sleep 60\n") },
			qr/gave no answer in a dry run within 10 s/ ],
		[ 'that is not there', sub { unlink $poold->{poold} or die "unlink: $!" },
			qr/cannot be started: exec: No such file/ ],
	);
	for my $bad (@bad) {
		my ($name, $make, $why) = @$bad;
		$make->();
		like(upgrade(), qr/upgrade failed: .*$why.*goes on/, "a version $name: the log says why");
	}
	is(join(' ', $poold->router, $poold->workers), "@same", 'no process has changed');
	is($idle->get('/two')->status, 200, 'the idle connection goes on');
	my $result = $load->stop;
	is("@{ $result->{failures} }", '', 'no request failed');
	cmp_ok($result->{answered}, '>', 0, '... of some');
	install($this);
}

# a version whose router cannot take over
{
	my $load = load($poold, target => '/two', rate => 200);
	my $idle = $poold->client;
	is($idle->get('/two')->status, 200, 'a connection idles');
	my ($old) = $poold->router;
	install(built('t/mute'));
	upgrade(qr/cannot take over: the old router refuses/);
	ok($poold->wait_log(qr/the old one serves on; trying again/),
	    'a new router that cannot take over: the log says so');
	ok(alive($old), '... the old router serves on');
	is($idle->get('/two')->status, 200, '... idle connections');
	is($poold->get('/two')->status, 200, '... and new ones');
	signal_to 'KILL', ($poold->workers('one'))[0];
	install($this);
	like(upgrade(), qr/took \d+ connections/, 'a better version takes over from it');
	eventually { !alive($old) } 5, '... and it ends';
	is($idle->get('/two')->status, 200, 'the idle connection goes on');
	is($poold->get('/one')->status, 200, 'a worker that died in between was replaced');
	my $result = $load->stop;
	is("@{ $result->{failures} }", '', 'no request failed');
	$idle->close;
	is(at_rest(), "@before", 'nothing is left open');
}

# what is known of services
{
	my $other = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[service bad]
listen = main
route = /bad
command = @bin@/echo
breaker_status = 500
breaker_requests = 10
breaker_time = 1m

[service asleep]
listen = main
route = /asleep
command = @bin@/echo
scaling = ondemand
workers_max = 2

[service checked]
listen = main
route = /checked
command = @bin@/health
workers = 1
health_check = /checked/health
health_interval = 100ms
health_failures = 2
stop_timeout = 300ms
env.HEALTH_DIR = @run@

[service knock]
listen = own
mode = inherit
command = @bin@/echo
scaling = ondemand
workers_max = 2
INI
	$other->get('/bad?status=500') for 1 .. 12;
	is($other->get('/bad')->status, 503, 'a circuit breaker is open');
	signal_to 'USR2', $other->pid;
	ok($other->wait_log(qr/took \d+ connections/, 10), '... before an upgrade');
	my $r = $other->get('/bad');
	is($r->status, 503, '... and after it');
	cmp_ok($r->header('retry-after') // 0, '>', 10, '... for the rest of its time');
	like(title($other->pid), qr/1 breaker open/, '... which the title shows');
	is($other->get('/asleep')->status, 200, 'a service without workers gets one');
	my ($checked) = $other->workers('checked');
	open(my $sick, '>', "$other->{run}/sick-$checked") or die "sick: $!";
	ok($other->wait_log(qr/worker \d+ \(pid $checked\) failed 2 health checks/, 10),
	    'health checks go on');
	eventually { my ($now) = $other->workers('checked'); $now && $now != $checked } 10,
	    '... and replace it';
	unlink "$other->{run}/sick-$checked";
	is($other->get('/x', client => { listener => 2 })->status, 200,
	    '... and so does one that accepts for itself');
}

# without a router
{
	$poold->mark;
	my $old = $poold->router;
	signal_to 'KILL', $old;
	signal_to 'USR2', $pid;
	ok($poold->wait_log(qr/goes on in the place of/, 10),
	    'an upgrade in the moment in which a router dies');
	eventually { $poold->get('/two', client => { timeout => 1 })->status == 200 } 10,
	    '... leads to one that serves';
	eventually { my $new = $poold->router; $new && $new != $old } 5, '... and is new';
	is(at_rest(), "@before", '... and has as many descriptors');
}

# with other signals
{
	my $load = load($poold, target => '/two', rate => 200);
	$poold->mark;
	$poold->write_config($config =~ s/(\[service one\]\n)/$1env.NEW = 1\n/r);
	signal_to 'USR2', $pid;
	signal_to 'HUP', $pid;
	ok($poold->wait_log(qr/reload done/, 10), 'HUP right after USR2: reloaded');
	ok($poold->wait_log(qr/took \d+ connections/, 10), '... and upgraded');
	$poold->mark;
	$poold->write_config($config);
	signal_to 'HUP', $pid;
	signal_to 'USR2', $pid;
	ok($poold->wait_log(qr/reload done/, 10), 'USR2 during a reload: reloaded');
	ok($poold->wait_log(qr/took \d+ connections/, 10), '... and upgraded');
	$poold->mark;
	signal_to 'USR2', $pid;
	signal_to 'USR2', $pid for 1 .. 3;
	ok($poold->wait_log(qr/took \d+ connections/, 10), 'USR2 four times: upgraded');
	is($poold->get('/one')->status, 200, 'it serves');
	my $result = $load->stop;
	is("@{ $result->{failures} }", '', 'no request failed');
	cmp_ok($result->{answered}, '>', 0, '... of some');
	eventually { $poold->workers('one') == 1 } 5, 'no old generation remains';
	is(at_rest(), "@before", 'nothing is left open');
}

# in the background, by an ordinary user
{
	my $other = new_poold(<<'INI', is_root() ? (as => 'nobody') : ());
[poold]
pid_file = @run@/pid
log = @run@/log.txt

[listen main]
address = 127.0.0.1:@port@

[service a]
route = /
command = @bin@/echo
workers = 1
INI
	# installed as a link, found in PATH
	rename "$other->{bin}/poold", "$other->{bin}/poold.1" or die "rename: $!";
	symlink 'poold.1', "$other->{bin}/poold" or die "symlink: $!";
	Poold::Test::copy_program(built('t/next'), "$other->{bin}/poold.2");
	$other->{env}{PATH} = "$other->{bin}:$ENV{PATH}";
	my ($status) = $other->run('-c', $other->{ini}, '-D');
	is($status, 0, 'poold begins in the background');
	$other->{pid} = 0 + (Poold::Proc::slurp("$other->{run}/pid") // 0);
	$other->{log_file} = "$other->{run}/log.txt";
	my $client = $other->client;
	my $before = $client->get('/')->json;
	$other->remember;
	symlink 'poold.2', "$other->{bin}/poold.new" or die "symlink: $!";
	rename "$other->{bin}/poold.new", "$other->{bin}/poold" or die "rename: $!";
	signal_to 'USR2', $other->{pid};
	ok($other->wait_log(qr/took 1 connections/, 10), '... is upgraded');
	like($other->log_text, qr/poold 999-next goes on/, '... to where the link leads now');
	my $after = $client->get('/')->json;
	is($after->{pid}, $before->{pid}, '... keeps workers and connections');
	is(Poold::Proc::slurp("$other->{run}/pid"), $other->{pid}, '... and its pid file');
	signal_to 'TERM', $other->{pid};
	$client->close;
	eventually { !alive($other->{pid}) } 10, '... and stops';
	ok(!-e "$other->{run}/pid", '... without a pid file left');
	unlink $other->{log_file};
	is(join(' ', grep { alive($_) } $after->{pid}), '', '... or a worker');
	$other->{exit} = 0;
}

# the control socket
{
	my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service still]
route = /still
command = @bin@/echo
workers = 1

[service wide]
route = /wide
command = @bin@/echo
workers = 1

[service stretch]
route = /stretch
command = @bin@/echo
scaling = dynamic
workers_max = 2
idle_timeout = 100ms
INI
	my $other = poold($ini);
	my $socket = "$other->{run}/control.sock";
	my $ctl = sub {
		open(my $out, '-|', built('poolctl'), '--json', '-s', $socket, @_)
		    or die "poolctl: $!";
		my $text = join '', <$out>;
		close $out;
		my @objects = map { JSON::PP->new->decode($_) } split /\n/, $text;
		return wantarray ? @objects : $objects[-1] // {};
	};
	my $service = sub {
		my ($found) = grep { $_->{service} eq $_[0] } @{ $ctl->('status')->{services} };
		return $found // {};
	};
	$other->get('/wide') for 1 .. 3;
	$ctl->('drain', 'still');
	$ctl->('scale', 'wide', 3);
	$ctl->('scale', 'stretch', 4);
	eventually { $service->('wide')->{workers_ready} == 3 } 10, 'a service is scaled by hand';
	eventually { $service->('stretch')->{workers_ready} == 4 } 10, '... and one by load, too';
	my %before = map { $_ => join ' ', sort($other->workers($_)) } qw(wide stretch);
	my $ino = (stat $socket)[1];
	my $since = time;
	$other->write_config("[nonsense]\n");
	$ctl->('reload');
	for my $round ('upgrade', 'another upgrade') {
		$other->mark;
		signal_to 'USR2', $other->pid;
		ok($other->wait_log(qr/took \d+ connections/, 10), $round);
		is((stat $socket)[1], $ino, '... keeps the control socket');
		my $all = $ctl->('status');
		ok($all->{ok}, '... poolctl reaches the new version');
		cmp_ok($all->{poold}{uptime_seconds}, '>=', time - $since, '... which knows when it began');
		like($all->{poold}{reload_error}, qr/configuration/, '... that a reload failed');
		is($service->('wide')->{requests}, 3, '... and how many requests there were');
		is($other->get('/still')->status, 503, '... what is drained stays so');
		is($service->('still')->{state}, 'drained', '... and is shown as that');
		ok($service->($_)->{scaled_by_hand}, "... $_ is scaled by hand still")
		    for qw(wide stretch);
		is(join(' ', sort($other->workers($_))), $before{$_}, '... with the same workers')
		    for qw(wide stretch);
		my $config = $ctl->('config');
		is($config->{file}, undef, '... where keys stand is not known');
		my @events = map { $_->{event} // () } $ctl->('events');
		is((grep { $_ eq 'upgraded' } @events), $round eq 'upgrade' ? 1 : 2,
		    '... an event tells of the upgrade');
		is($events[0], 'generation_ready', '... and those before it are kept');
	}
	$ctl->('scale', 'wide', 'auto');
	eventually { $other->workers('wide') == 1 } 10, 'scaling can be undone';
	$ctl->('scale', 'stretch', 'auto');
	eventually { $other->workers('stretch') < 4 } 10, '... also where load scales';
	$ctl->('resume', 'still');
	is($other->get('/still')->status, 200, '... and draining');
	$other->write_config($ini);
	ok($ctl->('reload')->{ok}, '... and it reloads');
	is($ctl->('config')->{file}, $other->{ini}, '... after which keys have a file again');

	# one that has none gets one, when it can be had
	my $beside = poold($ini, env => { RUNTIME_DIRECTORY => $other->{run} });
	ok($beside->wait_log(qr/going on without/, 10), 'a second poold has no control socket');
	is($other->stop('TERM'), 0, '... when the first is gone');
	ok(!-e $socket, '... and its socket');
	signal_to 'USR2', $beside->pid;
	ok($beside->wait_log(qr/took \d+ connections/, 10), '... an upgrade');
	ok($ctl->('status')->{ok}, '... opens one');
	is($beside->stop('TERM'), 0, '... that is removed at its end');
	ok(!-e $socket, '... as it should be');
}

# the end
{
	my $client = $poold->client;
	$client->request('GET', '/two?sleep_ms=500&log=last');
	ok($poold->wait_log(qr/last/), 'a request is at work');
	$poold->mark;
	signal_to 'USR2', $pid;
	ok($poold->wait_log(qr/executing/, 10), 'an upgrade is under way');
	signal_to 'TERM', $pid;
	is($client->response->status, 200, 'TERM in the middle of it: the request is answered');
	is($poold->wait_exit(15), 0, '... and poold stops');
	no_leftovers($poold);
}

finish();
