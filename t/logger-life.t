#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The pipes of workers come and go, and the logger goes last.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive fds signal_to);
use Time::HiRes qw(sleep);

my $poold = poold("[poold]\ncontrol = \@run\@/control\n"
    . (is_root ? "user = nobody\n" : '') . <<'INI');

[listen main]
address = 127.0.0.1:@port@

[service p]
route = /p
command = @bin@/printer
workers = 2
INI
my $poolctl = Poold::Test::builddir() . '/poolctl';

# --- what must not pile up

sub counts { return map { scalar keys %{ fds($_) // {} } } $poold->pid, $poold->logger, $poold->router }
sub whole { return wait_until(sub { my @w = $poold->workers('p'); @w == 2 }, 20) }
whole();
my $settled = sub {
	my @last = counts();
	wait_until(sub { my @now = counts(); my $same = "@now" eq "@last"; @last = @now; sleep 0.1; $same }, 5);
	return "@last";
};
my $counts = $settled->();
my $restarted = grep {
	system("'$poolctl' -s '$poold->{run}/control' restart p >/dev/null 2>&1") == 0
} 1 .. 100;
is($restarted, 100, 'the workers are replaced a hundred times');
ok(whole(), '200 workers have come and gone');
is($settled->(), $counts, '... and supervisor, logger and router have as many descriptors as before');

# a child that keeps the pipe of its worker
my $pid = $poold->get('/p?child=1500')->json->{pid};
ok($poold->wait_log(qr/info p\[$pid\]: (?:\[\w+\] )?child$/, 10), 'a child of a worker may print what it likes');

# --- the end of the supervisor

$poold->get('/p?text=before+the+end%0a');
my $logger = $poold->logger;
signal_to 'KILL', $poold->pid;
ok(wait_until(sub { !alive($logger) }, 60), 'when the supervisor is killed, the logger ends after all others');
like($poold->log_text, qr/before the end$/m, '... and has written what was left');
like($poold->log_text, qr/the supervisor is gone/, '... also what the router said then');
$poold->exited;
$poold->destroy;

finish();
