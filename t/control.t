#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The control socket: its protocol, who may use it, and clients that mean harm.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Config;
use Poold::Proc qw(fds signal_to);
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(time sleep);

my $ini = <<'INI';
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[service echo]
route = /
command = @bin@/echo
workers = 2
INI
my $poold = poold($ini);
my $socket = "$poold->{run}/c.sock";

sub connect_to { return IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $_[0] // $socket) }

# The next line; undef at the end or when nothing comes.
sub line {
	my ($client, $seconds) = @_;
	my $deadline = time + patience($seconds // 10);
	my $buffer = \${*$client}{buffer};
	$$buffer //= '';
	while ($$buffer !~ /\n/) {
		return unless IO::Select->new($client)->can_read($deadline - time);
		sysread($client, $$buffer, 65536, length $$buffer) or return;
	}
	$$buffer =~ s/^(.*?)\n//s;
	return $1;
}

sub ask {
	my ($client, $request) = @_;
	$request = JSON::PP->new->utf8->encode($request) if ref $request;
	syswrite($client, "$request\n") or return {};
	my $line = line($client) // return {};
	return JSON::PP->new->utf8->decode($line);
}

# --- protocol -----------------------------------------------------------------

is((stat $socket)[2] & 07777, 0660, 'the socket is for its owner and group');
my $client = connect_to();
ok(ask($client, { command => 'status' })->{ok}, 'a request on a line gets a reply');
ok(ask($client, { command => 'status' })->{ok}, '... and the next one, too');
like(ask($client, 'nonsense')->{error}, qr/JSON object/, 'what is no JSON is refused');
like(ask($client, '[1]')->{error}, qr/JSON object/, '... and what is no object');
like(ask($client, {})->{error}, qr/no command/, '... and a request without a command');
like(ask($client, { command => 'fly' })->{error}, qr/unknown command/, '... or with another');
like(ask($client, { command => 'scale', service => 'echo', workers => '3' })->{error},
    qr/from 1 to/, 'a number as text is none');
my $all = ask($client, { command => 'status', workers => JSON::PP::true() });
is_deeply([ sort map { $_->{pid} } @{ $all->{services}[0]{workers} } ],
    [ sort $poold->workers('echo') ], 'status can have the workers of all services');
like(ask($client, { command => 'scale' })->{error}, qr/names no service/,
    'a service has to be named');
like(ask($client, { command => 'drain', service => [] })->{error}, qr/names no service/,
    '... by text');
like(ask($client, '{"command":"status","command":"stop"}')->{error}, qr/JSON object/,
    'a key that stands twice is refused');
ok(ask($client, { command => 'status' })->{ok}, 'the connection goes on after all that');

syswrite($client, qq({"command":"status"}\n{"command":"check"}\n{"command":"reload"}\n));
like(line($client), qr/"services"/, 'requests that come together are answered in order: one');
like(line($client), qr/"problems"/, '... two');
like(line($client), qr/"seconds"/, '... three');
syswrite($client, qq({"command":));
ok(wait_until(sub {
	ioctl($client, 0x5411, my $unread = pack 'i', 0); # SIOCOUTQ
	return unpack('i', $unread) == 0;
}, 10), 'a piece of a request is read');
syswrite($client, qq("check"}\n));
like(line($client), qr/"problems"/, 'a request may come in pieces');

# --- harm ---------------------------------------------------------------------

my $long = connect_to();
syswrite($long, 'x' x 5000);
like(line($long), qr/too long/, 'a request without an end is refused');
is(line($long), undef, '... and its connection closed');

my $deep = connect_to();
like((ask($deep, '[' x 4000))->{error}, qr/JSON object/, 'deep nesting does no harm');

my @many = map { connect_to() } 1 .. 60;
# the backlog is shorter than that
my @refused = grep { $_ && (line($_, 0.5) // '') =~ /too many clients/ } @many[40 .. 59];
ok(@refused > 0, 'more than 32 clients are refused');
is($poold->get('/')->status, 200, '... and requests are served');
@many = ();
eventually {
	my $fresh = connect_to();
	$fresh && ask($fresh, { command => 'check' })->{ok};
} 5,
    'room is free again when they have gone';

# one that never reads, and asks for more and more
my $greedy = connect_to();
$greedy->blocking(0);
my $asked = 0;
for (1 .. 20000) {
	defined syswrite($greedy, qq({"command":"config"}\n)) or last;
	$asked++;
}
note("asked $asked times");
my $begin = time;
ok(ask($client, { command => 'check' })->{ok}, 'a client that reads nothing delays no other');
ok(time - $begin < patience(5), '... for long');
is($poold->get('/')->status, 200, '... and no request');
undef $greedy;

# Sends a request and descriptors with it: Perl has no sendmsg of its own, so this is
# struct msghdr as 64-bit Linux has it.
sub send_fds {
	my ($sock, $request, @fds) = @_;
	my $number = { x86_64 => 46, aarch64 => 211 }->{ $Config{archname} =~ s/-.*//r };
	return if !$number || $Config{ptrsize} != 8;
	my $iov = pack('P Q', $request, length $request);
	my $rights = pack('Q l l l*', 16 + 4 * @fds, 1, 1, @fds); # SOL_SOCKET, SCM_RIGHTS
	$rights .= "\0" x (-length($rights) % 8);
	my $msg = pack('Q L x4 P Q P Q l x4', 0, 0, $iov, 1, $rights, length $rights, 0);
	return syscall($number, fileno $sock, $msg, 0) == length $request;
}

SKIP: {
	my $before = fds($poold->pid) // skip('the descriptors of poold cannot be read', 1);
	my $giver = connect_to();
	open(my $null, '<', '/dev/null') or die $!;
	for (1 .. 20) {
		send_fds($giver, qq({"command":"check"}\n), (fileno $null) x 4)
		    or skip('no sendmsg', 1);
		line($giver);
	}
	undef $giver;
	eventually { keys %{ fds($poold->pid) } <= keys %$before }
	10, 'more descriptors than it asked for do not stay with it';
}

my $follower = connect_to();
like(JSON::PP->new->encode(ask($follower, { command => 'events', follow => JSON::PP::true() })),
    qr/"follow":true/, 'events can be followed');
ask($client, { command => 'drain', service => 'echo' });
ask($client, { command => 'resume', service => 'echo' });
my ($drained, $next);
$drained = $next while ($next = line($follower, 5)) && $next !~ /"resumed"/;
like($drained, qr/"event":"drained"/, '... one a line, in order');

# --- a follower that does not read --------------------------------------------

my $deaf = connect_to();
syswrite($deaf, qq({"command":"events","follow":true}\n));
my $rounds = 0;
ok(wait_until(sub {
	for (1 .. 50) {
		ask($client, { command => 'drain', service => 'echo' });
		ask($client, { command => 'resume', service => 'echo' });
		$rounds++;
	}
	return $poold->wait_log(qr/does not read what it gets/, 0);
}, 30), 'a follower that does not read is dropped');
note("after $rounds rounds");
ok(ask($client, { command => 'check' })->{ok}, '... and nobody else');

# --- who ----------------------------------------------------------------------

# What a user gets: the reply, or "" when it may not connect.  groups: numbers.
sub as_user {
	my ($name, $request, $path, @groups) = @_;
	my ($uid, $gid) = (getpwnam $name)[2, 3];
	my $pid = open(my $out, '-|') // die "fork: $!";
	if ($pid == 0) {
		$) = join ' ', $gid, $gid, @groups;
		POSIX::setgid($gid);
		POSIX::setuid($uid);
		my $user = connect_to($path);
		if ($user) {
			syswrite($user, "$request\n");
			print line($user) // '';
		}
		close STDOUT;
		POSIX::_exit(0);
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	return $text;
}

SKIP: {
	skip('only root can be others', 10) unless is_root();
	my $check = '{"command":"check"}';
	my $drain = '{"command":"drain","service":"echo"}';
	my ($daemon) = (getgrnam 'daemon')[2];
	is(as_user('nobody', $check, $socket), '', 'another user may not connect');
	$poold->write_config($ini =~ s/^(control = .*)$/$1\ncontrol_group = daemon/mr);
	ok(ask($client, { command => 'reload' })->{ok}, 'a reload can give it to a group');
	is((stat $socket)[5], $daemon, '... that the file then belongs to');
	like(as_user('nobody', $check, $socket, $daemon), qr/"ok":true/,
	    'a member of control_group may connect');
	like(as_user('nobody', '{"command":"resume","service":"echo"}', $socket, $daemon),
	    qr/"ok":true/, '... and change something');
	is(as_user('nobody', $check, $socket), '', 'one that is no member may not');
	$poold->write_config($ini =~ s/^(control = .*)$/$1\ncontrol_readers = all/mr);
	ask($client, { command => 'reload' });
	like(as_user('nobody', $check, $socket), qr/"ok":true/,
	    'with control_readers = all anybody may look');
	like(as_user('nobody', $drain, $socket), qr/may only look/, '... but change nothing');
	like(as_user('nobody', '{"command":"config"}', $socket), qr/may only look/,
	    '... nor see the configuration');
	$poold->write_config($ini);
	ask($client, { command => 'reload' });
	is((stat $socket)[2] & 07777, 0660, 'a reload takes that back');
}

# --- where --------------------------------------------------------------------

unlink $socket;
ok(ask($client, { command => 'reload' })->{ok} && -S $socket,
    'a reload brings a socket back that somebody has removed');
ok(ask(connect_to(), { command => 'check' })->{ok}, '... and it works');
$poold->write_config($ini =~ s/c\.sock/d.sock/r);
ok(ask($client, { command => 'reload' })->{ok}, 'a reload moves the socket');
ok(!-e $socket, '... the old file is gone');
ok(ask(connect_to("$poold->{run}/d.sock"), { command => 'check' })->{ok}, '... the new one works');
ok(ask($client, { command => 'check' })->{ok}, '... and who was connected stays so');

open(my $file, '>', "$poold->{run}/file") or die $!;
close $file;
$poold->write_config($ini =~ s/c\.sock/file/r);
my $failed = ask($client, { command => 'reload' });
like($failed->{error}, qr{run/file: .*no socket}, 'a file that is no socket is an error');
ok(-e "$poold->{run}/d.sock", '... and the old socket stays');
unlink "$poold->{run}/file";
$poold->write_config($ini =~ s{\@run\@/c\.sock}{off}r);
ok(ask($client, { command => 'reload' })->{ok}, 'it can be turned off');
ok(!-e "$poold->{run}/d.sock", '... and is gone');
$poold->write_config($ini);
$poold->signal('HUP');
eventually { -S $socket } 10, '... and comes back with a reload by signal';

my $second = new_poold($ini =~ s/\@run\@/$poold->{run}/r);
my ($status, $text) = $second->run('-c', $second->{ini});
is($status, 69, 'a socket where another poold listens is an error');
like($text, qr{\Q$socket\E: another process listens}, '... that names it');
ok(ask(connect_to(), { command => 'check' })->{ok}, '... and the other one goes on');

my $default = poold($ini =~ s/^control = .*\n//mr);
ok(-S "$default->{run}/control.sock", 'by default it is in the run-time folder');
my $beside = poold($ini =~ s/^control = .*\n//mr,
    env => { RUNTIME_DIRECTORY => $default->{run} });
ok($beside->wait_log(qr/control\.sock: another process listens.*without/),
    'a second poold goes on without it');
is($beside->get('/')->status, 200, '... and serves');
$default->signal('KILL');
$default->wait_exit;
ok(-S "$default->{run}/control.sock", 'one that was killed leaves its socket');
my $heir = poold($ini =~ s/^control = .*\n//mr,
    env => { RUNTIME_DIRECTORY => $default->{run} });
ok(ask(connect_to("$default->{run}/control.sock"), { command => 'check' })->{ok},
    '... which the next one replaces');
is($heir->stop('TERM'), 0, 'it stops');
ok(!-e "$default->{run}/control.sock", '... and removes it');

finish();
