#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# SIGUSR2 replaces the logger without losing a line, or half of one.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive);

my $poold = poold("[poold]\naccess_log = \@dir\@/access.log\n"
    . (is_root ? "user = nobody\n" : '') . <<'INI');

[listen main]
address = 127.0.0.1:@port@

[service p]
route = /p
command = @bin@/printer
workers = 2
INI
$poold->{keep} = qr{^access\.log$};

sub text_of { return Poold::Proc::slurp($_[0]) // '' }

my @load = map { load($poold, target => '/p?text=a+line+of+a+worker%0a') } 1 .. 2;
$poold->get('/p?text=half+a+line,+');
for my $round (1 .. 3) {
	my ($old, $router) = ($poold->logger, $poold->router);
	$poold->mark;
	$poold->signal('USR2');
	ok($poold->wait_log(qr/took \d+ connections over/, 20), "an upgrade under load ($round)");
	ok(wait_until(sub { my $new = $poold->logger; $new && $new != $old }, 10),
	    '... has a logger of its own');
	ok(wait_until(sub { !alive($old) }, 10), '... and that before it ends');
}
my @results = map { $_->stop } @load;
is(join(' ', map { @{ $_->{failures} } } @results), '', 'no request fails');
my $answered = 0;
$answered += $_->{answered} for @results;
cmp_ok($answered, '>', 20, '... of many');
$poold->get('/p?text=and+the+other%0a');
is($poold->stop('TERM', 15), 0, 'poold stops');

# half a line, and the other, were printed by workers that may be two
my @access = split /\n/, text_of("$poold->{dir}/access.log");
is(scalar(grep { /a\+line\+of/ } @access), $answered, 'each request is in the access log, once');
is(scalar(grep { !/^127\.0\.0\.1 - - \[.*\] "GET .*" 200 .* id=[0-9a-f]{32}$/ } @access), 0,
    '... with a whole line') or diag(grep { !/id=[0-9a-f]{32}$/ } @access);
my @lines = $poold->log_text =~ /a line of a worker/g;
is(scalar(@lines), $answered, 'each line of a worker is in the log');
like($poold->log_text, qr/half a line, (?:a line|and the other)|half a line, $/m,
    '... what was begun before an upgrade, too');
is(scalar(grep { length && !/^\d{4}-\S+Z \w+ \w+\[\d+\]: \S/ } split /\n/, $poold->log_text), 0,
    '... and whole');

finish();
