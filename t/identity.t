#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Who the processes run as.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(status_of stat_of);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 2
INI

sub ids { return join ' ', (split ' ', $_[0])[ 0 .. 3 ] }

sub check_process {
	my ($name, $pid, $uid, $gid) = @_;
	my $status = status_of($pid) or return fail("$name runs");
	is(ids($status->{Uid}), "$uid $uid $uid $uid", "$name has its user's uid");
	is(ids($status->{Gid}), "$gid $gid $gid $gid", '... and gid');
	is(join(' ', grep { $_ != $gid } split ' ', $status->{Groups}), '',
	    '... and no other group');
	is($status->{NoNewPrivs}, 1, '... and NoNewPrivs');
	is($status->{CapEff} =~ s/0//gr, '', '... and no capabilities');
	is($status->{SigBlk} =~ s/0//gr, '', '... and no blocked signals')
	    if $name !~ /router/;
}

SKIP: {
	skip 'not root', 1 unless is_root();
	my ($uid, $gid) = (getpwnam 'nobody')[ 2, 3 ];
	my $poold = poold($ini);
	is(ids(status_of($poold->pid)->{Uid}), '0 0 0 0',
	    'started by root, the supervisor is root');
	check_process('the router', $poold->router, $uid, $gid);
	check_process("worker $_", $_, $uid, $gid) for $poold->workers;
	isnt(stat_of($_)->{session}, stat_of($poold->pid)->{session},
	    'a worker has a session of its own') for $poold->workers;
	is(keys %{ tally(map { stat_of($_)->{session} } $poold->workers) }, 2,
	    '... each its own');
}

# a service with a user of its own
SKIP: {
	my @other = getpwnam 'daemon';
	skip 'not root', 1 unless is_root();
	skip 'no user daemon', 1 unless @other;
	my $shared = $ini =~ s/(address = .*\n)/$1shared_trust = yes\n/r;
	my $poold = poold("$shared\n[service other]\nroute = /other\nuser = daemon\n"
	    . "command = \@bin\@/echo\nworkers = 1\n");
	my ($worker) = $poold->workers('other');
	check_process('the worker of another user', $worker, @other[ 2, 3 ]);
	is($poold->get('/other')->status, 200, '... and answers');

	my $closed = new_poold("$ini\n[service other]\nroute = /other\n"
	    . "user = daemon\ncommand = \@bin\@/echo\nworkers = 1\n");
	my ($status, $text) = $closed->run('-t', '-c', $closed->{ini});
	is($status, 78, 'users that share a listener without shared_trust are refused');
	like($text, qr/poold\.ini:\d+:.*shared_trust/, '... and the message says what to do');

	$closed->write_config($ini =~ s/(route = .*)/$1\nuser = no-such-user/r);
	($status, $text) = $closed->run('-t', '-c', $closed->{ini});
	is($status, 78, 'an unknown user is refused');
	like($text, qr/no-such-user/, '... by name');
}

# a command that its user may not execute
SKIP: {
	skip 'not root', 1 unless is_root();
	my $poold = new_poold($ini);
	mkdir "$poold->{dir}/closed", 0700;
	Poold::Test::copy_program(program('echo'), "$poold->{dir}/closed/echo");
	$poold->write_config($ini =~ s{\@bin\@/echo}{\@dir\@/closed/echo}r);
	my ($status, $text) = $poold->run('-c', $poold->{ini});
	isnt($status, 0, 'a command that its user cannot reach is refused');
	like($text, qr{closed.*nobody|nobody.*closed}s,
	    '... and the message names the place and the user');
	unlink "$poold->{dir}/closed/echo";
	rmdir "$poold->{dir}/closed";
}

# without privileges
{
	my $poold = poold($ini, is_root() ? (as => 'nobody') : ());
	my ($uid, $gid) = ($poold->uid, $poold->gid);
	is(ids(status_of($poold->pid)->{Uid}), "$uid $uid $uid $uid",
	    'poold runs without privileges');
	is($poold->get('/a')->status, 200, '... and serves');
	is(ids(status_of($_)->{Uid}), "$uid $uid $uid $uid", '... as the same user')
	    for $poold->router, $poold->workers;
	is(status_of($_)->{NoNewPrivs}, 1, '... with NoNewPrivs')
	    for $poold->router, $poold->workers;
	is($poold->stop, 0, '... and stops');
	no_leftovers($poold);

	$poold->write_config("[poold]\nuser = root\n$ini");
	my ($status, $text) = $poold->run('-c', $poold->{ini});
	like($status, qr/^7[78]$/, 'user = another one is refused without privileges');
	like($text, qr/root/, '... and the message says so');
}

finish();
