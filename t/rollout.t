#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# New generations on probation: all at once, or some workers at a time.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);
use Time::HiRes qw(time);

# The version that a worker has is what its environment says.
my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[service other]
listen = main
route = /other
command = @bin@/echo

[service safe]
listen = main
route = /safe
command = @bin@/echo
workers = 2
reload_grace = 1200ms
env.VERSION = 1

[service rolling]
listen = main
route = /rolling
command = @bin@/echo
workers = 4
reload = rolling
reload_grace = 300ms
env.VERSION = 1

[service own]
listen = own
mode = inherit
command = @bin@/echo
workers = 2
reload_grace = 1s
env.VERSION = 1
INI
my $poold = poold($ini);

# Writes a configuration in which a service has another version, and reloads.
sub change {
	my ($service, $what, $by) = @_;
	$ini =~ s{(\[service $service\][^\[]*?)$what}{$1$by}s or die "no $what in $service";
	$poold->write_config($ini);
}
sub reload_begins { $poold->mark; $poold->signal('HUP') }

# --- replace ---
{
	my %old = map { $_ => 1 } $poold->workers('safe');
	my @others = $poold->workers('other');
	change('safe', 'VERSION = 1', 'VERSION = 2');
	my $load = load($poold, target => '/safe', rate => 300);
	my $start = time;
	reload_begins;
	eventually { !$old{ $poold->get('/safe')->pid } } 5, 'the new generation serves';
	is(scalar(grep { alive($_) } keys %old), 2, '... while the old one stands by');
	ok($poold->wait_log(qr/reload done/), '... and the reload is done');
	cmp_ok(time - $start, '>=', 1.2, '... after reload_grace');
	eventually { !grep { alive($_) } keys %old } 5, '... when the old one ends';
	is("@{ $load->stop->{failures} }", '', '... and no request fails');
	is(join(' ', $poold->workers('other')), "@others", '... and others keep their workers');
}

{
	my %old = map { $_ => 1 } $poold->workers('safe');
	change('safe', 'VERSION = 2', 'VERSION = 3');
	my $load = load($poold, target => '/safe', rate => 300);
	reload_begins;
	my $victim;
	eventually { $victim = $poold->get('/safe')->pid; !$old{$victim} } 5,
	    'another generation serves';
	signal_to 'KILL', $victim;
	ok($poold->wait_log(qr/reload failed: service safe: worker \d+ \(pid $victim\) was killed by signal 9 .*the old generation is back/),
	    'when one of its workers crashes in reload_grace, the reload fails');
	eventually { $old{ $poold->get('/safe')->pid } } 5, '... and the old generation is back';
	eventually { 2 == grep { $old{$_} } $poold->workers('safe') } 5, '... with its workers';
	eventually { 2 == $poold->workers('safe') } 5, '... and only those';
	is("@{ $load->stop->{failures} }", '', '... and no request fails');
	like($poold->reload, qr/reload done/, 'the same file can be tried again');
}

# --- by themselves ---
{
	my $port = $poold->port(2);
	my %old = map { $_ => 1 } $poold->workers('own');
	change('own', 'VERSION = 1', 'VERSION = 2');
	my $load = load($poold, target => '/', rate => 200, port => $port);
	reload_begins;
	my $victim;
	eventually { ($victim) = grep { !$old{$_} } $poold->workers('own'); $victim } 10,
	    'workers that accept for themselves have a new generation';
	ok($poold->wait_log(qr/generation 2 is ready/), '... which gets ready');
	signal_to 'KILL', $victim;
	ok($poold->wait_log(qr/reload failed: service own: .*the old generation is back/),
	    '... a crash brings the old one back');
	eventually { join(' ', sort $poold->workers('own')) eq join(' ', sort keys %old) } 10,
	    '... which never left';
	change('own', 'VERSION = 2', 'VERSION = 1');
	$load->stop;
}

# --- rolling ---
{
	my %old = map { $_ => 1 } $poold->workers('rolling');
	change('rolling', 'VERSION = 1', 'VERSION = 2');
	my @load = map { load($poold, target => '/rolling?sleep_ms=5', rate => 200) } 1 .. 6;
	reload_begins;
	my ($most, $both) = (0, 0);
	my $done = wait_until(sub {
		my @workers = $poold->workers('rolling');
		my $new = grep { !$old{$_} } @workers;
		$most = @workers if @workers > $most;
		$both++ if $new > 0 && $new < @workers;
		return $poold->log_text =~ /reload done in [\d.]+ s(?!.*reloading)/s
		    && !grep { $old{$_} } @workers;
	}, 20);
	ok($done, 'a rolling reload gets done');
	cmp_ok($most, '<=', 6, '... with a worker more at a time, and one that leaves');
	cmp_ok($both, '>', 0, '... while both generations are there');
	my $steps = () = $poold->log_text =~ /service rolling: generation 2 serves with \d workers/g;
	is($steps, 3, '... step by step');
	my (%pids, @failures);
	for my $result (map { $_->stop } @load) {
		push @failures, @{ $result->{failures} };
		$pids{$_} += $result->{pids}{$_} for keys %{ $result->{pids} };
	}
	is("@failures", '', '... and no request fails');
	is(scalar(grep { $pids{$_} } keys %old), 4, '... and the old ones served as well as the new ones');
	is(scalar($poold->workers('rolling')), 4, 'the new generation has its size');
}

{
	my %old = map { $_ => 1 } $poold->workers('rolling');
	change('rolling', 'VERSION = 2', 'VERSION = 3');
	my $load = load($poold, target => '/rolling', rate => 300);
	reload_begins;
	ok($poold->wait_log(qr/service rolling: generation 3 serves with 2 workers/, 10),
	    'in the middle of a rolling reload');
	my ($victim) = grep { !$old{$_} } $poold->workers('rolling');
	signal_to 'ABRT', $victim;
	ok($poold->wait_log(qr/reload failed: service rolling: .*the old generation is back/),
	    '... a crash ends it');
	eventually {
		my @now = $poold->workers('rolling');
		@now == 4 && 2 <= grep { $old{$_} } @now;
	} 10, '... and the old generation is as strong as it was';
	is("@{ $load->stop->{failures} }", '', '... and no request fails');
	change('rolling', 'VERSION = 3', 'VERSION = 2');
}

# --- a router that dies in between ---
{
	change('safe', 'VERSION = 3', 'VERSION = 4');
	my %old = map { $_ => 1 } $poold->workers('safe');
	reload_begins;
	eventually { !$old{ $poold->get('/safe')->pid } } 5, 'a new generation serves';
	signal_to 'KILL', $poold->router;
	eventually { my $r = $poold->get('/safe'); $r->status == 200 && !$old{ $r->pid } } 5,
	    '... under another router, too';
	ok($poold->wait_log(qr/reload done/, 10), '... and the reload is done');
}

# --- a service that goes, a stop in between ---
{
	(my $less = $ini) =~ s/\[service other\].*?(?=\[service safe)//s;
	$less =~ s/VERSION = 4/VERSION = 5/;
	$poold->write_config($less);
	my %old = map { $_ => 1 } $poold->workers('safe');
	reload_begins;
	eventually { $poold->get('/other')->status == 404 } 5, 'a service is removed';
	my ($victim) = grep { !$old{$_} } $poold->workers('safe');
	signal_to 'KILL', $victim;
	ok($poold->wait_log(qr/the old generation is back/), 'the reload fails');
	is($poold->get('/other')->status, 200, '... and the removed service is back');
	reload_begins;
	eventually { $poold->get('/other')->status == 404 } 5, 'it is tried again';
	is($poold->stop('TERM'), 0, '... and poold can be stopped in between');
}

finish;
