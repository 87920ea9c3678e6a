#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# poolctl reload and upgrade: what happens is shown as it happens.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Control;
use Poold::Test;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket qw(SOCK_STREAM);

my $ini = <<'INI';
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[service one]
listen = main
route = /one
command = @bin@/echo
workers = 3

[service two]
listen = main
route = /two
command = @bin@/echo
workers = 1
INI
my $poold = poold($ini);
my $poolctl = Poold::Test::builddir() . '/poolctl';
my $socket = "$poold->{run}/c.sock";

sub ctl { return Poold::Control::poolctl($socket, @_) }

# --- reload ---------------------------------------------------------------------

my ($status, $text) = ctl('reload');
is($status, 0, 'a reload ends well');
like($text, qr/^checked: 2 services, 1 listeners\nswitched\ndone in \d+\.\d+ s\n$/,
    '... and says what was done: nothing had changed');

$poold->write_config($ini =~ s/workers = 3/workers = 4/r . "[listen more]\naddress = 127.0.0.1:\@port2\@\n");
($status, $text) = ctl('reload');
like($text, qr{^checked:\ 2\ services,\ 2\ listeners\n
    bound\ 127\.0\.0\.1:\d+\n
    starting\ one,\ generation\ 2,\ 4\ workers\n
    one:\ 4/4\ workers\ ready\ \(generation\ 2\)\n
    switched\n
    retired\ one,\ generation\ 1\n
    done\ in\ [\d.]+\ s\n$}x, 'each step of a change is shown');

($status, $text) = ctl('restart', 'two');
like($text, qr/^starting two, generation 2, 1 workers\ntwo: 1\/1 workers ready.*\nswitched\nretired two/,
    'a restart shows its steps as well');

$poold->write_config($ini =~ s{\@bin\@/echo\nworkers = 3}{\@bin\@/notready\nworkers = 3\nstart_timeout = 300ms}r);
($status, $text) = ctl('reload');
is($status, 1, 'one that fails ends so');
like($text, qr/^starting one, generation \d+, 3 workers$/m, '... and shows how far it came');
unlike($text, qr/switched/, '... and no further');
$poold->write_config($ini);

my ($code, $json) = ctl('--json', 'reload');
is(scalar(() = $json =~ /\n/g), 1, 'as JSON there is the reply alone');
is_deeply([ sort keys %{ JSON::PP->new->decode($json) } ], [qw(errors ok seconds)],
    '... with the keys that it had before');

# the protocol, and its manual
my $client = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $socket);
$poold->write_config($ini =~ s/workers = 3/workers = 2/r);
print $client qq({"command":"reload","steps":true}\n{"command":"check"}\n);
my (@steps, %keys);
while (my $line = <$client>) {
	my $reply = JSON::PP->new->decode($line);
	last if !exists $reply->{step};
	push @steps, $reply->{step};
	$keys{$_} = 1 for keys %$reply;
}
is_deeply(tally(@steps), { checked => 1, starting => 1, ready => 2, switched => 1, retired => 1 },
    'with "steps" the reply comes after a line for each');
like(scalar <$client>, qr/"problems"/, '... and other requests are answered after it');
my ($manual) = Poold::Proc::slurp(Poold::Test::srcdir() . '/man/poolctl.1')
    =~ /^\.Ss Steps\n(.*?)^\.Ss /ms;
is_deeply([ sort grep { $manual !~ /\b\Q$_\E\b/ } keys %keys, @steps ], [],
    'poolctl(1) has all steps and their keys');
close $client;

# --- upgrade --------------------------------------------------------------------

my $next = Poold::Test::real_program(Poold::Test::builddir() . '/t/next');
sub install {
	my ($program) = @_;
	Poold::Test::copy_program($program, "$poold->{poold}.new");
	rename "$poold->{poold}.new", $poold->{poold} or die "rename: $!";
}
sub install_script {
	my ($text) = @_;
	open(my $out, '>', "$poold->{poold}.new") or die "$poold->{poold}: $!";
	print $out $text;
	close $out;
	chmod 0755, "$poold->{poold}.new";
	rename "$poold->{poold}.new", $poold->{poold} or die "rename: $!";
}
my $pid = $poold->pid;
my @workers; # those of the last reload may take their time to leave
wait_until(sub { @workers = $poold->workers('one'); @workers == 3 }, 10);
install($next);
($status, $text) = ctl('upgrade');
is($status, 0, 'an upgrade ends well');
like($text, qr/^poold \S+ has become poold 999-next \(pid $pid\) in [\d.]+ s$/, '... and says from what to what');
is_deeply([ $poold->workers('one') ], \@workers, '... and the workers are the same');
is($poold->get('/one')->status, 200, '... that serve');
($status, $text) = ctl('--json', 'upgrade');
is($status, 0, 'the same as JSON');
is_deeply({ %{ JSON::PP->new->decode($text) }, seconds => 0 }, { ok => JSON::PP::true(),
	from => '999-next', to => '999-next', pid => $pid, seconds => 0 }, '... has the versions');

install_script("#!/bin/sh\necho no such luck >&2\nexit 3\n");
($status, $text) = ctl('upgrade');
is($status, 1, 'one that fails ends so');
like($text, qr/exited with status 3 in a dry run: no such luck/, "... with the new version's own words");
($status, $text) = ctl('--json', 'upgrade');
is($status, 1, '... as JSON, too');
ok(!JSON::PP->new->decode($text)->{ok}, '... which says that it was not done');
is($poold->get('/one')->status, 200, '... and the old version serves');

# It passes the dry run and dies when it is meant.
install_script("#!/bin/sh\ncase \"\$*\" in *dry-run*) exit 0 ;; *) exit 7 ;; esac\n");
my @left = $poold->workers;
($status, $text) = ctl('upgrade');
is($status, 69, 'a version that dies only then is noticed');
like($text, qr/poold is gone, or does not answer/, '... and said') or diag($text);
$poold->wait_exit;
ok(wait_until(sub { !$poold->leftovers }, 10), 'no worker outlives it');
done_testing();
