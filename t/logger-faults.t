#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Logs that cannot be written, and a logger that dies, cost no request.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive fds signal_to);
use JSON::PP ();
use List::Util qw(sum0);
use POSIX ();
use Time::HiRes qw(time sleep);

my $services = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service p]
route = /p
command = @bin@/printer
workers = 2
INI

sub config {
	my ($keys) = @_;
	return "[poold]\ncontrol = \@run\@/control\n$keys"
	    . (is_root ? "user = nobody\n" : '') . "\n$services";
}

sub text_of { return Poold::Proc::slurp($_[0]) // '' }

my $poolctl = Poold::Test::builddir() . '/poolctl';
sub dropped {
	my ($poold) = @_;
	my $text = qx('$poolctl' -s '$poold->{run}/control' --json status);
	return eval { JSON::PP::decode_json($text)->{poold}{log_lines_dropped} } // -1;
}

sub memory_kb {
	my ($pid) = @_;
	return text_of("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

# Requests that each print a lot; returns how many of them fail.
sub failures {
	my ($poold, $count, $bytes) = @_;
	my $client = $poold->client;
	my $text = 'y' x 999 . '%0a';
	my $n = int($bytes / 1000) || 1;
	return scalar grep { $client->get("/p?text=$text&n=$n")->status != 200 } 1 .. $count;
}

my $factor = $ENV{POOLD_TEST_FACTOR} // 1;

# --- a pipe that nobody reads

my $path = temp_dir() . '/fifo';
POSIX::mkfifo($path, 0666) or die "$path: $!";
my $poold = new_poold(config("log = $path\naccess_log = $path\n"));
$poold->start(nowait => 1);
ok(wait_until(sub { eval { $poold->get('/p')->status == 200 } }, 15),
    'a log that nobody reads does not keep poold from starting');
my $began = time;
is(failures($poold, 100, 100_000), 0, '10 MB of lines into it: no request fails');
cmp_ok(time - $began, '<', patience(20), '... or waits');
ok(wait_until(sub { dropped($poold) > 5000 }, 10), '... and lines are dropped and counted')
    or diag dropped($poold);
cmp_ok(memory_kb($poold->logger), '<', 30_000 * $factor, '... and the logger stays small');
my $before = memory_kb($poold->router) + memory_kb($poold->pid);
is(failures($poold, 50, 100_000), 0, 'more of them');
cmp_ok(memory_kb($poold->router) + memory_kb($poold->pid), '<', $before + 2_000 * $factor,
    '... make neither router nor supervisor grow');
$began = time;
$poold->stop('TERM', 15);
is($poold->exited, 0, 'poold stops');
cmp_ok(time - $began, '<', patience(8), '... and does not wait for a reader');

# one that is read again
$poold = new_poold(config("log = $path\n"));
$poold->start(nowait => 1);
wait_until(sub { eval { $poold->get('/p')->status == 200 } }, 15);
failures($poold, 50, 100_000);
wait_until(sub { dropped($poold) > 0 }, 10);
open(my $fifo, '<', $path) or die "$path: $!";
my $read = '';
# What came through the pipe so far.
sub arrived {
	my $rin = '';
	vec($rin, fileno $fifo, 1) = 1;
	sysread $fifo, $read, 1 << 20, length $read while select(my $r = $rin, undef, undef, 0.05);
	return $read;
}
sub told { return sum0(arrived() =~ /warn logger\[\d+\]: (\d+) lines? for \S+ were dropped/g) }
ok(wait_until(sub { my $told = told(); $told > 0 && $told == dropped($poold) }, 20),
    'when it is read again, the log says how many are missing')
    or diag 'told ' . told() . ' of ' . dropped($poold);
$poold->get('/p?text=here+again%0a');
ok(wait_until(sub { arrived() =~ /here again$/m }, 10), '... and goes on');
is(scalar(grep { length && !/^\d{4}-\S+Z \w+ \w+\[\d+\]: / } split /\n/, $read), 0,
    '... and each line is whole');
close $fifo;
$poold->stop('TERM', 15);

# --- a full disk

$poold = poold(config("access_log = /dev/full\n"));
is(failures($poold, 200, 1), 0, 'a full disk: no request fails');
ok(wait_until(sub { dropped($poold) >= 200 }, 10), '... and each line is counted');
ok($poold->wait_log(qr{warn logger\[\d+\]: \d+ lines for /dev/full were dropped: No space left}, 20),
    '... and the log says so');
$poold->stop('TERM', 15);

SKIP: {
	my $disk = temp_dir() . '/disk';
	skip 'not root', 5 unless is_root;
	mkdir $disk;
	skip 'no mount', 5
	    if system("mount -t tmpfs -o size=64k,mode=777 none '$disk' 2>/dev/null") != 0;
	$poold = poold(config("") . "output = $disk/out.log\n");
	is(failures($poold, 200, 1000), 0, 'a small disk that fills up: no request fails');
	ok(wait_until(sub { dropped($poold) > 100 }, 10), '... and what does not fit is counted');
	open(my $fh, '>', "$disk/out.log"); # there is room again
	close $fh;
	$poold->get('/p?text=room+again%0a');
	ok(wait_until(sub { text_of("$disk/out.log") =~ /room again$/m }, 10), '... until there is room');
	is(scalar(grep { length && !/^\d{4}-\S+Z info p\[\d+\]: / } split /\n/, text_of("$disk/out.log")), 0,
	    '... and then lines are whole');
	ok($poold->wait_log(qr{lines for \S+/out\.log were dropped}, 20), '... and the log says what was lost');
	$poold->stop('TERM', 15);
	system("umount '$disk'");
}

# --- a logger that dies

$poold = poold(config("access_log = \@dir\@/access.log\n"));
$poold->{keep} = qr{^access\.log$};
my @load = map { load($poold, target => '/p?text=a+line%0a') } 1 .. 3;
my $logger = $poold->logger;
for my $round (1 .. 5) {
	my $old = $poold->logger;
	signal_to 'KILL', $old;
	ok(wait_until(sub { my $new = $poold->logger; $new && $new != $old }, 10),
	    "a logger that is killed under load is replaced ($round)");
	sleep 0.2; # of load, for the next one
}
my @results = map { $_->stop } @load;
my @failed = map { @{ $_->{failures} } } @results;
is("@failed", '', '... and no request fails');
ok($poold->wait_log('the logger \(pid \d+\) was killed by signal 9'), '... and the log says so');
$poold->get('/p?text=at+the+end%0a');
ok($poold->wait_log('at the end'), '... and the log goes on');
ok(wait_until(sub { text_of("$poold->{dir}/access.log") =~ /at\+the\+end/ }, 5), '... the access log, too');
is(scalar(() = $poold->log_text =~ /SIGPIPE|signal 13/g), 0, '... and nobody gets SIGPIPE');

# stopped, it is found out
$logger = $poold->logger;
signal_to 'STOP', $logger;
is(failures($poold, 20, 100_000), 0, 'a logger that is stopped: no request fails');
ok(wait_until(sub { !alive($logger) && $poold->logger }, 20), '... and it is replaced');
ok($poold->wait_log('does not answer', 10), '... and the log says why');
$poold->get('/p?text=once+more%0a');
ok($poold->wait_log('once more'), '... and goes on');
ok(wait_until(sub { dropped($poold) > 0 }, 10), 'what workers could not print was counted');

finish();
