#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Spans of recorded requests, for a collector and in a file.
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use JSON::PP;
use Poold::Test;
use Time::HiRes qw(sleep time);

sub config {
	my ($export, $sample) = @_;
	return <<"INI";
[poold]
log = \@run\@/messages.log
trace_export = $export
trace_sample = ${\($sample // 1)}

[listen main]
address = 127.0.0.1:\@port\@

[service a]
route = /api
command = \@bin\@/echo
workers = 1
INI
}

# --- a collector ------------------------------------------------------------

my $listen = IO::Socket::IP->new(LocalHost => '127.0.0.1', Listen => 5) or die $!;
my $collector = 'http://127.0.0.1:' . $listen->sockport . '/v1/traces';

# Accepts one POST within the time, answers it, and returns what it said.
sub accept_post {
	my ($answer, $seconds) = @_;
	return unless IO::Select->new($listen)->can_read(patience($seconds // 10));
	my $sock = $listen->accept or return;
	my ($text, $len) = ('');
	while (!defined $len || length($text) < $len) {
		IO::Select->new($sock)->can_read(patience(5)) or last;
		sysread($sock, $text, 65536, length $text) or last;
		next if defined $len || $text !~ /^(.*?\r\n\r\n)/s;
		$len = length($1) + ($1 =~ /^Content-Length: (\d+)/mi)[0];
	}
	syswrite $sock, "HTTP/1.1 $answer\r\nContent-Type: application/json\r\n"
	    . "Content-Length: 2\r\n\r\n{}";
	close $sock;
	my ($head, $body) = split /\r\n\r\n/, $text, 2;
	return { head => $head, message => eval { decode_json($body) } };
}

sub attributes {
	my ($list) = @_;
	return { map { $_->{key} => (values %{ $_->{value} })[0] } @{ $list // [] } };
}

# All spans of a message, after a look at what is around them.
sub spans {
	my ($message) = @_;
	my ($resource) = @{ $message->{resourceSpans} // [] };
	return map { @{ $_->{spans} } } @{ $resource->{scopeSpans} // [] };
}

# Spans from posts, until there is one for which wanted() is true.
my @got;
sub wait_span {
	my ($wanted, $seconds) = @_;
	my $end = time + patience($seconds // 10);
	while (time < $end) {
		for my $i (0 .. $#got) {
			return $got[$i] if $wanted->($got[$i]);
		}
		my $post = accept_post('200 OK', 2) or next;
		push @got, spans($post->{message});
	}
	return;
}

my $poold = new_poold(config($collector));
$poold->{log_file} = "$poold->{run}/messages.log";
$poold->{keep} = qr{^run/[\w.]+};
$poold->start;
my $client = $poold->client;

my ($trace, $parent) = ('0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331');
my $before = time;
my $r = $client->get('/api/x%20y?q=1&phase=db&sleep_ms=30', headers =>
	["traceparent: 00-$trace-$parent-01", 'User-Agent: "tester"']);
my $post = accept_post('200 OK');
my $after = time;
like($post->{head}, qr{^POST /v1/traces HTTP/1\.1\r\n}, 'a message is posted to the collector');
like($post->{head}, qr{^Content-Type: application/json\r?$}mi, '... as JSON');
my $resource = $post->{message}{resourceSpans}[0]{resource};
is(attributes($resource->{attributes})->{'service.name'}, 'poold', '... by poold');
push @got, spans($post->{message});

my $server = wait_span(sub { $_[0]{kind} == 2 && $_[0]{traceId} eq $trace });
is($server->{parentSpanId}, $parent, 'a request is a span below that of its client');
like($server->{spanId}, qr/^[0-9a-f]{16}$/, '... with an id of its own');
is((split /-/, $r->json->{traceparent})[2], $server->{spanId},
    '... which workers were told');
is($server->{name}, 'GET /api', '... named after its route, not its path');
my $has = attributes($server->{attributes});
is($has->{'http.request.method'}, 'GET', 'it has the method');
is($has->{'http.route'}, '/api', '... the route');
is($has->{'url.path'}, '/api/x y', '... the path');
is($has->{'http.response.status_code'}, 200, '... the status');
is($has->{'user_agent.original'}, '"tester"', '... the user agent');
is($has->{'client.address'}, '127.0.0.1', '... the client');
is($has->{'network.protocol.version'}, '1.1', '... the version of HTTP');
is($has->{'poold.service'}, 'a', '... the service');
is($has->{'poold.worker.pid'}, $r->pid, '... and the worker');
like($server->{$_}, qr/^\d{19}$/, "$_ is a text of nanoseconds")
    for qw(startTimeUnixNano endTimeUnixNano);
is(ref \$server->{startTimeUnixNano}, 'SCALAR', '... as OTLP/JSON wants it');
cmp_ok($server->{startTimeUnixNano} / 1e9, '>', $before - 1, 'it began when it came');
cmp_ok($server->{endTimeUnixNano} / 1e9, '<', $after + 1, '... and ended before it was told');
my ($queue, $worker, $db) = map {
	my $name = $_;
	wait_span(sub { $_[0]{name} eq $name && $_[0]{traceId} eq $trace });
} qw(queue worker db);
is($queue->{parentSpanId}, $server->{spanId}, 'the time in the queue is a span below it');
is($worker->{parentSpanId}, $server->{spanId}, '... that with the worker, too');
is($db->{parentSpanId}, $worker->{spanId}, '... and the phase is one below that');
cmp_ok(($db->{endTimeUnixNano} - $db->{startTimeUnixNano}) / 1e6, '>=', 29.9,
    '... of its length');
is($queue->{endTimeUnixNano}, $worker->{startTimeUnixNano}, 'one begins where the other ends');

# who is told, and who is not
$client->get('/api', headers => ["traceparent: 00-" . 'c' x 32 . "-$parent-00"]);
$client->get('/none', headers => ["traceparent: 00-" . 'd' x 32 . "-$parent-01"]);
my $refused = wait_span(sub { $_[0]{traceId} eq 'd' x 32 });
$has = attributes($refused->{attributes});
is($has->{'http.response.status_code'}, 404, 'a refusal is a span');
is($has->{'poold.answered_by'}, 'router', '... of the router');
is($refused->{name}, 'GET', '... without a route');
is(scalar(grep { $_->{traceId} eq 'c' x 32 } @got), 0, 'what is not recorded is not told');

# many in one
$client->get("/api?n=$_") for 1 .. 50;
my $posts = 0;
my %ids;
my $end = time + patience(10);
while (keys %ids < 50 && time < $end) {
	my $one = accept_post('200 OK', 2) or next;
	$posts++;
	$ids{ $_->{traceId} } = 1
	    for grep { $_->{kind} == 2 && attributes($_->{attributes})->{'url.query'} } spans($one->{message});
}
is(scalar(keys %ids), 50, 'no span is lost');
cmp_ok($posts, '<', 25, '... and many go in one message');

# a collector that fails
$poold->mark;
$client->get('/api?refused');
ok(accept_post('503 No'), 'a collector may refuse');
ok($poold->wait_log(qr/1 line for \S*\Q$collector\E were dropped/, 10),
    '... which is counted, and said');
my $port = $listen->sockport;
close $listen;
is($client->get("/api?gone=$_")->status, 200, 'requests do not care for the collector')
    for 1 .. 3;
# the logger has found it gone, and waits before it tries again
ok(wait_until(sub {
	return Poold::Proc::title($poold->logger) =~ /(\d+) dropped/ && $1 > 1;
}, 15), '... which is noticed');
$client->get('/api?more') for 1 .. 20;
$listen = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $port, Listen => 5,
    ReuseAddr => 1) or die $!;
@got = ();
my $back;
for (1 .. 20) {
	$client->get('/api?back');
	last if $back = wait_span(sub {
		(attributes($_[0]{attributes})->{'url.query'} // '') eq 'back'
	}, 1);
}
ok($back, 'when it is back it gets spans again');
cmp_ok(scalar(() = $poold->log_text =~ /were dropped/g), '<=', 4,
    'failures are not said for each message');

# a file
$poold->write_config(config("\@run\@/spans.json"));
like($poold->reload, qr/reload(?:ed| done)/, 'trace_export can be changed');
$client->get("/api?file=$_") for 1 .. 3;
my $path = "$poold->{run}/spans.json";
sub in_file {
	open(my $fh, '<', $path) or return ();
	return map { spans(eval { decode_json($_) } // {}) } <$fh>;
}
eventually { 3 == grep { $_->{kind} == 2 } in_file() } 10,
    'a file gets one message a line';
rename $path, "$path.1";
$poold->signal('USR1');
eventually { -e $path } 5, 'USR1 opens it anew';
$client->get('/api?anew');
eventually { grep { $_->{kind} == 2 } in_file() } 10, '... and it is written';

# a collector with a unix socket
close $listen;
$listen = IO::Socket::UNIX->new(Local => "$poold->{run}/collector.s", Listen => 5) or die $!;
chmod 0666, "$poold->{run}/collector.s";
@got = ();
$poold->write_config(config("unix:\@run\@/collector.s"));
$poold->reload;
$client->get('/api?unix');
my $over = wait_span(sub { (attributes($_[0]{attributes})->{'url.query'} // '') eq 'unix' });
ok($over, 'trace_export = unix:path: the same goes over a unix socket');

# off
$poold->write_config(config('off'));
$poold->reload;
my $count = in_file();
is($client->get('/api')->status, 200, 'trace_export = off');
$poold->stop;
is(scalar(in_file()), $count, '... tells nobody');

for my $bad ('https://127.0.0.1/', 'http://example.org:4318/', 'unix:') {
	my $p = new_poold('');
	my ($status, $said) = $p->run('-t', '-c', $p->write_config(config($bad, 0)
	    =~ s/^log = .*\n//mr));
	like($said, qr/poold\.ini:2: trace_export: /, "trace_export = $bad is an error");
}

finish();
