#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What the workers of a service may use, and what they see: asked of the workers
# themselves, and tried out.  Control groups are in cgroups.t.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to status_of);
use Errno qw(EAGAIN EMFILE ENOMEM);
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp ();

sub text { my ($errno) = @_; local $! = $errno; return "$!" }

my $listen = <<'INI';
[listen main]
address = 127.0.0.1:@port@
shared_trust = yes
INI

# A service that answers at /NAME.
sub service {
	my ($name, @keys) = @_;
	return join '', map { "$_\n" } "\n[service $name]", "route = /$name",
	    (grep({ /^command/ } @keys) ? () : 'command = @bin@/limits'),
	    'workers = 1', 'retries = 0', @keys;
}

sub config { return join '', $listen, @_ }

# What a worker says of itself.
sub about {
	my ($poold, $name) = @_;
	return { $poold->get("/$name")->body =~ /^(\w+) (.*)$/mg };
}

# "Max open files" and the like: [soft, hard].
sub limits_in {
	my ($text) = @_;
	my %limits;
	$limits{$1} = "$2 $3" while $text =~ /^Max ([a-z ]+?)\s{2,}(\S+)\s+(\S+)/mg;
	return \%limits;
}

sub limits_of {
	my ($poold, $name) = @_;
	return limits_in($poold->get("/$name?read=/proc/self/limits")->body);
}

# The sanitizer's own memory is far beyond any limit.
my $sanitized = Poold::Proc::slurp(program('limits')) =~ /__asan_init/;
my $own = limits_in(Poold::Proc::slurp('/proc/self/limits'));

# What each key does.
{
	my @set = ('rlimit_nofile = 123', 'rlimit_cpu = 100s', 'rlimit_core = 0',
	    'rlimit_nproc = 4000', 'nice = 5', 'cpu_affinity = 0', 'oom_score_adj = 500',
	    'umask = 027');
	my $poold = poold(config(service('plain'), service('set', @set)));
	my ($set, $plain) = (limits_of($poold, 'set'), limits_of($poold, 'plain'));
	is($plain->{$_}, $own->{$_}, "without a limit of '$_' it is that of poold")
	    for 'open files', 'cpu time', 'core file size', 'processes', 'address space';
	is($set->{'open files'}, '123 123', 'rlimit_nofile is the number of open files');
	is($set->{'cpu time'}, '100 101',
	    'rlimit_cpu is the CPU time, with a second to see the signal');
	is($set->{'core file size'}, '0 0', 'rlimit_core is the size of core files');
	is($set->{'processes'}, '4000 4000', 'rlimit_nproc is the number of processes');
	my ($here, $there) = (about($poold, 'plain'), about($poold, 'set'));
	is($there->{nice}, 5, 'nice is set');
	is($here->{nice}, getpriority(0, 0), '... or that of poold');
	is($there->{cpus}, '0', 'cpu_affinity is set');
	is($there->{umask}, '0027', 'umask is set');
	is($here->{umask}, sprintf('%04o', umask), '... or that of poold');
	is($poold->get('/set?read=/proc/self/oom_score_adj')->body, "500\n",
	    'oom_score_adj is set');
	is($poold->get('/plain?read=/proc/self/oom_score_adj')->body,
	    Poold::Proc::slurp('/proc/self/oom_score_adj'), '... or that of poold');
	my ($opened, $why) = $poold->get('/set?open=1000')->body =~ /^(\d+): (.*)/;
	is($why, text(EMFILE), 'a worker cannot open more files than rlimit_nofile');
	cmp_ok($opened, '>', 100, '... but nearly as many');
	is($poold->get('/plain?open=200')->body, "200: all\n", '... and another can');
	is(limits_in(Poold::Proc::slurp('/proc/' . $poold->router . '/limits'))->{'processes'},
	    $own->{'processes'}, 'the router has the limits of poold');

	my ($pid) = $poold->workers('plain');
	$poold->write_config(config(service('plain'),
		service('set', map { s/nice = 5/nice = 6/r } @set)));
	like($poold->reload, qr/done/, 'a reload with another limit is done');
	is(about($poold, 'set')->{nice}, 6, '... and starts new workers with it');
	is(($poold->workers('plain'))[0], $pid, '... and leaves other services alone');
}

SKIP: {
	# bit 24: containers take it from root
	skip 'no CAP_SYS_RESOURCE: the hard limit cannot be raised', 1
	    unless hex(substr status_of($$)->{CapEff}, -8) >> 24 & 1;
	my $poold = poold(config(service('most', 'rlimit_nofile = unlimited')));
	chomp(my $most = Poold::Proc::slurp('/proc/sys/fs/nr_open'));
	is(limits_of($poold, 'most')->{'open files'}, "$most $most",
	    'an unlimited number of files is what the kernel allows at most');
}

# Memory.
SKIP: {
	skip 'a sanitizer needs more address space than any limit', 5 if $sanitized;
	my $poold = poold(config(service('small', 'rlimit_as = 256M'), service('large')));
	my ($worker) = $poold->workers('small');
	is(limits_of($poold, 'small')->{'address space'}, join(' ', (256 << 20) x 2),
	    'rlimit_as is the address space');
	is($poold->get('/small?allocate=' . (300 << 20))->body, text(ENOMEM) . "\n",
	    'a worker cannot allocate more than rlimit_as');
	is(about($poold, 'small')->{pid}, $worker, '... and goes on');
	is($poold->get('/small?allocate=' . (64 << 20))->body, "allocated\n",
	    '... with what it may');
	is($poold->get('/large?allocate=' . (300 << 20))->body, "allocated\n",
	    'and another service can');
}

# CPU time.
{
	my $poold = poold(config(service('spin', 'rlimit_cpu = 1s'), service('other')));
	my ($worker) = $poold->workers('spin');
	my ($other) = $poold->workers('other');
	$poold->mark;
	is($poold->get('/spin?spin=1', timeout => patience(20))->status, 502,
	    'a worker that spins beyond rlimit_cpu is ended');
	like($poold->wait_log(qr/worker 0 \(pid $worker\) was killed/), qr/CPU time/,
	    '... and the log says why');
	ok(wait_until(sub { (($poold->workers('spin'))[0] // $worker) != $worker }),
	    '... and replaced');
	is($poold->get('/spin')->status, 200, '... by one that answers');
	is(($poold->workers('other'))[0], $other, '... and other services are not touched');
}

# Processes.
SKIP: {
	skip 'not root: the limit would count all that this user runs', 9 unless is_root;
	my @keys = ('user = 54321', 'group = 54321', 'chdir = /', 'rlimit_nproc = 20');
	my $ini = config(service('bomb', @keys), service('other'));
	my $poold = poold($ini);
	my ($worker) = $poold->workers('bomb');
	my ($line, @children) = split /\n/, $poold->get('/bomb?fork=4000')->body;
	is($line, '19: ' . text(EAGAIN),
	    'a worker that forks without end is stopped by rlimit_nproc');
	is($poold->get('/other?fork=50')->body =~ s/\n.*//sr, '50: all',
	    '... other services can fork');
	is($poold->get('/other?reap=1')->body, "50\n", '... as they like');
	is(about($poold, 'bomb')->{pid}, $worker, '... and it goes on itself');
	# one more gets in: the kernel looks before it counts it
	$poold->write_config($ini =~ s/(\[service bomb\].*?workers) = 1/$1 = 3/sr);
	like($poold->reload, qr/reload failed.*\bbomb\b.*\brlimit_nproc = 20\b/,
	    'a generation for which no processes are left fails by name');
	is(about($poold, 'bomb')->{pid}, $worker, '... and the old one goes on');
	is($poold->get('/bomb?reap=1')->body, "19\n", 'when they are gone');
	like($poold->reload, qr/reload done/, '... the reload is done');
	isnt(about($poold, 'bomb')->{pid}, $worker, '... by a new worker');
}

# Without privileges.
{
	my @as = is_root() ? (as => 'nobody') : ();
	my $nicer = getpriority(0, 0) + 1;
	my $ini = config(service('a', "nice = $nicer", 'oom_score_adj = 300'));
	my $poold = poold($ini, @as);
	my $worker = about($poold, 'a')->{pid};
	is(about($poold, 'a')->{nice}, $nicer, 'an unprivileged poold can be nicer');
	is($poold->get('/a?read=/proc/self/oom_score_adj')->body, "300\n",
	    '... and be killed sooner');
	my ($hard) = $own->{'open files'} =~ / (\d+)$/;
	my @refused = ([ 'nice = -10', qr/only root may go below it/ ],
	    [ 'oom_score_adj = -900', qr/only root may make it less/ ],
	    [ 'rlimit_nofile = ' . (($hard // 0) + 1), qr/hard limit is \d+/ ]);
	for (@refused) {
		my ($key, $why) = @$_;
	SKIP: {
			skip 'the hard limit of files is unlimited', 2
			    if $key =~ /nofile/ && (!$hard || $hard >= 1 << 30);
			$poold->write_config(config(service('a', $key)));
			like($poold->reload, qr/reload failed:.*cannot set $key: .*$why/,
			    "'$key' fails a reload, by name and reason");
			is(about($poold, 'a')->{pid}, $worker, '... the old workers go on');
		}
	}
	for (qw(private_tmp=yes chroot=/)) {
		my ($name, $value) = split /=/;
		$poold->write_config(config(service('a', "$name = $value",
			'command = /bin/true', 'chdir = /')));
		my ($status, $text) = $poold->run('-t', '-c', $poold->{ini});
		is($status, 78, "$name needs root");
		like($text, qr/poold\.ini:\d+: $name: only .* root/, '... and the check says so');
	}
	$poold->write_config($ini);
}

# A root folder with the worker and what it needs to run.
sub root_folder {
	my ($poold) = @_;
	my $root = "$poold->{dir}/root";
	make_path("$root/srv", "$root/tmp", { mode => 0755 });
	Poold::Test::copy_program(program('limits'), "$root/worker");
	for my $library (`ldd $root/worker` =~ m{(/\S+) \(0x}g) {
		make_path($root . $library =~ s{/[^/]*$}{}r, { mode => 0755 });
		copy($library, "$root$library") or die "$library: $!";
		chmod 0755, "$root$library";
	}
	return $root;
}

SKIP: {
	skip 'not root: no chroot', 10 unless is_root;
	my $poold = new_poold('');
	my $root = root_folder($poold);
	my @keys = ("chroot = $root", 'command = /worker');
	$poold->write_config(config(service('in', @keys), service('out')));
	$poold->start;
	is(join(' ', sort grep { !/^\./ } split /\n/, $poold->get('/in?list=/')->body),
	    join(' ', sort map { s{.*/}{}r } glob "$root/*"),
	    'a worker in a chroot sees its own root');
	is(about($poold, 'in')->{cwd}, '/', '... and starts in it');
	is(readlink('/proc/' . ($poold->workers('in'))[0] . '/root'), $root,
	    '... and the kernel says so');
	like($poold->get('/out?list=/')->body, qr/^proc$/m, 'another sees the machine\'s');
	my ($status, $text);
	for ([ 'no such program', 'command = /none', qr{'/none' in the chroot} ],
	    [ 'a program elsewhere', 'command = worker', qr/absolute path/ ],
	    [ 'no such folder', "command = /worker\nchdir = /none", qr{chdir: /none in the} ]) {
		my ($what, $keys, $why) = @$_;
		$poold->write_config(config(service('in', "chroot = $root", $keys)));
		($status, $text) = $poold->run('-t', '-c', $poold->{ini});
		like($text, qr/poold\.ini:\d+: .*$why/, "$what is found by the check");
	}
	$poold->write_config(config(service('in', @keys, 'chdir = /srv', 'private_tmp = yes'),
		service('out')));
	$poold->reload;
	is(about($poold, 'in')->{cwd}, '/srv', 'chdir is seen from inside');
	is($poold->get('/in?create=/tmp/x')->body, "0644\n" =~ s/0644/sprintf '%04o', 0666 & ~umask/er,
	    'it may have a private /tmp');
	ok(!-e "$root/tmp/x", '... that is not that of the folder');
	$poold->{keep} = qr{^root/};
}

# A /tmp of its own.  What is in the machine's is hidden, so not the test's copy.
SKIP: {
	skip 'not root: no private /tmp', 9 unless is_root;
	my $place = eval {
		File::Temp->newdir('poold-test-XXXXXXXX', DIR => '/var/lib');
	};
	skip 'no folder outside of /tmp to put a program into', 9 unless $place;
	chmod 0755, "$place";
	Poold::Test::copy_program(program('limits'), "$place/limits");
	my @keys = ("command = $place/limits", 'chdir = /', 'private_tmp = yes',
	    'umask = 077');
	my $poold = poold(config(service('own', @keys), service('other')));
	my $name = "/tmp/poold-test-private-$$";
	my $outside = "/tmp/poold-test-outside-$$";
	open(my $fh, '>', $outside) or die "$outside: $!";
	close $fh;
	is($poold->get('/own?list=/tmp')->body =~ s/^\.\.?\n//mgr, '',
	    'private_tmp = yes gives an empty /tmp');
	is($poold->get("/own?create=$name")->body, "0600\n", '... to which it can write');
	is($poold->get("/own?create=/var$name")->body, "0600\n", '... and a /var/tmp');
	ok(!-e $name && !-e "/var$name", '... which nobody else sees');
	my $other = $poold->get('/other?list=/tmp')->body;
	unlike($other, qr{^poold-test-private-}m, '... no other service');
	like($other, qr{^poold-test-outside-${$}$}m, '... which sees the machine\'s');
	unlink $outside;
	is($poold->get("/own?list=/tmp")->body =~ s/^\.\.?\n//mgr, "$name\n" =~ s{.*/}{}r,
	    'a file in it stays while the worker lives');
	my ($worker) = $poold->workers('own');
	signal_to 'KILL', $worker;
	wait_until(sub { (($poold->workers('own'))[0] // $worker) != $worker });
	is($poold->get('/own?list=/tmp')->body =~ s/^\.\.?\n//mgr, '',
	    '... and is gone with it');
SKIP: {
		skip 'programs are not in /tmp', 1 unless $poold->{bin} =~ m{^/tmp/};
		$poold->write_config(config(service('own', 'private_tmp = yes')));
		my (undef, $text) = $poold->run('-t', '-c', $poold->{ini});
		like($text, qr/poold\.ini:\d+: command: private_tmp = yes .* hides/,
		    'a program in the machine\'s /tmp is refused by the check');
	}
}

# What the check says.
{
	my $poold = new_poold('');
	my $cpus = () = Poold::Proc::slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;
	for ([ 'rlimit_as = 10', '1M' ], [ 'rlimit_as = lots', 'not a size' ],
	    [ 'rlimit_nofile = 3', '16' ], [ 'rlimit_cpu = 10', 'no unit' ],
	    [ 'rlimit_cpu = 1500ms', 'whole seconds' ], [ 'rlimit_nproc = 0', 'between 1' ],
	    [ 'nice = 20', 'between -20 and 19' ], [ 'cpu_affinity = 3-1', 'list of CPUs' ],
	    [ 'cpu_affinity = 1000', 'no CPU 1000' ], [ 'oom_score_adj = 1001', '1000' ],
	    [ 'umask = 089', 'octal' ], [ 'umask = 1000', '0777' ],
	    [ 'cgroup_cpu_max = 50', 'percentage' ], [ 'cgroup_pids_max = -1', 'number' ],
	    [ 'cgroup_memory_max = 1', '1M' ], [ 'private_tmp = maybe', 'yes nor no' ]) {
		my ($line, $why) = @$_;
		my ($key) = $line =~ /^(\w+)/;
		$poold->write_config(config(service('a', $line)));
		my ($status, $text) = $poold->run('-t', '-c', $poold->{ini});
		like("$status $text", qr/^78 .*poold\.ini:\d+: $key: .*\Q$why\E/s,
		    "'$line' is refused with its reason");
	}
	my @keys = ('rlimit_as = unlimited', 'rlimit_core = 64M', 'rlimit_cpu = 1m',
	    'nice = -3', 'umask = 0022', 'cgroup_cpu_max = 150%', 'cpu_affinity = 0');
	$poold->write_config(config(service('a', @keys)));
	my ($status, $text) = $poold->run('-T', '-c', $poold->{ini});
	is(join("\n", grep { $text =~ /^\Q$_\E$/m } @keys), join("\n", @keys),
	    'the dump has them as they were written');
	like($text, qr/^rlimit_nofile =$/m, '... and leaves open what was not');
}

finish();
