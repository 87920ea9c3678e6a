#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The command line.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive stat_of signal_to);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 2
INI

my $poold = new_poold($ini);
my @c = ('-c', $poold->{ini});

my ($status, $text) = $poold->run('-V');
is($status, 0, '-V succeeds');
like($text, qr/^poold \d+\.\d+/, '... and tells the version');

($status, $text) = $poold->run('-h');
is($status, 0, '-h succeeds');
like($text, qr/usage: poold/i, '... and tells the usage');
like($text, qr/-$_\b/, "... with -$_") for qw(c t T D p V h);

($status, $text) = $poold->run('-z');
is($status, 64, 'an unknown option is 64');
like($text, qr/usage/i, '... with the usage');
is(($poold->run(@c, 'extra'))[0], 64, 'an argument too many is 64');

($status, $text) = $poold->run('-t', @c);
is($status, 0, '-t accepts a good file');
($status, my $dump) = $poold->run('-T', @c);
is($status, 0, '-T accepts a good file');
like($dump, qr/^\[service a\]$/m, '... and shows its sections');
like($dump, qr/^queue_limit = 1024$/m, '... and the defaults');
{
	my $again = new_poold($dump);
	my ($status2, $dump2) = $again->run('-T', '-c', $again->{ini});
	is($status2, 0, 'what -T writes is a good file');
	my $body = sub { $_[0] =~ s/^#.*\n//mgr };
	is($body->($dump2), $body->($dump), '... that means the same');
}

($status, $text) = $poold->run('-t', '-c', "$poold->{conf}/none.ini");
isnt($status, 0, 'a missing file is an error');
like($text, qr/none\.ini/, '... that names it');

$poold->write_config(<<'INI');
[poold]
access_log = off

[listen main]
adress = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = many

[service b]
route = /a
command = @bin@/no-such-program

[servce c]
route = /c
INI
($status, $text) = $poold->run('-t', @c);
is($status, 78, 'a bad file is 78');
like($text, qr/poold\.ini:5:.*adress.*address/, 'an unknown key, its line and the nearest');
like($text, qr/poold\.ini:10:.*many/, '... a bad value');
like($text, qr/poold\.ini:1[34]:.*no-such-program|poold\.ini:13:.*\/a/s, '... a later error');
like($text, qr/poold\.ini:16:.*servce.*service/, '... an unknown section: all are shown');
is(($poold->run(@c))[0], 78, 'it does not start with a bad file');
no_leftovers($poold);

# a pid file
{
	my $p = new_poold($ini, args => []);
	my $pidfile = "$p->{run}/poold.pid";
	$p->{args} = [ '-p', $pidfile ];
	$p->start;
	open(my $fh, '<', $pidfile) or fail("no pid file: $!");
	is(0 + (<$fh> // 0), $p->pid, '-p writes the pid');
	my $second = new_poold($ini);
	my ($status, $text) = $second->run('-c', $second->{ini}, '-p', $pidfile);
	isnt($status, 0, 'a second poold with the same pid file is refused');
	my $pid = $p->pid;
	like($text, qr/\b$pid\b/, '... and told who runs');
	is($p->get('/a')->status, 200, '... while the first goes on');
	is($p->stop, 0, 'it stops');
	ok(!-e $pidfile, '... and removes its pid file');
	no_leftovers($p);
}

# -D
{
	my $p = new_poold($ini);
	my $pidfile = "$p->{run}/poold.pid";
	my ($status, $text) = $p->run('-D', '-c', $p->{ini}, '-p', $pidfile);
	is($status, 0, '-D returns') or diag $text;
	eventually { -s $pidfile } 5, '... leaving a daemon';
	open(my $fh, '<', $pidfile) or fail("no pid file: $!");
	my $pid = <$fh> // 0;
	chomp $pid;
	$p->{pid} = $pid;
	$p->{exit} = undef;
	is($p->get('/a')->status, 200, '... that serves');
	my $stat = stat_of($pid);
	isnt($stat->{session}, stat_of($$)->{session}, '... in a session of its own');
	isnt($stat->{ppid}, $$, '... and is no child of ours');
	my $fds = Poold::Proc::fds($pid) // {};
	like($fds->{0} // '', qr{^/dev/null$}, '... with no standard input')
	    if %$fds;
	$p->remember;
	signal_to 'TERM', $pid;
	eventually { !alive($pid) } 5, '... and stops on TERM';
	no_leftovers($p);
}

# -D reports what goes wrong
{
	my $p = new_poold($ini =~ s{/echo}{/none}r);
	my ($status) = $p->run('-D', '-c', $p->{ini});
	is($status, 78, '-D with a bad file is 78');
}

finish();
