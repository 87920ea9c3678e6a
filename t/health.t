#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Health checks: who gets requests, who is replaced, and who is left alone.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to state);
use Time::HiRes qw(time);

my $main = <<'INI';
[listen main]
address = 127.0.0.1:@port@

INI

# A service that is checked often, more keys and other values behind it.
sub service {
	my ($name, $keys) = @_;
	my %key = (route => "/$name", command => '@bin@/health', workers => 2,
	    health_check => "/$name/health", health_interval => '100ms',
	    stop_timeout => '300ms', 'env.HEALTH_DIR' => '@run@', %{ $keys // {} });
	return "[service $name]\n"
	    . join('', map { defined $key{$_} ? "$_ = $key{$_}\n" : '' } sort keys %key)
	    . "\n";
}

my $poold;

sub switch_on {
	my ($name) = @_;
	open(my $fh, '>', "$poold->{run}/$name") or die "$name: $!";
}

sub switch_off { unlink "$poold->{run}/$_[0]" }

# Checks of a service that failed for a reason so far.
sub failed {
	my ($service, $why) = @_;
	my @lines = $poold->log_text =~ /service $service: a health check failed: $why/g;
	return scalar @lines;
}

# Whether all workers of a service run, and none of those named.
sub whole {
	my ($service, $count, @gone) = @_;
	return wait_until(sub {
		my @workers = $poold->workers($service);
		@workers == $count && !grep { my $pid = $_; grep { $_ == $pid } @gone } @workers;
	}, 10);
}

# --- a new worker

$poold = new_poold($main . service('one', { health_expect => '200 "ok"',
	queue_timeout => '300ms', health_successes => 2 }), env => { POOLD_DEBUG => 1 });
switch_on('sick');
$poold->start(nowait => 1);
ok(wait_until(sub { failed('one', 'status 503') >= 6 }, 10),
    'a new worker is checked until it passes');
unlike($poold->log_text, qr/generation 1 is ready/, '... and is not ready before');
is($poold->get('/one')->status, 503, '... and gets no request');
switch_on('vague');
switch_off('sick');
ok($poold->wait_log(qr/check failed: status 200 without the text "ok"/),
    'the text of the answer is judged, too');
switch_off('vague');
ok($poold->wait_serving, 'a worker that passes is ready');
is($poold->get('/one')->status, 200, '... and answers requests');

# --- a running worker

{
	my @before = $poold->workers('one');
	my $load = load($poold, target => '/one', rate => 200);
	$poold->mark;
	switch_on("sick-$before[1]");
	ok($poold->wait_log(qr/service one: worker 1 \(pid $before[1]\) failed 3 health checks in a row; the last one got status 503/),
	    'a worker that fails its checks is found out');
	ok(whole('one', 2, $before[1]), '... and replaced');
	my @after = $poold->workers('one');
	is($after[0], $before[0], '... and no other is');
	my $result = $load->stop;
	is("@{ $result->{failures} }", '', '... and no request fails meanwhile');
	cmp_ok($result->{answered}, '>', 20, '... of many');
	switch_off("sick-$before[1]");
}

# all of them fail: what they need is gone
{
	eventually {
		3 == (() = $poold->log_text =~ /service one: worker \d+ \(pid \d+\) is ready/g);
	} 10, 'two workers have passed their checks again';
	my @before = $poold->workers('one');
	$poold->mark;
	switch_on('sick');
	eventually {
		my $text = $poold->log_text($poold->{log_mark});
		2 == grep { $text =~ /worker \d+ \(pid $_\) failed 3 health checks in a row/ } @before;
	} 10, 'when all workers fail their checks';
	eventually { 1 == grep { my $pid = $_; grep { $_ == $pid } $poold->workers('one') } @before } 10,
	    '... one goes on';
	is($poold->get('/one')->status, 200, '... and answers');
	switch_off('sick');
	ok(wait_until(sub {
		my @now = $poold->workers('one');
		@now == 2 && !grep { my $pid = $_; grep { $_ == $pid } @now } @before;
	}, 20), '... until others have passed theirs');
}

# one that hangs while it is idle
{
	my ($victim) = $poold->workers('one');
	$poold->mark;
	signal_to 'STOP', $victim;
	ok($poold->wait_log(qr/\(pid $victim\) failed 3 health checks in a row; the last one got no answer within 500ms/, 10),
	    'a worker that hangs while idle is found out');
	ok(whole('one', 2, $victim), '... and replaced');
}

# an answer longer than a check reads, and than a slow client would be given
{
	my @before = $poold->workers('one');
	my $mark = $poold->log_size;
	switch_on('long');
	ok(wait_until(sub {
		my @long = $poold->log_text($mark)
		    =~ /^\S+ info one\[(\d+)\]: \[\w{32}\] long answer by \1$/mg;
		keys %{ tally(@long) } == 2 && @long >= 6;
	}, 10), 'checks are answered at length');
	switch_off('long');
	is($poold->get('/one')->status, 200, '... which does no harm');
	is(join(' ', $poold->workers('one')), "@before", '... to its worker either');
	unlike($poold->log_text($mark), qr/check failed/, '... since its begin is enough');
}

# what a slow client has not read yet, while its worker is checked
{
	my $client = $poold->client;
	$client->request('GET', '/one?size=8000000');
	ok($client->readable(5), 'a client reads slowly');
	my $mark = $poold->log_size;
	switch_on('long');
	ok(wait_until(sub {
		my @long = $poold->log_text($mark) =~ /long answer by (\d+)/g;
		keys %{ tally(@long) } == 2 && @long >= 6;
	}, 10), '... while its worker is checked');
	switch_off('long');
	my $bytes = join '', map { chr(97 + $_ % 23) x 4096 } 0 .. 8000000 / 4096;
	ok($client->response->body eq substr($bytes, 0, 8000000),
	    '... and gets its answer whole');
}

# one that never passes
{
	my @before = $poold->workers('one');
	$poold->mark;
	$poold->write_config($main . service('one', { 'env.HEALTH_SICK' => 1,
		start_timeout => '500ms' }));
	like($poold->reload, qr/reload failed: service one: .* its last health check got status 503: it took longer than start_timeout/,
	    'a reload to workers that never pass fails');
	eventually { join(' ', $poold->workers('one')) eq "@before" } 5,
	    '... and the old ones go on';
	is($poold->get('/one')->status, 200, '... and answer');
}

# --- busy workers

{
	$poold->write_config($main . service('busy', { workers => 1,
		health_timeout => '50ms', health_failures => 1 }));
	like($poold->reload, qr/reload done/, 'a service with impatient checks starts');
	my ($worker) = $poold->workers('busy');
	my $mark = $poold->log_size;
	for (1 .. 3) {
		my $r = $poold->get('/busy?sleep_ms=600');
		is($r->pid, $worker, 'a request much longer than its checks is answered');
	}
	unlike($poold->log_text($mark), qr/\(pid $worker\) failed .*no answer within/,
	    '... and its worker is not taken for a sick one');
}

# --- outliers

{
	$poold->write_config($main . service('outlier', { workers => 1,
		health_check => undef, outlier_failures => 3 }));
	like($poold->reload, qr/reload done/, 'a service with outlier_failures starts');
	$poold->mark;
	my ($worker) = $poold->workers('outlier');
	is(join(' ', map { $poold->get("/outlier?status=$_")->status }
	    500, 503, 200, 500, 502, 404, 599, 500), '500 503 200 500 502 404 599 500',
	    'answers with 5xx are passed on');
	my $line = qr/service outlier: worker \d+ \(pid $worker\) answered 3 requests in a row with 5xx/;
	unlike($poold->log_text($poold->{log_mark}), $line, '... two in a row do nothing');
	is($poold->get('/outlier?status=500')->status, 500, '... nor does the third');
	ok($poold->wait_log($line), '... but to its worker, which is recycled');
}

# --- watchdog

{
	$poold->write_config($main
	    . "[listen two]\naddress = 127.0.0.1:\@port2\@\n"
	    . service('leased', { workers => 1, health_check => undef,
		health_type => 'watchdog', health_interval => '500ms' })
	    . service('own', { workers => 1, health_check => undef, listen => 'two',
		route => undef, mode => 'inherit', health_type => 'watchdog',
		health_interval => '500ms' })
	    =~ s/\[service leased\]/[service leased]\nlisten = main/r);
	like($poold->reload, qr/reload done/, 'services with a watchdog start');
	my ($leased) = $poold->workers('leased');
	my ($own) = $poold->workers('own');
	$poold->mark;
	is($poold->get('/leased?sleep_ms=1300')->pid, $leased,
	    'a leased worker may be busy for longer than the interval');
	ok(alive($leased) && alive($own), '... and libpoold sends WATCHDOG=1 when idle');
	unlike($poold->log_text($poold->{log_mark}), qr/did not send/, '... in time');

	signal_to 'STOP', $leased;
	ok($poold->wait_log(qr/service leased: worker \d+ \(pid $leased\) did not send WATCHDOG=1 for 500ms/),
	    'a leased worker that stops sending is found out');
	ok(whole('leased', 1, $leased), '... and replaced');

	my $client = $poold->client(listener => 2);
	$client->request('GET', '/?sleep_ms=5000');
	ok($poold->wait_log(qr/service own: worker \d+ \(pid $own\) did not send WATCHDOG=1/),
	    'so is one that accepts for itself, and hangs');
	ok($poold->wait_log(qr/\(pid $own\) was killed by signal 6/), '... by SIGABRT');
	ok(whole('own', 1, $own), '... and replaced');

	($own) = $poold->workers('own');
	$poold->client(listener => 2)->request('GET', '/?trigger=1');
	ok($poold->wait_log(qr/service own: worker \d+ \(pid $own\) sent WATCHDOG=trigger/),
	    'a worker that asks for it is taken at its word');
	ok(whole('own', 1, $own), '... and replaced');
}

# --- workers that accept for themselves

{
	my %keys = (listen => 'two', route => undef, mode => 'inherit', workers => 2,
	    health_interval => '200ms');
	my $two = "[listen two]\naddress = 127.0.0.1:\@port2\@\n";
	my $one = service('one') =~ s/\[service one\]/[service one]\nlisten = main/r;
	switch_on('sick');
	$poold->write_config($main . $two . service('http', { %keys, health_expect => '2xx' }));
	$poold->mark;
	$poold->signal('HUP');
	ok($poold->wait_log(qr/service http: a health check failed: status 503/),
	    'a service that accepts for itself is asked at its own address');
	unlike($poold->log_text($poold->{log_mark}), qr/reload done/, '... and is not ready');
	switch_off('sick');
	ok($poold->wait_log(qr/reload done/), '... until it answers well');

	$poold->mark;
	switch_on('sick');
	ok($poold->wait_log(qr/service http failed 3 health checks in a row; the last one got status 503; its workers are recycled/),
	    '... and is found out when it does not any more');
	ok($poold->wait_log(qr/service http: worker \d \(pid \d+\) is recycled/),
	    '... so that its workers are recycled');
	switch_off('sick');

	$poold->write_config($main . $two . service('tcp', { %keys, health_check => undef,
		health_type => 'tcp' }));
	like($poold->reload, qr/reload done/, 'health_type = tcp: a service starts');
	my @workers = $poold->workers('tcp');
	$poold->mark;
	is($poold->get('/', client => { listener => 2 })->status, 200, '... and answers');
	signal_to 'STOP', $workers[0];
	is($poold->get('/', client => { listener => 2 })->status, 200,
	    '... with one worker less');
	signal_to 'STOP', $workers[1];
	ok($poold->wait_log(qr/service tcp failed 3 health checks in a row; the last one got no answer within 500ms/, 10),
	    '... and is found out when nobody accepts any more');
	signal_to 'CONT', @workers;
}

# --- workers that mean harm

my %harms = (
	garbage => 'an answer that is not HTTP',
	endless => 'a head that does not end',
	never => 'no answer within 1s',
	refused => 'a refusal',
	early => 'no answer',
	cut => 'status 200 and an answer that is not complete',
);
{
	my $bad = join '', map { service($_, { command => "\@bin\@/health $_",
		workers => 1, health_timeout => '1s' }) } sort(keys %harms), 'forged', 'nodone';
	$poold->write_config($main . service('good') . $bad);
	like($poold->reload, qr/reload done/, 'workers that mean harm, but not yet, start');
	my @good = $poold->workers('good');
	my %pid = map { $_ => $poold->get("/$_")->pid } keys %harms, 'forged', 'nodone';
	my $load = load($poold, target => '/good', rate => 100);
	$poold->mark;
	switch_on($_) for keys %harms, 'forged', 'nodone';
	for my $harm (sort keys %harms) {
		ok($poold->wait_log(qr/service $harm: worker \d+ \(pid $pid{$harm}\) failed 3 health checks in a row; the last one got \Q$harms{$harm}\E/, 10),
		    "$harm: a check gets $harms{$harm}");
	}
	ok($poold->wait_log(qr/service forged: worker \d+ \(pid $pid{forged}\) broke the lease contract/),
	    'forged: a DONE for no CHECK is a fault');
	ok($poold->wait_log(qr/service forged: worker \d+ \(pid $pid{forged}\) was killed by signal 9/),
	    '... for which its worker is killed');
	is($poold->get('/nodone')->pid, $pid{nodone}, 'nodone: an answer passes without DONE');
	switch_off($_) for keys %harms, 'forged', 'nodone';
	for my $harm (sort(keys %harms), 'forged') {
		ok(wait_until(sub {
			my $r = $poold->get("/$harm");
			$r->status == 200 && $r->pid != $pid{$harm};
		}, 20), "$harm: it is replaced");
	}
	my $result = $load->stop;
	is("@{ $result->{failures} }", '', 'no request to another service fails meanwhile');
	is(join(' ', $poold->workers('good')), "@good", '... and its workers are the same');
}

# --- the configuration

for my $case (
	[ { health_check => 'health' }, 'it does not begin with a slash' ],
	[ { health_check => '/a b' }, 'health_check = /a b: ' ],
	[ { health_check => '/../x' }, 'health_check = /../x: ' ],
	[ { health_check => '/' . 'x' x 150, health_expect => '20' }, 'health_expect = 20: a status is a number' ],
	[ { health_expect => '200 ok' }, "'ok' is no status and no text" ],
	[ { health_type => 'tcp', health_check => undef }, 'health_type = tcp needs mode = inherit' ],
	[ { health_type => 'watchdog' }, 'health_check is for health_type = http' ],
	[ { mode => 'inherit', listen => 'main', route => undef, outlier_failures => 2 },
		'outlier_failures needs mode = lease' ],
) {
	my ($keys, $message) = @$case;
	my $bad = new_poold($main . service('bad', $keys));
	my ($status, $text) = $bad->run('-t', '-c', $bad->{ini});
	is($status, 78, "refused: $message");
	like($text, qr/poold\.ini:\d+: .*\Q$message\E/, '... and the line is named');
}

finish();
