#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# No process gathers descriptors.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive fds signal_to);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen inherited]
address = 127.0.0.1:@port2@

[service a]
listen = main
route = /a
command = @bin@/echo
workers = 2
env.ROUND = @round@

[service b]
listen = main
route = /b
command = @bin@/echo
workers = 1

[service c]
listen = inherited
mode = inherit
command = @bin@/echo
workers = 1
INI

my $poold = poold($ini =~ s/\@round\@/0/r);

plan skip_all => 'descriptors of other processes may not be read'
    if !fds($poold->pid) || !fds($poold->router);

# The descriptors of one process, as text that can be compared.
sub described {
	my ($pid) = @_;
	my $fds = fds($pid) // {};
	my @kinds = sort map { s/\[\d+\]|:\d+//r } values %$fds;
	return scalar(keys %$fds) . ": @kinds";
}

sub everyone {
	return (
		supervisor => described($poold->pid),
		router => described($poold->router),
		(map { +"worker $_" => described(($poold->workers($_))[0]) } qw(a b c)),
	);
}

# After everything has settled it must be what it was.
sub unchanged {
	my ($before, $what) = @_;
	my %now;
	my $same = wait_until(sub {
		%now = everyone();
		return !grep { $now{$_} ne $before->{$_} } keys %$before;
	}, 5);
	ok($same, "no descriptor more, no descriptor less after $what");
	for my $who (grep { $now{$_} ne $before->{$_} } sort keys %$before) {
		diag("$who before: $before->{$who}");
		diag("$who now:    $now{$who}");
	}
}

# The first requests may open what stays open.
$poold->get("/$_") for qw(a b a b);
$poold->get('/', client => { listener => 2 });
my %before;
wait_until(sub { # until it rests
	my %last = %before;
	%before = everyone();
	return %last && !grep { ($last{$_} // '') ne $before{$_} } keys %before;
});
note "$_: $before{$_}" for sort keys %before;

{
	for my $round (1 .. 200) {
		my $client = $poold->client;
		$client->get($round % 3 ? '/a' : '/none');
		$client->request('GET', '/b') if $round % 5 == 0;
		$client->close;
	}
	unchanged(\%before, '200 connections');
}
{
	my @clients = map { $poold->client } 1 .. 50;
	$_->request('GET', '/a?sleep_ms=2') for @clients;
	$_->close for @clients[ 0 .. 24 ];
	$_->response for @clients[ 25 .. 49 ];
	@clients = ();
	unchanged(\%before, 'clients that left the queue');
}
{
	for my $round (1 .. 5) {
		$poold->write_config($ini =~ s/\@round\@/$round/r
		    . ($round == 3 ? "\n[nonsense\n" : ''));
		$poold->reload;
	}
	unchanged(\%before, 'five reloads');
}
{
	for my $service (qw(a b c)) {
		my ($victim) = $poold->workers($service);
		signal_to 'KILL', $victim;
		wait_until(sub { !alive($victim) && !grep { $_ == $victim } $poold->workers });
		wait_until(sub { $poold->workers($service) == ($service eq 'a' ? 2 : 1) });
	}
	$poold->get('/a?crash=before');
	$poold->get('/a?crash=after&bytes=100000');
	wait_until(sub { $poold->workers('a') == 2 }, 5);
	$poold->get("/$_") for qw(a a b b);
	unchanged(\%before, 'killed workers');
}
{
	my $client = $poold->client;
	$client->request('GET', '/a?sleep_ms=100');
	my $router = $poold->router;
	signal_to 'KILL', $router;
	wait_until(sub { my $new = $poold->router; $new && $new != $router });
	$client->response;
	$client->close;
	$poold->get("/$_") for qw(a a b b);
	unchanged(\%before, 'a killed router');
}

finish();
