#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# make start-bg, stop and the others, for those who learn with the demo.  They run in
# a copy of the source tree, which may be read-only, with the build that is there.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to mentioning);
use POSIX ();
use Cwd qw(realpath);
use IO::Socket::INET;
use JSON::PP ();

my $source = Poold::Test::srcdir();
my $build = Poold::Test::builddir();
plan(skip_all => 'the build has no Makefile to install it by') if !-e "$build/Makefile";
for my $program (qw(make bash flock)) {
	plan(skip_all => "there is no $program")
	    if system("command -v $program >/dev/null") != 0 && !$ENV{CI};
}

my $dir = temp_dir();
my $tree = "$dir/tree";
my $port = free_port();
my $state = "$tree/build/demo-$port";
mkdir $_ or die "$_: $!" for $tree, "$dir/tmp";
chmod 01777, "$dir/tmp";
system('cp', '-r', (map { "$source/$_" } qw(GNUmakefile script conf)), $tree) == 0 or die;
system('chmod', '-R', 'u+w', $tree);
# of the make that runs this test
delete @ENV{ 'DESTDIR', grep { /^(?:MAKE|MFLAGS|GNUMAKEFLAGS)/ } keys %ENV };
$ENV{TMPDIR} = "$dir/tmp";
$ENV{PORT} = $port;
$ENV{DEMO_BUILD} = $build;
alarm patience(240);

# Runs make in the tree: (exit status, all it said).
sub demo {
	my (@words) = @_;
	my $pid = open(my $out, '-|') // die "fork: $!";
	if ($pid == 0) {
		open(STDERR, '>&', \*STDOUT);
		open(STDIN, '<', '/dev/null');
		exec 'make', '-C', $tree, '--no-print-directory', @words or POSIX::_exit(127);
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	note("make @words: $text");
	return ($? >> 8, $text);
}

sub poold_pid {
	my ($status, $text) = demo('-s', 'status', 'ARGS=--json');
	return eval { JSON::PP->new->utf8->decode($text)->{poold}{pid} } // 0;
}

sub poolctl {
	open(my $in, '<', "$state/control") or return -1;
	chomp(my $socket = <$in>);
	return system("$build/poolctl", '-s', $socket, @_);
}

# All that could be left of the demo.  What this test runs itself names the folder, too.
sub is_clean {
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @left = wait_until(sub { !mentioning("$dir/tmp") }, 10) ? ()
	    : map { Poold::Proc::title($_) } mentioning("$dir/tmp");
	push @left, glob("$tree/build/*"), glob("$dir/tmp/*");
	is("@left", '', $name);
}

END {
	# whatever went wrong, nothing goes on
	signal_to('KILL', mentioning($tree), mentioning("$dir/tmp")) if $dir && -d "$dir/tmp";
}

my ($status, $text);

# --- without a demo ---------------------------------------------------------------

($status, $text) = demo('stop');
is($status, 0, 'stop without a demo is no error');
like($text, qr/no demo runs on port $port/, '... and says that there is none');
for my $target (qw(status smoke-test stress-test)) {
	($status, $text) = demo($target);
	isnt($status, 0, "$target without a demo fails");
	like($text, qr/no demo runs on port $port .*start-bg/, '... and says how to start one');
}
{
	my $other = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port,
		Listen => 5, ReuseAddr => 1) or die "port $port: $!";
	for my $target (qw(start start-bg)) {
		($status, $text) = demo($target);
		isnt($status, 0, "$target on a port that is taken fails");
		like($text, qr/something else serves port $port/, '... and says so');
	}
}
is_clean('all that leaves nothing');

# --- start-bg ---------------------------------------------------------------------

($status, $text) = demo('start-bg');
is($status, 0, 'start-bg ends well') or diag $text;
like($text, qr{http://localhost:$port/}, '... and says where the demo is');
my $http = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
ok($http, '... and at once somebody listens there');
my $first = poold_pid();
ok($first && alive($first), 'status is that of poolctl');
for my $target (qw(start start-bg)) {
	($status, $text) = demo($target);
	isnt($status, 0, "a second $target is refused");
	like($text, qr/runs on port $port already/, '... and says why');
}
is(poold_pid(), $first, '... while the first one goes on');

# --- smoke-test, stress-test --------------------------------------------------------

($status, $text) = demo('smoke-test');
is($status, 0, 'smoke-test ends well');
like($text, qr/^ok calc .*\(200\)$/m, '... having asked the examples');
like($text, qr/^all \d+ examples are right$/m, '... all of them');
($status, $text) = demo('stress-test', 'ARGS=-t 200 -c 4 /api/calc?op=add\&a=1\&b=1');
is($status, 0, 'stress-test ends well');
like($text, qr/^200 requests by 4 clients in /m, '... having sent as many as told');
like($text, qr/^200 x 200$/m, '... with the answers by status');
like($text, qr/^p50 .* ms .*p99 .*max /m, '... and times');
my @rows = $text =~ /^  up to +\S+ ms +(\d+) #+$/mg;
my $sum = 0;
$sum += $_ for @rows;
is($sum, 200, '... and a histogram of all of them');
isnt((demo('stress-test', 'ARGS=-c none'))[0], 0, 'stress-test refuses a number that is none');

is(poolctl('drain', 'calc'), 0, 'calc refuses requests');
($status, $text) = demo('smoke-test');
isnt($status, 0, 'smoke-test fails when a service is broken');
like($text, qr/^not ok calc .*503/m, '... and says which and why');
like($text, qr/^ok search /m, '... and that others are not');
($status, $text) = demo('stress-test', 'ARGS=-t 20 /api/calc');
isnt($status, 0, 'stress-test fails when there are errors');
like($text, qr/^20 x 503$/m, '... and counts them');

# --- restart, stop --------------------------------------------------------------------

($status, $text) = demo('restart');
is($status, 0, 'restart ends well');
my $second = poold_pid();
ok($second && $second != $first, '... with a new poold');
ok(!alive($first), '... and the old one is gone');
is((demo('smoke-test'))[0], 0, '... and all is well again');
is((demo('stop'))[0], 0, 'stop ends well');
ok(!alive($second), '... when poold has');
is_clean('... and nothing is left');

# --- ends that nobody asked for -------------------------------------------------------

is((demo('start-bg'))[0], 0, 'it can be started again');
my $third = poold_pid();
signal_to('KILL', $third) if $third;
eventually { (demo('-s', 'status'))[1] =~ /no demo runs on port $port any more/ } 10,
    'status knows when poold was killed';
my @files = glob "$dir/tmp/*";
is("@files", '', '... whose files are removed');
is((demo('start-bg'))[0], 0, '... and start-bg starts another');

# script/run is the first process of the session.
my ($script) = grep { ((Poold::Proc::stat_of($_) // {})->{session} // 0) == $_
	    && (readlink("/proc/$_/cwd") // '') eq realpath($tree) } Poold::Proc::pids();
ok($script, 'script/run is there');
my $fourth = poold_pid();
signal_to('KILL', $script) if $script;
eventually { $script && !alive($script) } 10, 'script/run can be killed';
is(poold_pid(), $fourth, '... which status survives');
is((demo('stop'))[0], 0, '... and stop stops poold');
ok(!alive($fourth), '... whose process ends');
is_clean('... and nothing is left, again');

done_testing();
