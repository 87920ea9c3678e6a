#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A service with a hostile worker harms no other service on the same listener.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to state);
use Time::HiRes qw(time);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@
keepalive_timeout = 20s

[service good]
route = /good
command = @bin@/echo
workers = 2

[service bad]
route = /bad
command = @bin@/hostile
workers = 4
INI

my $poold = poold($ini);
my $router = $poold->router;
my $body = join '', map { chr($_ * 7 % 256) } 1 .. 5000;

# Requests to the good service on a connection: all that is wrong, or "".
sub wrong {
	my ($client) = @_;
	for my $i (1 .. 3) {
		my $start = time;
		my $r = $client->get("/good/$i?x=$i");
		return "GET $i: " . $r->text if $r->status != 200;
		return "GET $i: answered " . $r->body
		    if ($r->json->{target} // '') ne "/good/$i?x=$i"
		    || $r->json->{service} ne 'good';
		$r = $client->post("/good/$i", $body);
		return "POST $i: " . $r->text if $r->status != 200;
		return "POST $i: body " . $r->body
		    if $r->json->{body_hash} ne fnv1a($body);
		return "request $i took " . (time - $start)
		    if time - $start > patience(1);
	}
	return '';
}

# One attack: what the bad service does is its own affair, but the connection
# it was done on, if it is kept, and all others are right.
sub attack {
	my ($harm, %o) = @_;
	my @clients = map { $poold->client } 1 .. 4;
	my $bystander = $poold->client;
	is(wrong($bystander), '', "$harm: before it all is right");
	$poold->mark;
	my $rounds = $o{rounds} // 1;
	for (1 .. $rounds) {
		$_->request($o{method} // 'GET', "/bad/$harm", body => $o{body})
		    for @clients;
		my @got = map { $_->response->text } @clients;
		is("@got", '200 200 200 200', '... the hostile worker answers')
		    if !$o{dies} && !$o{cut};
	}
	is(wrong($bystander), '', '... a connection beside it is right');
	is(wrong($poold->client), '', '... a new one, too');
	if ($o{dies}) {
		ok($poold->wait_log(qr/\bbad\b.*sent DONE for a lease that does not/),
		    '... the forger is named');
		ok($poold->wait_log(qr/\bbad\b.*worker \d+ \(pid \d+\) was killed by signal 9/),
		    '... and killed');
	} elsif ($o{cut}) {
		for my $client (@clients) {
			my $r = $client->get('/good');
			isnt($r->status, 200, '... and its connection is not used again')
			    or diag $r->text . $r->body;
		}
	} else {
		is(join(', ', grep { $_ ne '' } map { wrong($_) } @clients), '',
		    '... and so are the connections it was done on');
	}
	is($poold->router, $router, '... and the router lives');
	ok(wait_until(sub { $poold->programs('hostile') == 4 }, 20),
	    '... and the pool is whole');
	return @clients;
}

attack('nothing');
attack('slot/1', dies => 1);
attack('serial/1', dies => 1);
attack('future/1', dies => 1);
attack('flood/100000', dies => 1);
attack('odd/20', dies => 1);
attack('empty/40', dies => 1);
attack('fds', rounds => 10);
attack('copies', rounds => 5);
attack('options');
attack('options', method => 'POST', body => $body);
attack('unread', cut => 1);
attack('part', cut => 1);
attack('unread', cut => 1, method => 'POST', body => $body);
attack('part', cut => 1, method => 'POST', body => $body);

# A close that waits, with a client that does not read.
{
	my @clients = map { $poold->client } 1 .. 4;
	$_->request('GET', '/bad/linger', headers => ['Connection: close']) for @clients;
	is(wrong($poold->client), '', 'linger: others are right meanwhile');
	# the router closes when it has waited for the client for two seconds
	my $start = time;
	my $worst = '';
	while ($worst eq '' && time - $start < 3.5) {
		$worst = wrong($poold->client);
	}
	is($worst, '', '... and when the connections are closed');
	$_->close for @clients;
}

# The scoreboard.
{
	my $bystander = $poold->client;
	$poold->get('/bad/board/20') for 1 .. 4;
	is(wrong($bystander), '', 'board: a connection beside it is right');
	is(wrong($poold->client), '', '... a new one, too');
	my @workers = $poold->programs('hostile');
	signal_to 'KILL', @workers;
	ok(wait_until(sub {
		my @now = $poold->programs('hostile');
		@now == 4 && !grep { alive($_) } @workers;
	}, 20), '... its workers can be replaced');
	is($poold->router, $router, '... the router lives');
	is($poold->get('/bad')->text, 200, '... even the service goes on');

	$poold->get('/bad/board/20');
	signal_to 'KILL', $router;
	ok(wait_until(sub { my $new = $poold->router; $new && $new != $router }),
	    '... a new router starts on such a scoreboard');
	$router = $poold->router;
	is(wrong($poold->client), '', '... and the others are right');
	like($poold->reload, qr/reload/, '... and a reload works');
	is(wrong($poold->client), '', '... and all goes on');
	is($poold->router, $router, '... with the same router');
}

$poold->stop('TERM');
my ($line) = $poold->log_text =~ /^.*\bcounters:(.*)$/m;
unlike($poold->log_text, qr/router \(pid \d+\) was killed by signal (?!9\b)/,
    'the router never crashed');
my $lines = () = $poold->log_text =~ /sent DONE for a lease/g;
cmp_ok($lines, '<', 200, 'a flood does not flood the log');

SKIP: {
	skip 'needs root: services of different users', 4 unless is_root;
	my $two = new_poold($ini . "user = daemon\n");
	my ($status, $text) = $two->run('-t', '-c', $two->{ini});
	is($status, 78, 'services of different users on a listener are refused');
	like($text, qr/shared_trust = yes/, '... and told what would allow it');
	$ini =~ s/^(keepalive_timeout.*)$/$1\nshared_trust = yes/m;
	$two = new_poold($ini . "user = daemon\n");
	($status, $text) = $two->run('-t', '-c', $two->{ini});
	is($status, 0, 'with shared_trust = yes they are not') or diag $text;
	$two->start;
	is($two->get('/good')->status, 200, '... and are served');
}

finish();
