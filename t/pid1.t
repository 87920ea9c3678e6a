#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# poold as process 1 of a container: a namespace of process ids, with a /proc of
# its own.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive pids signal_to state stat_of status_of);
use Time::HiRes qw(time sleep);

my @unshare = qw(unshare --pid --fork --mount-proc --kill-child);
my %ways = (
	'as root' => { wrap => \@unshare },
	'as an ordinary user' => {
		wrap => [ @unshare, qw(--user --map-current-user) ],
		is_root ? (as => 'nobody') : ()
	});
delete $ways{'as root'} unless is_root;

# Each worker of "parent" leaves processes behind that end after a while.
my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service echo]
route = /
command = @bin@/echo
workers = 2

[service parent]
route = /parent
command = /bin/sh @conf@/parent.sh
workers = 2
INI
my $parent = <<'SH';
for i in 1 2 3; do
	(setsid sleep 2.5 3<&- 4<&- 5<&- 6<&- 7<&- </dev/null >/dev/null 2>&1 &)
done
exec @bin@/echo
SH

# Why a way does not work here (the kernel may refuse); '' if it does.
sub refusal {
	my ($way) = @_;
	my $probe = new_poold($ini, %$way);
	$probe->{poold} = '/bin/true';
	my ($status, $text) = $probe->run;
	return $status == 0 ? '' : 'no namespace: ' . ($text =~ s/\n.*//sr);
}

# The process that unshare has started.
sub inner {
	my ($outer) = @_;
	for my $pid (pids()) {
		my $stat = stat_of($pid) // next;
		return $pid if $stat->{ppid} == $outer
		    && (readlink("/proc/$pid/exe") // '') =~ m{/poold$};
	}
	return;
}

sub start {
	my ($way) = @_;
	my $poold = new_poold($ini, %$way);
	$poold->write_file('parent.sh', $parent);
	$poold->start(nowait => 1);
	$poold->{waiter} = $poold->pid;
	my $inner = wait_until(sub { inner($poold->{waiter}) });
	$poold->{pid} = $inner if $inner;
	ok($inner && $poold->wait_serving, 'poold serves')
	    or diag $poold->log_text;
	return $poold;
}

# Children of the supervisor that sleep: orphans, which process 1 inherits.
sub orphans {
	my ($poold) = @_;
	my %children = $poold->children;
	return grep { $children{$_} =~ /^sleep / } keys %children;
}

sub zombies {
	my ($poold) = @_;
	return grep {
		my $stat = stat_of($_);
		$stat && $stat->{ppid} == $poold->pid && $stat->{state} eq 'Z'
	} pids();
}

sub check {
	my ($way) = @_;
	my $poold = start($way);
	like(status_of($poold->pid)->{NSpid} // '', qr/\t1$/, '... as process 1');
	is($poold->get('/')->status, 200, '... and answers');

	my @orphans;
	eventually { (@orphans = orphans($poold)) == 6 } 5,
	    'processes that workers left behind become its children';
	my ($worker) = $poold->workers('parent');
	signal_to 'KILL', $worker;
	eventually { @orphans = orphans($poold); @orphans > 6 } 5,
	    '... those of a replaced worker too';
	eventually { !grep { stat_of($_) } @orphans } 10, '... and are reaped when they end';
	# strangers and workers that end at the same moment
	my @workers = ($poold->workers('echo'), $poold->workers('parent'));
	eventually { (@orphans = orphans($poold)) == 0 } 10, 'no orphan is left';
	signal_to 'KILL', $poold->router, @workers;
	eventually { (@orphans = orphans($poold)) == 6 } 10, 'workers die, others leave more';
	my @next = ($poold->workers('parent'));
	signal_to 'KILL', @orphans[ 0 .. 2 ], @next, @orphans[ 3 .. 5 ];
	eventually { !grep { stat_of($_) } @orphans, @next, @workers } 10,
	    '... all are reaped, whatever the order';
	eventually { !zombies($poold) } 5, '... and no zombie is left';
	eventually { $poold->router && $poold->get('/')->status == 200 } 5,
	    'router and workers are replaced';

	$poold->mark;
	$poold->write_config($ini =~ s/\[service echo\]/$&\nenv.GREETING = new/r);
	like($poold->reload, qr/done/, 'HUP reloads');
	is($poold->get('/')->json->{greeting}, 'new', '... and the new workers serve');
	$poold->signal('USR1');
	ok($poold->wait_log(qr/reopening the logs/), 'USR1 is heard');
	my $client = $poold->client;
	$client->request('GET', '/?sleep_ms=400&log=taken');
	$poold->wait_log(qr/taken/);
	$poold->signal('TERM');
	is($client->response->status, 200, 'TERM finishes requests');
	is($poold->wait_exit, 0, '... and ends it with status 0');
	no_leftovers($poold);
}

# Process 1 that is killed takes all with it.
sub check_kill {
	my ($way) = @_;
	my $poold = start($way);
	my %children = $poold->children;
	$poold->signal('KILL');
	$poold->wait_exit;
	eventually { !grep { alive($_) } keys %children } 5, 'a killed one leaves nothing';
	no_leftovers($poold, keep => qr/control\.sock$/);

	$poold = start($way);
	$poold->signal('INT');
	is($poold->wait_exit, 0, 'INT stops it at once');
	no_leftovers($poold);
}

for my $name (sort keys %ways) {
	subtest $name => sub {
		my $why = refusal($ways{$name});
		plan skip_all => $why if $why;
		check($ways{$name});
		check_kill($ways{$name});
	};
}

finish();
