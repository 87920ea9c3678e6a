#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Where the logs go: files that are rotated, syslog, and those who ask for them.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(fds);
use IO::Socket::UNIX ();
use JSON::PP ();
use Socket qw(SOCK_DGRAM);
use Time::HiRes qw(time sleep);

my $services = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service p]
route = /p
command = @bin@/printer
workers = 1

[service q]
route = /q
command = @bin@/printer
workers = 1
output = @run@/q.log
INI

sub config {
	my ($keys) = @_;
	return "[poold]\n$keys" . (is_root ? "user = nobody\n" : '') . "\n$services";
}

sub text_of { return Poold::Proc::slurp($_[0]) // '' }

# Has a worker print a line; the request is over then.
sub prints {
	my ($poold, $line, $route, $times) = @_;
	$times //= 1;
	return $poold->get(($route // '/p') . "?text=$line%0a&n=$times")->status;
}

sub soon(&$) {
	my ($code, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(wait_until(\&$code, 10), $name);
}

# --- rotation

my $poold = new_poold(config("log = \@run\@/poold.log\naccess_log = \@run\@/access.log\n"));
my $run = $poold->{run};
$poold->{log_file} = "$run/poold.log";
$poold->start;
my @logs = map { "$run/$_.log" } qw(poold access q);

# As logrotate does: rename, then postrotate.
sub rotate {
	my ($n) = @_;
	rename $_, "$_.$n" or die "$_: $!" for @logs;
	$poold->signal('USR1');
}

prints($poold, "before-$_") for 1 .. 20;
prints($poold, "quiet-before-$_", '/q') for 1 .. 20;
# what is still under way then is rightly in the new files
soon { text_of($logs[0]) =~ /before-20$/m && text_of($logs[2]) =~ /before-20$/m
	&& (() = text_of($logs[1]) =~ /before-/g) == 40 } 'the logs are written';
rotate(1);
soon { text_of($logs[0]) =~ /logger\[\d+\]: the logs were reopened$/m } 'SIGUSR1: the logs are opened anew';
prints($poold, "after-$_") for 1 .. 20;
prints($poold, "quiet-after-$_", '/q') for 1 .. 20;
soon { text_of($logs[0]) =~ /after-20$/m && text_of($logs[2]) =~ /after-20$/m
	&& (() = text_of($logs[1]) =~ /after-/g) == 40 } '... and what comes then is in the new ones';
for my $log (@logs) {
	my ($name) = $log =~ m{([^/]*)\.log$};
	unlike(text_of("$log.1"), qr/after-/, "$name: ... and not in the old one");
	unlike(text_of($log), qr/before-/, '... which has what came before');
}
is(() = text_of("$logs[0].1") =~ /: (?:\[\w+\] )?before-\d+$/mg, 20, 'of the log no line is lost');
is(() = text_of("$logs[1].1") =~ /before-/g, 40, '... nor of the access log');
is(() = text_of("$logs[2].1") =~ /quiet-before-\d+$/mg, 20, "... nor of a service's output");
is(scalar(grep { m{\Q$run\E/.*\.1$} } map { values %{ fds($_) // {} } } $poold->pid, $poold->logger),
    0, 'nobody has the old files open');

# again and again, while there is load
my $count = 0;
for my $round (2 .. 6) {
	$count += prints($poold, "round-$round-$_") == 200 for 1 .. 30;
	rotate($round);
	soon { -s $logs[0] && text_of($logs[0]) =~ /the logs were reopened$/m } "rotation $round";
}
$poold->stop('TERM', 15);
my $all = join '', map { text_of($_) } $logs[1], map { "$logs[1].$_" } 1 .. 6;
is(() = $all =~ /round-\d+-\d+/g, $count, 'through five rotations each request is in some access log');
$all = join '', map { text_of($_) } $logs[0], map { "$logs[0].$_" } 1 .. 6;
is(() = $all =~ /round-\d+-\d+$/mg, $count, '... and each line of the worker in some log');

# a file that cannot be opened
$poold = new_poold(config("log = \@run\@/there/poold.log\n"));
my ($status, $said) = $poold->run('-c', $poold->{ini});
is($status, 77, 'a log that cannot be opened is an error at the start');
like($said, qr{cannot open the log \S+/there/poold\.log}, '... said on standard error');
$poold = new_poold(config("log = \@run\@/poold.log\n") =~ s/\@port\@/1.2.3.4:1/r =~ s/127\.0\.0\.1:1\.2\.3\.4/1.2.3.4/r);
($status, $said) = $poold->run('-c', $poold->{ini});
isnt($status, 0, 'an address that cannot be bound, with a log in a file');
like($said, qr/1\.2\.3\.4/, '... is said on standard error');
like(text_of("$poold->{run}/poold.log"), qr/error supervisor\[\d+\]: .*1\.2\.3\.4/, '... and in the log');

# --- syslog

my $dir = temp_dir();
my $path = "$dir/devlog";
sub listen_syslog {
	unlink $path;
	my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!";
	chmod 0666, $path;
	return $socket;
}

# The messages that have come, up to one that matches.
sub messages {
	my ($socket, $pattern) = @_;
	my @messages;
	wait_until(sub {
		my $rin = '';
		vec($rin, fileno $socket, 1) = 1;
		while (select(my $r = $rin, undef, undef, 0)) {
			$socket->recv(my $message, 65536);
			push @messages, $message;
		}
		return grep { /$pattern/ } @messages;
	}, 10);
	return @messages;
}

my $daemon = listen_syslog();
$poold = new_poold(config("log = syslog:$path\n"));
$poold->start(nowait => 1);
my ($message) = grep { /generation 1 is ready/ } messages($daemon, qr/service q: generation 1 is ready/);
like($message, qr{^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d poold/supervisor\[\d+\]: service \w: generation 1 is ready},
    'log = syslog: messages as RFC 3164 has them');
wait_until(sub { prints($poold, "first") == 200 }, 10);
my $pid = $poold->{pid};
($message) = grep { /first/ } messages($daemon, qr/first/);
like($message, qr{^<30>.{15}\ poold/p\[\d+\]: (?:\[\w+\] )?first$}, '... those of workers, too');
prints($poold, '%3c3%3ebad%0a%3c4%3eodd%0a%3c5%3eplain');
my @messages = messages($daemon, qr/plain/);
is(join(' ', map { /^(<\d+>).*: (?:\[\w+\] )?(\w+)$/ ? "$1$2" : () } @messages), '<27>bad <28>odd <30>plain',
    '... with their levels');
close $daemon;
soon {
	prints($poold, 'lost');
	return Poold::Proc::title($poold->logger) =~ /[1-9]\d* dropped/;
} 'without a daemon they are dropped, and counted';
$daemon = listen_syslog();
my @back;
wait_until(sub {
	prints($poold, 'back');
	push @back, messages($daemon, qr/back|were dropped/);
	return (grep { /back/ } @back) && grep { /were dropped/ } @back;
}, 20);
ok((grep { /: (?:\[\w+\] )?back$/ } @back), 'a daemon that comes back gets messages again');
ok((grep { /poold\/logger\[.*: [1-9]\d* lines? for \S+ were dropped/ } @back),
    '... and is told what was lost');
$poold->stop('TERM', 15);
close $daemon;

# --- those who ask

$poold = poold(config("control = \@run\@/control\nlog_level = info\n"));
my $poolctl = Poold::Test::builddir() . '/poolctl';
sub poolctl {
	my (@args) = @_;
	my $pid = open(my $fh, '-|') // die "fork: $!";
	if ($pid == 0) {
		open(STDERR, '>&', \*STDOUT);
		exec $poolctl, '-s', "$poold->{run}/control", @args;
		die "$poolctl: $!";
	}
	return $fh;
}
sub said { my $fh = poolctl(@_); local $/; return scalar <$fh> }

prints($poold, 'in-the-log%1b[31m');
prints($poold, 'in-a-file', '/q');
soon { said('logs', 'q') =~ /in-a-file/ } 'logs: what was logged last, also of a service with an output of its own';
$said = said('logs');
like($said, qr/^\S+Z info p\[\d+\]: (?:\[\w+\] )?in-the-log\\x1b\[31m$/m, '... as it is in the log');
like($said, qr/ info supervisor\[\d+\]: service p: generation 1 is ready/, "... and poold's own lines");
unlike(said('logs', 'p'), qr/supervisor|in-a-file/, 'logs SERVICE: its lines alone');
my @objects = map { JSON::PP->new->utf8->decode($_) } split /\n/, said('--json', 'logs', 'p');
is($objects[-1]{line}, "in-the-log\e[31m", 'with --json: objects');
is(join(' ', sort keys %{ $objects[-1] }), 'level line pid request_id role service time', '... with all keys');
like(said('logs', 'none'), qr/no such service/, 'a service that is none');

my $follow = poolctl('logs', '-f', 'p');
like(scalar(<$follow>), qr/in-the-log/, 'logs -f: what was');
for my $n (1 .. 3) {
	prints($poold, "now-$n");
	like(scalar(<$follow>), qr/ p\[\d+\]: (?:\[\w+\] )?now-$n$/, "... and what is ($n)");
}

# one that reads nothing costs nobody anything
sub asks {
	my $socket = IO::Socket::UNIX->new(Peer => "$poold->{run}/control") or die "control: $!";
	syswrite $socket, qq({"command":"logs","follow":true}\n);
	return $socket;
}
my @idle = map { asks() } 1 .. 10;
my $began = time;
prints($poold, 'x' x 4000, '/p', 100) for 1 .. 6; # more than sockets hold and the logger keeps
cmp_ok(time - $began, '<', patience(20), 'clients that read nothing hold no request up');
my $got = '';
while (defined(my $line = <$follow>)) {
	$got = $line;
	last if $line =~ /x{4000}/;
}
like($got, qr/x{4000}/, '... nor one that reads');
my $logger = $poold->logger;
my ($kb) = text_of("/proc/$logger/status") =~ /^VmRSS:\s+(\d+)/m;
cmp_ok($kb, '<', 40_000 * ($ENV{POOLD_TEST_FACTOR} // 1), '... and the logger stays small');
prints($poold, 'too-slow');
my $text = '';
my $slow = shift @idle;
wait_until(sub {
	my $rin = '';
	vec($rin, fileno $slow, 1) = 1;
	while (select(my $r = $rin, undef, undef, 0.1)) {
		sysread($slow, $text, 65536, length $text) or return 1;
		return 1 if $text =~ /too-slow/;
	}
	return 0;
}, 15);
my @lines = map { JSON::PP->new->utf8->decode($_) } grep { length } split /\n/, $text =~ s/[^\n]*\z//r;
is($lines[0]{ok}, JSON::PP::true(), 'one that reads late gets its answer');
ok((grep { $_->{missed} } @lines), '... and is told how many lines it has missed') or diag scalar @lines;
close $_ for $slow, @idle;
$poold->stop('TERM', 15);
like(join('', <$follow>), qr/the logger has ended/, 'the end of poold ends logs -f');

finish();
