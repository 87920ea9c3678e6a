#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A control group for each service that asks for one.  What poold does with
# groups is tested wherever root has a hierarchy of cgroup v2; what a controller
# does, where the controller is there.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);

my $listen = <<'INI';
[listen main]
address = 127.0.0.1:@port@
INI

sub service {
	my ($name, @keys) = @_;
	return join '', map { "$_\n" } "\n[service $name]", "route = /$name",
	    'command = @bin@/limits', 'workers = 1', 'retries = 0', @keys;
}

my @limits = ('cgroup_memory_max = 64M', 'cgroup_cpu_max = 20%', 'cgroup_pids_max = 12');
my $free = service('free');
my $both = $listen . service('limited', @limits) . $free;

sub slurp { my ($path) = @_; return Poold::Proc::slurp($path) // '' }

# Where the hierarchy is mounted, and the group of a process in it.
sub mount_point { return slurp('/proc/self/mountinfo') =~ /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m ? $1 : undef }
sub group_of { my ($pid) = @_; return slurp("/proc/$pid/cgroup") =~ /^0::(.*)$/m ? $1 : '' }

my $mount = mount_point();
my ($group, $made); # the folder that poold is given; whether it is the test's own

# systemd delegates a group; without it, the test marks one as it would.
sub delegate {
	my ($poold) = @_;
	my $start = "$poold->{bin}/start";
	my $run = "exec $poold->{bin}/poold \"\$@\"";
	if (-d '/run/systemd/system') {
		$run = "exec systemd-run --quiet --scope -p Delegate=yes $poold->{bin}/poold \"\$@\"";
	} else {
		$group = $made = "$mount/poold-test-$$";
		mkdir $made or return "$made: $!";
		system('python3', '-c', 'import os, sys; os.setxattr(sys.argv[1], "user.delegate", b"1")',
		    $made) == 0 or return 'no python3, or no extended attributes on groups';
		$run = "echo \$\$ >$group/cgroup.procs || exit\n$run";
	}
	open(my $fh, '>', $start) or die "$start: $!";
	print $fh "#!/bin/sh\n$run\n";
	close $fh;
	chmod 0755, $start;
	$poold->{poold} = $start;
	return;
}

sub has_controller { my ($name) = @_; return slurp("$group/cgroup.controllers") =~ /\b$name\b/ }

sub warnings_of {
	my ($poold, $key) = @_;
	my @lines = $poold->log_text =~ /^.* warn .*service limited: $key is not in force: .*$/mg;
	return scalar @lines;
}

sub pids_in {
	my ($name) = @_;
	return join ' ', sort split /\n/, slurp("$group/$name/cgroup.procs");
}

# Where nothing was delegated, nothing is touched.
SKIP: {
	my $own = defined $mount ? $mount . group_of($$) : '';
	skip 'the group that the test runs in may be delegated: whose it is cannot be told', 6
	    if -e "$own/cgroup.type" && (!-e "$own/../cgroup.procs" || !is_root);
	my $before = join ' ', glob "$own/*";
	my $poold = poold($both);
	is($poold->get('/limited')->status, 200, 'without a delegated group a service runs');
	for my $key (map { /^(\w+)/ } @limits) {
		is(warnings_of($poold, $key), 1, "... with a warning for $key");
	}
	like($poold->log_text, qr/is not in force: .*(?:not delegated|no hierarchy|may not write)/,
	    '... that says why');
	is(join(' ', glob "$own/*"), $before, '... and no group is made')
}

SKIP: {
	skip 'not root: no group to delegate', 1 unless is_root;
	skip 'no hierarchy of cgroup v2', 1 unless defined $mount;
	my $poold = new_poold($both);
	my $why = delegate($poold);
	skip "no group can be delegated: $why", 1 if $why;
	$poold->start;
	$group //= $mount . group_of($poold->pid) =~ s{/poold-supervisor$}{}r;

	my ($limited) = $poold->workers('limited');
	my ($other) = $poold->workers('free');
	is($mount . group_of($limited), "$group/poold.limited",
	    'a worker is in the group of its service');
	unlike(group_of($other), qr/poold\./, '... one of another service is not');
	is(pids_in('poold.limited'), $limited, '... and nothing else is in it');

	# each controller, or the warning in its place
	my %file = (memory => [ 'memory.max', 64 << 20 ], cpu => [ 'cpu.max', '20000 100000' ],
		pids => [ 'pids.max', 12 ]);
	for my $name (sort keys %file) {
		my ($file, $value) = @{ $file{$name} };
		if (has_controller($name)) {
			is(slurp("$group/poold.limited/$file"), "$value\n", "$file is set");
			is(warnings_of($poold, "cgroup_${name}_max"), 0, '... without a warning');
		} else {
			is(warnings_of($poold, "cgroup_${name}_max"), 1,
			    "without a $name controller there is a warning");
		}
	}
	is(group_of($poold->pid) =~ m{/poold-supervisor$} ? 'leaf' : 'there',
	    slurp("$group/cgroup.subtree_control") =~ /memory|cpu|pids/ ? 'leaf' : 'there',
	    'poold is in a leaf if, and only if, the group hands controllers down');

SKIP: {
		skip 'no memory controller', 4 unless has_controller('memory');
		is($poold->get('/free?allocate=' . (128 << 20))->body, "allocated\n",
		    'a service without limits can use memory');
		is($poold->get('/limited?allocate=' . (128 << 20), timeout => patience(20))->status, 502,
		    'a worker that uses more than cgroup_memory_max is killed');
		eventually { $poold->get('/limited')->status == 200 } 10, '... and replaced';
		is(($poold->workers('free'))[0], $other, '... and nobody else is');
	}
SKIP: {
		skip 'no pids controller', 4 unless has_controller('pids');
		like($poold->get('/limited?fork=4000')->body, qr/^11: /,
		    'a worker that forks without end is stopped by cgroup_pids_max');
		is($poold->get('/free?fork=30')->body =~ s/\n.*//sr, '30: all',
		    '... although others of its user can fork');
		is($poold->get("/$_?reap=1")->status, 200, '... and all ends')
		    for qw(free limited);
	}
SKIP: {
		skip 'no cpu controller', 2 unless has_controller('cpu');
		is($poold->get('/limited?spin_ms=1000', timeout => patience(20))->status, 200,
		    'a worker that spins under cgroup_cpu_max goes on');
		my ($throttled) = slurp("$group/poold.limited/cpu.stat") =~ /^nr_throttled (\d+)/m;
		cmp_ok($throttled, '>=', 3, '... but not always');
	}

	# generations share the group
	$poold->write_config($listen . $free
		. service('limited', 'description = new', map { s/64M/96M/r } @limits));
	like($poold->reload, qr/reload done/, 'a reload with other limits is done');
	eventually { pids_in('poold.limited') eq join ' ', $poold->workers('limited') } 10,
	    '... and the new worker is in the same group';
SKIP: {
		skip 'no memory controller', 3 unless has_controller('memory');
		is(slurp("$group/poold.limited/memory.max"), (96 << 20) . "\n",
		    '... whose limits change');
		# a generation that fails must not have tightened the old one's limits
		$poold->write_config($listen . $free . service('limited', 'cgroup_memory_max = 8M',
			'nice = 1', 'start_timeout = 1s') =~ s{/limits\n}{/notready\n}r);
		like($poold->reload, qr/reload failed/, 'a reload that fails');
		is(slurp("$group/poold.limited/memory.max"), (96 << 20) . "\n",
		    '... leaves the limit as it was');
	}
	$poold->write_config($listen . $free . service('limited', @limits));
	$poold->reload;
	for my $name (sort keys %file) {
		is(warnings_of($poold, "cgroup_${name}_max"), has_controller($name) ? 0 : 1,
		    "reloads do not repeat the warning about $name") unless has_controller($name);
	}

	# what a worker leaves behind
	my (undef, $child) = split /\n/, $poold->get('/limited?fork=1&session=1')->body;
	$poold->mark;
	$poold->write_config($listen . $free);
	like($poold->reload, qr/reload done/, 'when a service is removed');
	ok($poold->wait_log(qr/service limited: .*live on in .*poold\.limited/),
	    '... but a process that its worker started is not gone');
	is(pids_in('poold.limited'), $child, '... its group stays');
	$poold->{seen}{$child} = 0;
	signal_to 'KILL', $child;
	eventually { !-e "$group/poold.limited" } 10, '... until that has ended';

	$poold->write_config($both);
	like($poold->reload, qr/reload done/, 'when it comes back');
	ok(-e "$group/poold.limited", '... so does its group');
	is($poold->stop, 0, 'poold stops');
	is(join(' ', glob "$group/poold.*"), '', '... and no group of a service is left');
	no_leftovers($poold);
}

END {
	if (defined $made) {
		wait_until(sub { rmdir "$made/poold-supervisor"; rmdir $made }, 5);
	}
}

finish();
