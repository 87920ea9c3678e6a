#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A service whose workers die young.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);

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

# What the log says of it: when each worker died, and after how long the next one starts.
my (@deaths, @pauses);
eventually {
	my $text = $poold->log_text($poold->{log_mark});
	@deaths = map { /T(\d+):(\d+):([\d.]+)Z/ ? $1 * 3600 + $2 * 60 + $3 : () }
	    $text =~ /^(.*\bflaky\b.*exited with status 3.*)$/mg;
	@pauses = $text =~ /\bflaky: worker 0 is started again in ([\d.]+) s/g;
	@deaths >= 5 && @pauses >= 5;
} 20, 'workers that die at once are started again';
for my $n (2 .. 4) {
	cmp_ok($pauses[$n], '>', 1.5 * $pauses[ $n - 1 ], "... after a pause that doubles ($n)")
	    or diag "@pauses";
}
my @gaps = map { $_ < 0 ? $_ + 86400 : $_ } map { $deaths[ $_ + 1 ] - $deaths[$_] } 0 .. 3;
my @early = grep { $gaps[$_] + 0.06 < $pauses[$_] } 0 .. 3;
is("@early", '', '... and is as long as the log says') or diag "@gaps: @pauses";

is(join(' ', $poold->workers('good')), "@good", 'the other service keeps its workers');
is($poold->get('/good')->status, 200, '... and answers');

unlink "$poold->{bin}/flaky";
Poold::Test::copy_program(program('echo'), "$poold->{bin}/flaky");
eventually {
	my $r = $poold->get('/flaky', timeout => patience(6));
	$r->status == 200;
} 10, 'a service that is well again is used again';

finish();
