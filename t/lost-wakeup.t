#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The kernel wakes one of the waiting workers for a lease, and that one never
# comes: the wake-up is not passed on, and the router must see to it.
#
# To get a worker into that state it shares a processor with a busy process and
# runs only when nobody else wants it (SCHED_IDLE): once woken, it is ready to
# run, and does not.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(state status_of signal_to);
use Time::HiRes qw(time);

my ($taskset, $chrt) = map { my $name = $_;
	(grep { -x } map { "$_/$name" } qw(/usr/bin /bin))[0] } qw(taskset chrt);
plan skip_all => 'no taskset or chrt (Debian: util-linux)'
    unless $taskset && $chrt;
my ($cpu, $more) = status_of($$)->{Cpus_allowed_list} =~ /^(\d+)(.*)/;
plan skip_all => 'needs two processors' unless $more;

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[service two]
route = /two
command = @bin@/echo
workers = 2
INI

my @spinners;

# Keeps the processor busy, for two seconds at most.
sub spin {
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		exec $taskset, '-c', $cpu, $^X, '-e', 'alarm 2; 1 while 1'
		    or POSIX::_exit(127);
	}
	push @spinners, $pid;
	wait_until(sub { Poold::Proc::title($pid) =~ /^\Q$^X\E/ });
	return $pid;
}

sub end_spinners {
	signal_to 'KILL', @spinners;
	waitpid $_, 0 for @spinners;
	@spinners = ();
}

sub starve {
	my ($pid) = @_;
	return system("$taskset -pc $cpu $pid >/dev/null") == 0
	    && system("$chrt -i -p 0 $pid >/dev/null") == 0;
}

# How often a process was given a processor.
sub times_run {
	my ($pid) = @_;
	return (split ' ', Poold::Proc::slurp("/proc/$pid/schedstat") // '0 0 0')[2];
}

# A worker that dies before it was a second old is started again with pauses:
# those of an earlier try are older than that before the next one.
my $whole_since = time;
sub grow_old {
	wait_until(sub { $poold->workers('two') == 2 }, 10);
	wait_until(sub { time - $whole_since > 1.2 }, 2);
}

# Sends a request such that the wake-up goes to a worker that gets a signal
# before it runs.  Returns that worker, the client and the time of the request;
# or nothing, when the worker was quicker or the other was woken.
sub lose_wakeup {
	my ($signal) = @_;
	grow_old() if $signal eq 'KILL';
	my ($victim) = $poold->turns('two', '/two', 2);
	$poold->rest('two');
	starve($victim) or return;
	spin();
	$poold->rest('two');
	my $client = $poold->client;
	my $before = times_run($victim);
	my $start = time;
	$client->request('GET', '/two');
	my $woken = wait_until(sub { state($victim) eq 'R' }, 0.1);
	signal_to $signal, $victim;
	return ($victim, $client, $start)
	    if $woken && times_run($victim) == $before;
	signal_to 'CONT', $victim;
	end_spinners();
	$client->response;
	wait_until(sub { $poold->workers('two') == 2 });
	$whole_since = time;
	return;
}

for my $signal (qw(STOP KILL)) {
	my ($victim, $client, $start);
	for my $try (1 .. ($signal eq 'KILL' ? 8 : 20)) {
		($victim, $client, $start) = lose_wakeup($signal) and last;
	}
	SKIP: {
		skip 'no wake-up could be caught', 4 unless $victim;
		my $what = $signal eq 'STOP' ? 'stopped' : 'killed';
		my $r = $client->response(timeout => 1.5);
		is($r->status, 200, "a worker is $what after it was woken: "
		    . 'another answers') or diag $r->text;
		isnt($r->pid, $victim, '... not the one that was woken');
		cmp_ok(time - $start, '<', patience(1), '... soon');
		end_spinners();
		signal_to 'CONT', $victim;
		signal_to 'KILL', $victim;
		eventually {
			my @workers = $poold->workers('two');
			@workers == 2 && !grep { $_ == $victim } @workers;
		} 3, '... and the pool is whole';
	}
}

end_spinners();
finish();
END { end_spinners() if @spinners }
