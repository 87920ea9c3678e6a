#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A short cut of bench/chaos --languages: an application in each language, whose
# workers and their own processes are killed while GETs are answered.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::LanguageChaos;
use Time::HiRes qw(time sleep);

my $SECONDS = 3;

# What is not there is only missed where all of it has to be.
my (@running, %lacks);
for my $name (@Poold::LanguageChaos::NAMES) {
	my $lacks = $lacks{$name} = Poold::LanguageChaos::lacks($name);
	push @running, Poold::LanguageChaos->new($name, workers => 3, nowait => 1)
	    if $lacks eq '';
}

# All at the same time, which a busy machine is as well.
my %before = map { $_->{name} => $_->sample } @running;
my %load = map { $_->{name} => $_->load(c => 8, r => 100) } @running;
my $start = time;
while (time < $start + $SECONDS || grep { !$_->has_killed } @running) {
	last if time > $start + patience(30);
	$_->kill_one for @running;
	sleep 0.02;
}
my %report = map { $_->{name} => $_->stop_ledger($load{ $_->{name} }) } @running;

my $retries = 0;
for my $chaos (@running) {
	my ($name, $report) = ($chaos->{name}, $report{ $chaos->{name} });
	note sprintf '%s: %d requests, %d cut, %d workers and %d of their processes killed', $name,
	    $report->{requests}, $chaos->cut($report), @{ $chaos->{killed} }{qw(worker inner)};
	is(join('; ', $chaos->broken($report)), '',
	    "$name: no request fails while workers are killed") or diag $report->{told};
	my $old = Poold::LanguageChaos::cost($before{$name});
	my $after = $chaos->wait_cost($before{$name});
	is(Poold::LanguageChaos::cost($after), $old, '... and all processes and descriptors are back');
	is($after->{failed}, 0, '... and serve');
	is(join("\n", $chaos->strays), '', '... and none is left beside poold');
	is(join("\n", $chaos->left), '', '... nor anything after its end');
	no_leftovers($chaos->poold, keep => $chaos->poold->{keep});
	$retries += $chaos->{counters}{retried} + $chaos->{counters}{replayed};
}
cmp_ok($retries, '>', 0, 'requests were given to other workers');

for my $name (grep { $lacks{$_} ne '' } @Poold::LanguageChaos::NAMES) {
	SKIP: {
		skip("$name: $lacks{$name}", 1) unless $ENV{CI};
		fail("$name: $lacks{$name}");
	}
}
finish();
