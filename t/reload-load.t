#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Ten reloads, two of them bad, under load.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;

my $good = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 2
env.GREETING = @round@

[service b]
route = /b
command = @bin@/echo
workers = 2
INI

my $poold = poold($good =~ s/\@round\@/0/r);
my @b = $poold->workers('b');
my @loads = (load($poold, target => '/a', rate => 200),
    load($poold, target => '/a', rate => 100, fresh => 1),
    load($poold, target => '/b', rate => 50));
for my $round (1 .. 10) {
	my $ini = $good =~ s/\@round\@/$round/r;
	$ini .= "\n[nonsense\n" if $round == 4 || $round == 8;
	$poold->write_config($ini);
	my $line = $poold->reload;
	isnt($line, '', "reload $round comes to an end");
	my $expected = $round == 4 || $round == 8 ? $round - 1 : $round;
	is($poold->get('/a')->json->{greeting}, $expected,
	    $expected == $round ? '... and is in force' : '... and the old goes on');
	wait_until(sub { ($poold->get('/a')->json->{served} // 0) > 20 });
}
for my $load (@loads) {
	my $result = $load->stop;
	cmp_ok($result->{answered}, '>', 30, 'requests were answered all the time');
	is("@{ $result->{failures} }", '', '... and none failed');
}
is(join(' ', $poold->workers('b')), "@b", 'the unchanged service kept its workers');
eventually { $poold->workers('a') == 2 } 5, 'no old generation remains';

finish();
