#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Python workers that are forked from a process that has imported Django: memory,
# and the time until one is replaced.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Runner;
use File::Copy qw(copy);
use Poold::Proc qw(signal_to);
use Time::HiRes qw(time sleep);

need_runner('poold-python', 'libpython3-dev');
if (system("/usr/bin/python3 -c 'import django' 2>/dev/null") != 0) {
	BAIL_OUT('python3-django is not installed') if $ENV{CI};
	plan(skip_all => 'python3-django is not installed');
}

my $poold = runner_poold('poold-python', <<'INI');
[poold]
access_log = off
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@

[service shared]
route = /shared
language = python
app = @bin@/django_app.py
workers = 8
start_timeout = 60s

[service alone]
route = /alone
language = python
app = @bin@/django_app.py
workers = 8
start_timeout = 60s
preload = no
INI
copy($_, $poold->{bin}) for glob Poold::Test::srcdir() . '/t/frameworks/*.py';
chmod 0644, glob "$poold->{bin}/*_app.py";
$poold->start;
$poold->wait_serving(90);

sub pss {
	my $sum = 0;
	for my $pid (@_) {
		open(my $in, '<', "/proc/$pid/smaps_rollup") or next;
		/^Pss:\s+(\d+)/ and $sum += $1 while <$in>;
	}
	return $sum / 1024;
}

sub replacement_ms {
	my ($name) = @_;
	my $quickest;
	for (1 .. 3) {
		my ($victim) = $poold->workers($name);
		my $start = time;
		signal_to 'KILL', $victim;
		wait_until(sub {
			my @now = $poold->workers($name);
			@now == 8 && !grep { $_ == $victim } @now;
		}, 30);
		my $took = time - $start;
		$quickest = $took if !defined $quickest || $took < $quickest;
		sleep 1.1; # a death that comes too soon is followed by a pause
	}
	return $quickest * 1000;
}

for my $name ('shared', 'alone') {
	my %seen;
	wait_until(sub { $seen{$_}++ for $poold->turns($name, "/$name/", 8); 1 }, 20);
}
my %children = $poold->children;
my ($template) = grep { $children{$_} =~ /^poold: shared template\b/ } keys %children;
ok($template, 'Django has a template without being asked, as all of Python');
ok(!grep({ /alone template/ } values %children), '... but with preload = no');
my $shared = pss($template, $poold->workers('shared'));
my $alone = pss($poold->workers('alone'));
note sprintf '8 Django workers: %.1f MiB with preload, template included; %.1f MiB without',
    $shared, $alone;
cmp_ok($shared, '<=', 0.5 * $alone, 'preload halves the memory of eight workers');
my ($with, $without) = (replacement_ms('shared'), replacement_ms('alone'));
note sprintf 'a killed worker was replaced after %.0f ms with preload, %.0f ms without', $with, $without;
cmp_ok($with, '<', $without, 'preload starts workers sooner');
Poold::Test::finish();
