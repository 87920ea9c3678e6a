#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# poolctl metrics: what it counts, its text, and docs/metrics.md, which describes all
# of it and nothing else.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Control;
use Poold::Test;
use Poold::Proc qw(signal_to slurp);
use File::Temp ();

my $poold = poold(<<'INI');
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[service echo]
listen = main
route = /echo
command = @bin@/echo
workers = 2

[service crash]
listen = main
route = /crash
command = @bin@/echo
workers = 1
retries = 0

[service own]
listen = own
mode = inherit
command = @bin@/echo
workers = 1
INI
my $control = Poold::Control->new("$poold->{run}/c.sock");
my $poolctl = Poold::Test::builddir() . '/poolctl';

sub text { return scalar `$poolctl -s $poold->{run}/c.sock metrics` }

# The value of a series in the text; undef: there is none.
sub value {
	my ($series, $text) = @_;
	return ($text // text()) =~ /^\Q$series\E (\S+)$/m ? $1 : undef;
}

# --- counted ------------------------------------------------------------------

$poold->get('/echo') for 1 .. 10;
$poold->get('/echo?status=404') for 1 .. 2;
$poold->get('/echo?status=500');
$poold->get('/nowhere') for 1 .. 3;
eventually { (value('poold_requests_total{service="echo",class="5xx"}') // 0) == 1 } 5,
    'answers of workers are counted';
my $text = text();
is(value('poold_requests_total{service="echo",class="2xx"}', $text), 10, '... by class');
is(value('poold_requests_total{service="echo",class="4xx"}', $text), 2, '... each of them');
is(value('poold_unrouted_refusals_total{status="404"}', $text), 3,
    'what has no service is counted by status');
is(value('poold_request_duration_seconds_count{service="echo"}', $text), 13,
    'the time of each answer is counted');
is(value('poold_request_duration_seconds_bucket{service="echo",le="+Inf"}', $text), 13,
    '... in the last bucket all');
my @buckets = $text =~ /^poold_request_duration_seconds_bucket\{service="echo",le="\S+"\} (\d+)$/mg;
is(scalar @buckets, 16, '... in 16 buckets');
ok(!(grep { $buckets[$_] < $buckets[ $_ - 1 ] } 1 .. $#buckets), '... that are cumulative');
my $sum = value('poold_request_duration_seconds_sum{service="echo"}', $text);
$poold->get('/echo?sleep_ms=300');
eventually { value('poold_request_duration_seconds_sum{service="echo"}') >= $sum + 0.3 } 5,
    'a slow one adds its time';
cmp_ok(value('poold_request_duration_seconds_bucket{service="echo",le="0.25"}'), '<=', 13,
    '... and is in none of the quick buckets');
is(value('poold_requests_total{service="own",class="2xx"}'), undef,
    'requests of workers that accept for themselves are not known');
is(value('poold_workers{service="own",state="ready"}'), 1, '... but the workers are');
is(value('poold_listener_accept_queue_length{listener="own"}'), 0, '... and what waits for them');

my $client = $poold->client;
$client->send("GET /crash?sleep_ms=5000 HTTP/1.1\r\nHost: a\r\n\r\n");
eventually { value('poold_requests_in_flight{service="crash"}') == 1 } 5,
    'a request in work is in flight';
eventually { value('poold_workers{service="crash",state="busy"}') == 1 } 5, '... its worker busy';
is(value('poold_connections{state="leased"}'), 1, '... its connection leased');
signal_to('KILL', ($poold->workers('crash'))[0]);
is($client->response->status, 502, 'when the worker is killed');
eventually { value('poold_worker_restarts_total{service="crash",reason="signal"}') == 1 } 5,
    '... its end is counted with its reason';
is(value('poold_refusals_total{service="crash",status="502",reason="worker_died"}'), 1,
    '... and what the client got');

my $idle = $poold->client;
$idle->get('/echo');
eventually { value('poold_connections{state="idle"}') == 1 } 5, 'a connection that is kept is idle';
$idle->send("GET /echo HTTP/1.1\r\n");
eventually { value('poold_connections{state="reading"}') == 1 } 5, '... until a head begins';
$idle->close;
eventually { value('poold_connections{state="reading"}') == 0 } 5, '... and gone when it is closed';

is(value('poold_last_reload_successful'), 1, 'no reload has failed');
ok($control->ask('reload')->{ok}, 'a reload');
is(value('poold_reloads_total{result="success"}'), 1, '... is counted');
cmp_ok(abs(value('poold_last_reload_success_timestamp_seconds') - time), '<', patience(20),
    '... with its time');
my $good = slurp($poold->{ini});
$poold->write_file('poold.ini', "nonsense\n");
ok(!$control->ask('reload')->{ok}, 'a reload that fails');
is(value('poold_reloads_total{result="failure"}'), 1, '... is counted as such');
is(value('poold_last_reload_successful'), 0, '... and shown');
$poold->write_file('poold.ini', $good);

my $router = $poold->router;
signal_to('KILL', $router);
eventually { (value('poold_router_restarts_total') // 0) == 1 } 5,
    'a router that died is counted';
eventually { $poold->get('/echo')->status == 200 } 5, '... and replaced';
cmp_ok(value('poold_requests_total{service="echo",class="2xx"}'), '>=', 12,
    '... with counters that go on');

# --- the text -----------------------------------------------------------------

my $out = File::Temp->new;
print $out text();
$out->flush;
SKIP: {
	skip('promtool is not installed (Debian: prometheus)', 2)
	    if !$ENV{CI} && system('promtool --version >/dev/null 2>&1') != 0;
	my $said = `promtool check metrics <$out 2>&1`;
	is($?, 0, 'promtool finds nothing wrong');
	is($said, '', '... and nothing to improve');
}

# --- the page that describes it -----------------------------------------------

my $families = $control->ask('metrics')->{families};
my $page = slurp(Poold::Test::srcdir() . '/docs/metrics.md');
my (%described, %given);
while ($page =~ /^\| `(poold_\w+)` \| (\w+) \| (.*?) \| (.+?) \|$/mg) {
	$described{$1} = "$2: $3";
}
for my $family (@$families) {
	my %labels = map { $_ => 1 } map { keys %{ $_->{labels} } } @{ $family->{samples} };
	my ($row) = $described{ $family->{name} } // '';
	# in the order of the page
	my @order = grep { $labels{$_} } $row =~ /`(\w+)`/g;
	push @order, grep { my $l = $_; !grep { $_ eq $l } @order } sort keys %labels;
	$given{ $family->{name} } = "$family->{type}: " . join(', ', map { "`$_`" } @order);
	ok(@{ $family->{samples} } > 0, "$family->{name} has samples");
}
is_deeply(\%given, \%described, 'docs/metrics.md has every metric, its type and its labels');

for my $label (qw(reason status class kind state result process log)) {
	my %values = map { $_->{labels}{$label} => 1 }
	    grep { defined $_->{labels}{$label} } map { @{ $_->{samples} } } @$families;
	my @missing = grep { $page !~ /`\Q$_\E`|\| \Q$_\E \|/ } sort keys %values;
	@missing = grep { !/^[1-5]xx$|^\d+$/ } @missing;
	is_deeply(\@missing, [], "... and each value of $label");
}
is($poold->stop('TERM'), 0, 'poold stops');

finish();
