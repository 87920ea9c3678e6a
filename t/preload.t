#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Workers that are forked from a template (preload = yes).
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to stat_of title state);
use Time::HiRes qw(time sleep);

sub config {
	my ($service, @more) = @_;
	return "[listen main]\naddress = 127.0.0.1:\@port\@\n\n[service app]\nroute = /\n"
	    . "command = \@bin\@/preload\npreload = yes\n$service\n" . join '', @more;
}

sub template_of {
	my ($poold, $name) = @_;
	my %children = $poold->children;
	my ($pid) = grep { $children{$_} eq "poold: $name template" } keys %children;
	return $pid;
}

sub fd_count { my @fds = glob "/proc/$_[0]/fd/*"; return scalar @fds }

# A replacement for a worker that was killed; how long it took.
sub replaced {
	my ($poold, $name, $count, $victim) = @_;
	my $start = time;
	signal_to 'KILL', $victim;
	wait_until(sub {
		my @workers = $poold->workers($name);
		return @workers == $count && !grep { $_ == $victim } @workers;
	}, 10) or return;
	return time - $start;
}

# ---- the life of a worker

{
	my $poold = poold(config('workers = 3', <<'INI'));
[service plain]
route = /plain
command = @bin@/preload
workers = 1
INI
	my $template = template_of($poold, 'app');
	ok($template, 'a pool with preload has a template');
	ok(!template_of($poold, 'plain'), '... one without has none');
	my @workers = $poold->workers('app');
	is(scalar @workers, 3, 'its workers are there');
	is(scalar(grep { stat_of($_)->{ppid} == $poold->pid } @workers), 3,
	    '... children of the supervisor');
	my %told = map { my $json = $poold->get('/')->json; ($json->{pid} => $json) } 1 .. 30;
	is(join(' ', sort keys %told), join(' ', sort @workers), '... and answer, all of them');
	my ($one) = values %told;
	is($one->{loads}, 1, '... with what the template has loaded');
	is($one->{byte}, 'x', '... whole');
	is($one->{child_calls}, 1, '... after the hook of the program');
	ok(!$one->{template}, '... without POOLD_TEMPLATE');
	is($one->{sid}, $one->{pid}, '... in a session of its own');
	my %slots = map { $_->{slot} => 1 } values %told;
	is(join(' ', sort keys %slots), '0 1 2', '... each with its slot');
	is($poold->get('/plain')->json->{child_calls}, 0,
	    'the same program serves without a template');


	# deaths
	my $load = load($poold, target => '/', rate => 100);
	my $quickest;
	for my $round (1 .. 5) {
		my ($victim) = $poold->workers('app');
		my $took = replaced($poold, 'app', 3, $victim) // 99;
		$quickest = $took if !defined $quickest || $took < $quickest;
		sleep 1.1 if $round < 5; # a death that comes too soon is followed by a pause
	}
	my $result = $load->stop;
	is(scalar @{ $result->{failures} }, 0, 'no request is lost when workers are killed')
	    or diag "@{ $result->{failures} }";
	cmp_ok($quickest, '<', 0.45, 'a new worker does not load anything anew');
	note sprintf 'a killed worker was replaced after %.0f ms', $quickest * 1000;
	is(template_of($poold, 'app'), $template, '... the template is the same');

	# the template
	my @before = $poold->workers('app');
	$poold->mark;
	signal_to 'KILL', $template;
	ok($poold->wait_log(qr/service app: its template \(pid $template\) was killed by signal 9/),
	    'a template that is killed is told of in the log');
	ok(wait_until(sub { my $new = template_of($poold, 'app'); $new && $new != $template }, 10),
	    '... and replaced');
	is(join(' ', $poold->workers('app')), "@before", '... its workers go on');
	is($poold->get('/')->status, 200, '... and answer');
	ok(defined replaced($poold, 'app', 3, $before[0]), '... and have successors again');
	$template = template_of($poold, 'app');
	signal_to 'KILL', $template, $before[1];
	ok(wait_until(sub {
		my @now = grep { $_ != $before[1] } $poold->workers('app');
		return @now == 3;
	}, 15), 'a worker and its template may die together');

	is($poold->stop, 0, 'it all ends with poold');
	is(scalar(grep { alive($_) } template_of($poold, 'app') // ()), 0, '... the template too');
	$poold->destroy;
}
done_testing();
