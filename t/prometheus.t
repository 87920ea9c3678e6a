#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What comes with poold for Prometheus and Grafana; and a Prometheus that scrapes
# the admin worker and is asked for what it got.
#
# Environment: CI=true, where a Prometheus that is not installed is a failure.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Client;
use Poold::Control;
use Poold::Test;
use Poold::Proc qw(alive signal_to slurp);
use JSON::PP ();
use POSIX ();

my $conf = Poold::Test::srcdir() . '/conf';
my $build = Poold::Test::builddir();
my $installed = 2 == grep { my $name = $_; grep { -x "$_/$name" } split /:/, $ENV{PATH} }
    qw(prometheus promtool);

my $poold = new_poold(<<'INI');
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[listen admin]
address = 127.0.0.1:@port2@

[service echo]
listen = main
route = /
command = @bin@/echo
workers = 2
health_check = /

[service admin]
listen = admin
route = /
command = @bin@/admin
control = read
concurrency = 20
workers = 1
INI
Poold::Test::copy_program(($ENV{POOLD_LIBEXEC} // "$build/libexec") . '/admin',
    "$poold->{bin}/admin");
$poold->start;
my $control = Poold::Control->new("$poold->{run}/c.sock");
my %metrics = map { $_->{name} => $_->{type} } @{ $control->ask('metrics')->{families} };

# Names of metrics that an expression asks for; unknown ones among them.
sub unknown {
	my ($expression) = @_;
	my %names = map { $_ => 1 } $expression =~ /\b(poold_\w+)/g;
	return grep {
		my $base = s/_(?:bucket|sum|count)$//r;
		!$metrics{$_} && ($metrics{$base} // '') ne 'histogram';
	} sort keys %names;
}

# --- the dashboard ------------------------------------------------------------

my $dashboard = JSON::PP->new->utf8->decode(slurp("$conf/grafana/poold.json"));
my @panels = @{ $dashboard->{panels} };
ok(@panels > 10, 'the dashboard of Grafana is JSON, with panels');
is(scalar keys %{ { map { $_->{id} => 1 } @panels } }, @panels, '... each with an id of its own');
cmp_ok($dashboard->{schemaVersion}, '>=', 36, '... of the schema of Grafana 9');
my %variables = map { $_->{name} => 1 } @{ $dashboard->{templating}{list} };
my (@unknown, @without, @overlap, %cells);
for my $panel (@panels) {
	my $at = $panel->{gridPos};
	for my $x ($at->{x} .. $at->{x} + $at->{w} - 1) {
		push @overlap, $panel->{title} if $x > 23;
		for my $y ($at->{y} .. $at->{y} + $at->{h} - 1) {
			push @overlap, $panel->{title} if $cells{"$x/$y"}++;
		}
	}
	next if $panel->{type} eq 'row';
	push @without, $panel->{title}
	    unless @{ $panel->{targets} } && $panel->{datasource}{uid} eq '${datasource}';
	for my $expression (map { $_->{expr} } @{ $panel->{targets} }) {
		push @unknown, unknown($expression);
		push @unknown, grep { !$variables{$_} && !/^__/ } $expression =~ /\$\{?(\w+)/g;
	}
}
is_deeply(\@unknown, [], '... whose expressions name metrics and variables that there are');
is_deeply(\@without, [], '... each with a source of data');
is_deeply(\@overlap, [], '... and a place of its own');
is_deeply([ map { unknown($_->{definition} // '') } @{ $dashboard->{templating}{list} } ], [],
    '... also in its variables');

# --- the rules ----------------------------------------------------------------

my $rules = slurp("$conf/prometheus/poold.rules.yml");
my @alerts = $rules =~ /^\s*- alert: (\w+)$/mg;
is_deeply([ unknown($rules) ], [], 'the alert rules name metrics that there are');
is_deeply([ slurp(Poold::Test::srcdir() . '/docs/metrics.md') =~ /^\| `(Poold\w+)` \|/mg ],
    \@alerts, '... and docs/metrics.md lists them');
my $tests = slurp("$conf/prometheus/poold.rules.test.yml");
is_deeply([ grep { $tests !~ /alertname: $_\n\s+exp_alerts:\n/ } @alerts ], [],
    '... and each is tested to fire');
is_deeply([ grep { $tests !~ /alertname: $_\n\s+exp_alerts: \[\]/ } @alerts ], [],
    '... and not to when all is well');

SKIP: {
	skip('Prometheus is not installed (Debian: prometheus)', 14)
	    unless $installed || $ENV{CI};
	like(scalar `promtool check rules $conf/prometheus/poold.rules.yml 2>&1`,
	    qr/SUCCESS: \d+ rules found/, 'promtool finds nothing wrong with the rules');
	like(scalar `promtool test rules $conf/prometheus/poold.rules.test.yml 2>&1`,
	    qr/^\s*SUCCESS$/m, '... and they do what their tests say');
	like(scalar `promtool check config $conf/prometheus/prometheus.yml 2>&1`,
	    qr/is valid/, '... and the example of its configuration is one');
	scrape();
}
is($poold->stop('TERM'), 0, 'poold stops');
no_leftovers($poold);

# --- a Prometheus -------------------------------------------------------------

# What Prometheus says to a query: the value of the only series, or undef.
sub query {
	my ($port, $query) = @_;
	my $text = $query =~ s/([^\w.])/sprintf '%%%02X', ord $1/ger;
	my $answer = eval { Poold::Client->new(port => $port)->get("/api/v1/query?query=$text") }
	    // return;
	return if $answer->error || $answer->status != 200;
	my $result = $answer->json->{data}{result};
	return @$result == 1 ? $result->[0]{value}[1] : undef;
}

sub scrape {
	my $dir = temp_dir();
	my $port = free_port();
	my $address = '127.0.0.1:' . $poold->port(2);
	my $yml = slurp("$conf/prometheus/prometheus.yml");
	$yml =~ s/127\.0\.0\.1:8081/$address/;
	$yml =~ s/: 15s/: 1s/g;
	open(my $file, '>', "$dir/prometheus.yml") or die "prometheus.yml: $!";
	print $file $yml;
	close $file;
	symlink "$conf/prometheus/poold.rules.yml", "$dir/poold.rules.yml";

	my $page = Poold::Client->new(port => $poold->port(2))->get('/metrics');
	is($page->status, 200, 'the admin worker has the metrics');
	is($page->header('Content-Type'), 'text/plain; version=0.0.4; charset=utf-8',
	    '... in the format of Prometheus');
	like($page->body, qr/^poold_build_info\{version="[^"]+"\} 1$/m, '... which say the version');

	my $pid = fork() // die "fork: $!";
	if ($pid == 0) {
		open(STDOUT, '>', "$dir/log");
		open(STDERR, '>&', \*STDOUT);
		exec 'prometheus', "--config.file=$dir/prometheus.yml",
		    "--storage.tsdb.path=$dir/data", "--web.listen-address=127.0.0.1:$port"
		    or POSIX::_exit(127);
	}
	ok(wait_until(sub { (query($port, 'up{job="poold"}') // 0) == 1 }, 60),
	    'a Prometheus scrapes it') or diag(slurp("$dir/log"));
	$poold->get('/') for 1 .. 25;
	$poold->get('/?status=500') for 1 .. 5;
	my $all = 'sum(poold_requests_total{service="echo"})';
	ok(wait_until(sub { (query($port, $all) // 0) == 30 }, 30), '... and knows what was done');
	is(query($port, 'poold_requests_total{service="echo",class="5xx"}'), 5, '... by class');
	is(query($port, 'poold_request_duration_seconds_count{service="echo"}'), 30,
	    '... and how long it took');
	ok(defined query($port,
		'histogram_quantile(0.99, poold_request_duration_seconds_bucket{service="echo"})'),
	    '... in buckets that it can work with');
	is(query($port, 'poold_workers{service="echo",state="idle"}'), 2, '... and by whom');
	ok(wait_until(sub { (query($port, 'ALERTS{alertname="PooldErrors"}') // 0) == 1 }, 30),
	    '... and that too many failed');
	is(query($port, 'count(ALERTS)'), 1, '... and nothing else is wrong');
	signal_to('TERM', $pid);
	wait_until(sub { waitpid($pid, POSIX::WNOHANG()) == $pid }, 30)
	    or signal_to('KILL', $pid);
}

finish();
