#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A service whose workers die young.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);
use Time::HiRes qw(time);

my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service good]
route = /good
command = @bin@/echo
workers = 2

[service flaky]
route = /flaky
command = @bin@/flaky
workers = 1
INI

# It starts well; then its program is replaced by one that dies at once.
my $poold = new_poold($ini);
Poold::Test::copy_program(program('echo'), "$poold->{bin}/flaky");
$poold->start;
is($poold->get('/flaky')->status, 200, 'a service works');
my @good = $poold->workers('good');

unlink "$poold->{bin}/flaky";
Poold::Test::copy_program(program('crash'), "$poold->{bin}/flaky");
$poold->mark;
signal_to 'KILL', $poold->workers('flaky');

# When each death was logged, seen from here.
my @deaths;
my $deaths_seen = sub {
	my $count = () = $poold->log_text($poold->{log_mark})
	    =~ /^.*\bflaky\b.*(?:status|code) 3.*$/mg;
	push @deaths, time while @deaths < $count;
	return @deaths >= 5;
};
eventually { $deaths_seen->() } 8, 'workers that die at once are started again';
my @gaps = map { $deaths[ $_ + 1 ] - $deaths[$_] } 0 .. $#deaths - 1;
cmp_ok($gaps[-1], '>', 1.5 * $gaps[-2], '... after a time that doubles')
    or diag "@gaps";
cmp_ok($gaps[-2], '>', 1.5 * $gaps[-3], '... each time') or diag "@gaps";
ok($poold->wait_log(qr/\bflaky\b.*(?:ms|s\b|back)/i), '... and the log says so');

is(join(' ', $poold->workers('good')), "@good", 'the other service keeps its workers');
is($poold->get('/good')->status, 200, '... and answers');

unlink "$poold->{bin}/flaky";
Poold::Test::copy_program(program('echo'), "$poold->{bin}/flaky");
eventually {
	my $r = $poold->get('/flaky', timeout => patience(6));
	$r->status == 200;
} 10, 'a service that is well again is used again';

finish();
