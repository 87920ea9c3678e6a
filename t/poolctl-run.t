#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# poolctl run: a command as a service would run it.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);
use File::Temp ();
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);

my $ini = <<'INI';
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[service plain]
route = /plain
command = @bin@/echo
workers = 1
chdir = @dir@
rlimit_nofile = 77
umask = 027
env.PATH = /usr/bin:/bin
env.GREETING = good morning
INI
$ini =~ s/^(access_log.*)$/$1\nuser = nobody/m if is_root;
my $poold = poold($ini);
my $poolctl = Poold::Test::builddir() . '/poolctl';
my $socket = "$poold->{run}/c.sock";

# Starts poolctl: { pid, in, out }, out has stderr too.
sub start {
	my (@args) = @_;
	pipe(my $child_in, my $in) or die "pipe: $!";
	pipe(my $out, my $child_out) or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open(STDIN, '<&', $child_in);
		open(STDOUT, '>&', $child_out);
		open(STDERR, '>&', $child_out);
		exec { $poolctl } 'poolctl', '-s', $socket, @args or POSIX::_exit(127);
	}
	$in->autoflush(1);
	return { pid => $pid, in => $in, out => $out };
}

# Ends it: (exit status, the rest of what it printed).
sub end {
	my ($run) = @_;
	close delete $run->{in} if $run->{in};
	local $/;
	my $text = readline($run->{out}) // '';
	waitpid $run->{pid}, 0;
	return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $text);
}
sub run { return end(start('run', 'plain', '--', @_)) }

# --- what it gets -----------------------------------------------------------------

my ($status, $text) = run('sh', '-c', 'echo "$GREETING, $POOLD_SERVICE"');
is($status, 0, 'a command runs');
is($text, "good morning, plain\n", '... with the environment of the service');
is((run('pwd'))[1], "$poold->{dir}\n", '... in its folder');
is((run('sh', '-c', 'ulimit -n; umask'))[1], "77\n0027\n", '... within its limits');
SKIP: {
	skip('only root can be others', 1) unless is_root;
	is((run('id', '-un'))[1], "nobody\n", '... as its user');
}
is((run('sh', '-c', 'echo "${POOLD_FDS-none} ${NOTIFY_SOCKET-none} ${POOLD_SLOT-none}"'))[1],
    "none none none\n", '... without what belongs to workers');
is((run('sh', '-c', 'ls /proc/self/fd | wc -l'))[1] + 0, 4,
    '... nor any descriptor but its own (and the one that lists them)');
is((run('printf', '%s|', 'a b', '-s', '--json', '--', ''))[1], 'a b|-s|--json|--||',
    'its words are its own, options and all');
is((end(start('run', 'plain', 'echo', '-n', 'x')))[1], 'x', '-- may be left out');

my $cat = start('run', 'plain', '--', 'sh', '-c', 'cat; echo error >&2');
print { $cat->{in} } "through\n";
($status, $text) = end($cat);
is($text, "through\nerror\n", 'standard input, output and error are ours');

# --- how it ends ------------------------------------------------------------------

is((run('sh', '-c', 'exit 42'))[0], 42, 'its exit status is handed back');
is((run('sh', '-c', 'kill -9 $$'))[0], 137, '... as is its signal');
($status, $text) = run('no-such-command');
is($status, 127, 'a command that is not there ends with 127');
like($text, qr/cannot start it: exec: No such file/, '... and the reason');
is((run('/etc/passwd'))[0], 126, 'one that cannot be executed with 126');
($status, $text) = end(start('run', 'none', 'true'));
is($status, 125, 'a service that does not exist with 125');
like($text, qr/no such service/, '... and the reason');
is((end(start('run', 'plain')))[0], 64, 'no command is a usage error');

for my $signal (qw(TERM INT HUP)) {
	my $run = start('run', 'plain', '--', 'sh', '-c',
	    "trap 'echo got $signal; exit 3' $signal; echo ready; while :; do sleep 0.05; done");
	is(readline $run->{out}, "ready\n", "before SIG$signal it runs");
	signal_to($signal, $run->{pid});
	($status, $text) = end($run);
	like($text, qr/^got $signal$/m, "... which is forwarded");
	is($status, 3, '... and answered');
}

my $dying = start('run', 'plain', '--', 'sh', '-c', 'trap "" HUP TERM; sleep 1000 & echo $$ $!; wait');
my @pids = split ' ', readline $dying->{out};
ok((grep { alive($_) } @pids) == 2, 'a command with a child runs');
signal_to('KILL', $dying->{pid});
waitpid $dying->{pid}, 0;
ok(wait_until(sub { !grep { alive($_) } @pids }, 10), 'when poolctl dies, they end with it');
my $leader = start('run', 'plain', '--', 'sh', '-c', 'sleep 1000 >/dev/null 2>&1 & echo $!');
my $child = readline $leader->{out};
chomp $child;
is((end($leader))[0], 0, 'a command may end before its children');
ok(wait_until(sub { !alive($child) }, 10), '... which are killed then');

# --- reload, upgrade --------------------------------------------------------------

my $long = start('run', 'plain', '--', 'sh', '-c', 'echo $$; read word; echo "read $word"; exit 5');
my ($pid) = readline($long->{out}) =~ /(\d+)/;
$poold->write_config($ini =~ s/workers = 1/workers = 2/r);
is(system("$poolctl -s $socket reload >/dev/null"), 0, 'a reload, while a command runs');
is(system("$poolctl -s $socket restart plain >/dev/null"), 0, '... and a restart');
is(system("$poolctl -s $socket upgrade >/dev/null"), 0, '... and an upgrade');
ok(alive($pid), '... do nothing to it');
print { $long->{in} } "on\n";
($status, $text) = end($long);
is($text, "read on\n", '... it goes on');
is($status, 5, '... and its exit status is handed back');
my $signalled = start('run', 'plain', '--', 'sh', '-c', 'trap "exit 6" TERM; echo $$; while :; do sleep 0.05; done');
readline $signalled->{out};
is(system("$poolctl -s $socket upgrade >/dev/null"), 0, 'after an upgrade');
signal_to('TERM', $signalled->{pid});
is((end($signalled))[0], 6, '... signals are forwarded, too');

# --- how many, and by whom --------------------------------------------------------

my @many = map { start('run', 'plain', '--', 'sh', '-c', 'echo started; read x') } 1 .. 8;
readline $_->{out} for @many;
($status, $text) = run('true');
is($status, 125, 'there is an end to how many there may be');
like($text, qr/too many/, '... which is said');
is((end($_))[0] // -1, 1, 'one of them ends at the end of its input') for $many[0];
ok(wait_until(sub { (run('true'))[0] == 0 }, 10), '... and makes room');
end($_) for @many[1 .. 7];

my $bare = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $socket);
print $bare qq({"command":"run","service":"plain","argv":["true"]}\n);
like(scalar <$bare>, qr/came without standard input/, 'without descriptors it is refused');
print $bare qq({"command":"run","service":"plain","argv":[1]}\n);
like(scalar <$bare>, qr/argv is a list of texts/, '... as are words that are none');
print $bare qq({"command":"status"}\n);
like(scalar <$bare>, qr/"ok": ?true/, '... and the connection goes on');

# --- a terminal -------------------------------------------------------------------

SKIP: {
	skip('no tmux', 10) if system('command -v tmux >/dev/null 2>&1') != 0;
	my $folder = File::Temp->newdir('poold-tmux-XXXXXX', TMPDIR => 1);
	my $tmux = "tmux -S $folder/s -f /dev/null";
	my $tester = $$;
	my $screen = sub { scalar `$tmux capture-pane -p -t a` };
	my $shows = sub {
		my ($pattern, $name) = @_;
		ok(wait_until(sub { $screen->() =~ $pattern }, 10), $name) or diag($screen->());
	};
	my $types = sub { system("$tmux send-keys -t a '$_[0]' Enter") };
	# What is typed before a shell reads would go to another program, or be in front
	# of its prompt.
	my $prompts = sub {
		my ($prompt) = @_;
		wait_until(sub { $screen->() =~ /^\Q$prompt\E\s*\z/m }, 10);
	};
	system("env SHELL=/bin/sh $tmux new-session -d -s a -x 80 -y 24 env PS1='% ' /bin/sh");
	$prompts->('%');
	$types->("$poolctl -s $socket run plain -- env PS1=inside: sh");
	$shows->(qr/^inside:/m, 'a shell on a terminal has one of its own');
	$types->('stty size; tty; echo $TERM');
	$shows->(qr/^24 80\n\/dev\/pts\/\d+\n\w+/m, '... of the same size and kind');
	$prompts->('inside:');
	$types->("sh -c \"echo begin\$((1 + 1)); exec sleep 1000\"");
	$shows->(qr/^begin2/m, '... where a command runs');
	system("$tmux send-keys -t a C-c");
	$prompts->('inside:');
	$types->('echo still $((40 + 2))');
	$shows->(qr/^still 42/m, '... with job control: Ctrl-C ends it');
	system("$tmux resize-window -t a -x 100 -y 30");
	ok(wait_until(sub {
		$prompts->('inside:');
		$types->('stty size');
		$prompts->('inside:');
		$screen->() =~ /^30 100/m;
	}, 10), '... whose size follows') or diag($screen->());
	$types->('exit 9');
	$prompts->('%');
	$types->('echo status $?; stty -a | grep -o icanon');
	$shows->(qr/^status 9/m, '... and the status comes back');
	$shows->(qr/^icanon/m, '... to a terminal as it was');
	my $common = File::Temp->newdir('poold-run-XXXXXX', TMPDIR => 1);
	chmod 0755, $common; # whoever the service is
	$prompts->('%');
	$types->("clear; $poolctl -s $socket run plain -- sh -c \"exec <&-; echo deaf\$((1 + 1)); "
		. "until test -e $common/go; do sleep 0.1; done; sleep 0.5; echo on\$((1 + 1))\" | cat");
	$shows->(qr/^deaf2/m, 'a command may close its input');
	$types->('what nobody reads');
	$shows->(qr/^what nobody reads/m, '... where something is typed still');
	open(my $go, '>', "$common/go") or die "$common/go: $!";
	$shows->(qr/^on2/m, '... and goes on');
	system("$tmux kill-server");
}

# --- poold stops ------------------------------------------------------------------

my $last = start('run', 'plain', '--', 'sh', '-c', 'trap "echo asked; exit 8" TERM; echo ready; while :; do sleep 0.05; done');
readline $last->{out};
is($poold->stop('TERM'), 0, 'poold stops, while a command runs');
($status, $text) = end($last);
like($text, qr/^asked$/m, '... which is asked to end');
no_leftovers($poold);
finish();
