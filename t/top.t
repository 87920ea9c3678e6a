#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# poolctl top, on a terminal that tmux plays.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);
use File::Temp ();
use utf8;
use POSIX ();

my $poolctl = Poold::Test::builddir() . '/poolctl';

if (system('command -v tmux >/dev/null 2>&1') != 0) {
	plan(skip_all => 'no tmux');
}

# --- not on a terminal ----------------------------------------------------------

sub run_alone {
	my (@args) = @_;
	my $pid = open(my $out, '-|') // die "fork: $!";
	if ($pid == 0) {
		open(STDERR, '>&', \*STDOUT);
		open(STDIN, '<', '/dev/null');
		exec { $poolctl } 'poolctl', @args or POSIX::_exit(127);
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	return ($? >> 8, $text);
}

my ($status, $text) = run_alone('top');
if ($text =~ /without ncurses/) {
	plan(skip_all => 'poolctl was built without ncurses');
}
is($status, 64, 'top without a terminal is a usage error');
like($text, qr/for terminals/, '... that says why');
is((run_alone('top', '-d', '0'))[0], 64, '... as is a delay of nothing');
is((run_alone('--json', 'top'))[0], 64, '... and JSON');

# --- a terminal -----------------------------------------------------------------

my $ini = <<'INI';
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[service apple]
route = /apple
command = @bin@/echo
workers = 3

[service pear]
route = /pear
command = @bin@/echo
workers = 12
INI
$ini .= "\n[service s$_]\nroute = /s$_\ncommand = \@bin\@/hello\nworkers = 1\n" for 10 .. 39;
my $poold = poold($ini);
$poold->{keep} = qr/^run\/c\.sock/;
my $socket = "$poold->{run}/c.sock";
my $terminal = File::Temp->newdir('poold-tmux-XXXXXX', TMPDIR => 1);
my @tmux = ('tmux', '-S', "$terminal/s", '-f', '/dev/null');
my $tester = $$;
END { system("tmux -S $terminal/s kill-server 2>/dev/null") if $terminal && $tester == $$ }
binmode $_, ':encoding(UTF-8)'
    for map { Test::More->builder->$_ } qw(output failure_output todo_output);

sub tmux {
	my (@args) = @_;
	open(my $out, '-|', @tmux, @args) or die "tmux: $!";
	binmode $out, ":encoding(UTF-8)";
	local $/;
	my $said = <$out> // '';
	close $out;
	return $said;
}

sub screen { return tmux('capture-pane', '-p', '-t', 'a') }
sub keys_to { tmux('send-keys', '-t', 'a', @_) }
sub asked { my $said = tmux('display-message', '-p', '-t', 'a', $_[0]); chomp $said; return $said }

# The names of the services that are shown, from the top.
sub names { return screen() =~ /^(apple|pear|s\d\d) /mg }

sub shows {
	my ($pattern, $name, $seconds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_until(sub { screen() =~ $pattern }, $seconds // 15), $name)
	    or diag(screen());
}

# Runs a command in the terminal; its status and the terminal's modes are shown
# in the end.
my $wrapper = "$terminal/wrapper";
open(my $script, '>', $wrapper) or die "$wrapper: $!";
print $script <<'WRAPPER';
system @ARGV;
print 'ended=', $? & 127 ? 128 + ($? & 127) : $? >> 8, "\n";
my %is = map { $_ => 1 } split /[\s;]+/, `stty -a`;
print join(' ', 'modes', grep { $is{$_} } qw(isig icanon echo icrnl)), "\n";
WRAPPER
close $script;
sub in_terminal {
	my ($locale, @words) = @_;
	keys_to("clear; LC_ALL=$locale $^X $wrapper $poolctl -s $socket @words", 'Enter');
}

{
	local $ENV{SHELL} = '/bin/sh';
	local $ENV{TERM} = 'xterm-256color';
	# the server would keep the descriptors that the harness holds
	local $^F = 2;
	tmux('-u', 'new-session', '-d', '-s', 'a', '-x', '80', '-y', '24', 'env', 'PS1=$ ', '/bin/sh');
}
in_terminal('C.UTF-8', 'top', '-d', '0.2');
shows(qr/^poold \d\S*  serving  up .* connections \d+/m, 'the head tells of poold');
shows(qr/^nothing is wrong$/m, '... and that nothing is wrong');
shows(qr/^apple +running +□□□ /m, 'a service has a line, with a square a worker');
shows(qr/^pear +running +□{7,8}\+\d |^pear +running +□{12} /m, '... or as many as there is room for');
is(asked('#{alternate_on}'), 1, 'it has a screen of its own');
ok((grep { length > 80 } split /\n/, screen()) == 0, 'no line is longer than the terminal');
is((names())[0], 'apple', 'services are sorted by name');
shows(qr/lines 1-\d+ of 32/, '... and are more than there are lines');

# --- keys ---

keys_to('n');
ok(wait_until(sub { (names())[0] eq 's39' }, 10), 'the same key again turns the order round');
keys_to('n', 'End');
ok(wait_until(sub { (grep { $_ eq 's39' } names()) && !grep { $_ eq 'apple' } names() }, 10),
    'the list scrolls to its end');
keys_to('Home', 'Enter');
shows(qr/^  □ +0 +\d+ +\d+ idle .*\n  □ +1 /m, 'enter shows the workers of a service');
my ($pid) = $poold->workers('apple');
shows(qr/^  □ .* $pid idle/m, '... with their pids');
my $client = $poold->client;
$client->request('GET', '/apple?sleep_ms=' . patience(6000));
shows(qr/^apple +running +□*■□*/m, 'a busy worker is a full square');
shows(qr/^  ■ .* busy +\d+(?:\.\d+)?m?s /m, '... with the age of its request');
sub busy_colour { return tmux('capture-pane', '-p', '-e', '-t', 'a') =~ /\033\[(?:\d+;)*38;5;(\d+)m[^\033]*■/ ? $1 : '' }
my $young;
wait_until(sub { $young = busy_colour() }, 10);
ok(wait_until(sub { my $now = busy_colour(); $now && $now ne $young }, 10),
    '... that changes its colour with age')
    or diag("young: $young\n" . tmux('capture-pane', '-p', '-e', '-t', 'a'));
keys_to('Enter');
ok(wait_until(sub { screen() !~ / busy / }, 10), 'enter hides them again');

keys_to('b');
ok(wait_until(sub { (names())[0] eq 'apple' && screen() =~ /sorted by busy workers/ }, 10),
    'it can be sorted by busy workers');
keys_to('r');
my $load = load($poold, clients => 2, method => 'GET', target => '/s20');
ok(wait_until(sub { (names())[0] eq 's20' }, 20), 'the one with most requests comes first');
shows(qr/^s20 .*[▁▂▃▄▅▆▇█]{2}/m, '... with its history');
keys_to('Space');
shows(qr/PAUSED/, 'space pauses');
my $frozen = screen();
$load->stop;
is(screen(), $frozen, '... and nothing changes');
keys_to('Space');
ok(wait_until(sub { screen() !~ /PAUSED/ }, 10), 'space goes on');
keys_to('?');
shows(qr/Sort by, and the same key again/, '? shows a help');
keys_to('x');
shows(qr/^poold .*serving/, 'any key leaves it');
is($client->response->status, 200, 'the request was answered meanwhile');

# --- size ---

tmux('resize-window', '-t', 'a', '-x', '120', '-y', '40');
shows(qr/REQ\/S OVER TIME.*\n(?:.*\n){32,}/, 'a larger terminal shows more');
shows(qr/ P50 .* DIED /, '... more columns as well');
tmux('resize-window', '-t', 'a', '-x', '50', '-y', '10');
ok(wait_until(sub {
	my @lines = split /\n/, screen();
	@lines <= 10 && $lines[0] =~ /^poold/ && $lines[-1] =~ /^q quit/ && !grep { length > 50 } @lines;
}, 10), 'a small one shows what there is room for') or diag(screen());
tmux('resize-window', '-t', 'a', '-x', '80', '-y', '24');

# --- problems ---

my $control = sub { system("$poolctl -s $socket @_ >/dev/null") };
$control->('drain pear');
shows(qr/^ ! pear: it is drained/m, 'a problem stands at the top');
$control->('resume pear');
shows(qr/^nothing is wrong$/m, '... until it is none');

# --- poold goes and comes back ---

$poold->stop('TERM');
shows(qr/poold is not there: waiting/, 'the end of poold is said');
shows(qr/^s20 /m, '... and what was known last stays');
delete $poold->{exit}; # of the one that has ended
$poold->start;
shows(qr/^nothing is wrong$/m, 'a new one is found');

# --- the end ---

sub restored {
	my ($status_text, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	shows(qr/^ended=$status_text\nmodes isig icanon echo icrnl$/m, $name);
	is(asked('#{alternate_on}/#{cursor_flag}'), '0/1', '... with its screen and cursor');
}
keys_to('q');
restored(0, 'q gives the terminal back as it was');
in_terminal('C', 'top', '-d', '0.2');
shows(qr/^apple +running +ooo /m, 'without UTF-8 it does with ASCII');
is(screen() =~ /[^\x00-\x7f]/ ? 1 : 0, 0, '... alone');
for my $signal (qw(TERM HUP INT)) {
	shows(qr/^apple +running/m, "before a SIG$signal it runs") if $signal ne 'TERM';
	my ($top) = grep { Poold::Proc::title($_) =~ /^\Q$poolctl -s $socket top\E/ } Poold::Proc::pids();
	signal_to($signal, $top);
	my $number = { TERM => 143, HUP => 129, INT => 130 }->{$signal};
	restored($number, "SIG$signal gives the terminal back");
	in_terminal('C', 'top', '-d', '0.2') if $signal ne 'INT';
}
finish();
