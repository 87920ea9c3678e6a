#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Whose trace a request belongs to, and what its client is told of its time.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;

sub config {
	my ($sample, $timing) = @_;
	return <<"INI";
[poold]
access_log = \@run\@/access.log
access_log_format = \$request_id \$span_id \$parent_id \$sampled
trace_sample = $sample

[listen main]
address = 127.0.0.1:\@port\@

[service a]
route = /a
command = \@bin\@/echo
workers = 1
server_timing = $timing

[service plain]
route = /plain
command = \@bin\@/echo
workers = 1
INI
}

my $poold = new_poold(config(0, 'yes'));
$poold->{keep} = qr{^run/access\.log};
$poold->start;
my $client = $poold->client;

my $n = 0;
sub logged {
	open(my $fh, '<', "$poold->{run}/access.log") or return ();
	my @lines = <$fh>;
	return map { chomp; [split] } @lines;
}

# A request: its response, and its line of the log.
sub get {
	my ($target, @headers) = @_;
	my $r = $client->get($target, headers => \@headers);
	wait_until(sub { logged() > $n }, 5);
	return ($r, (logged())[ $n++ ] // []);
}

my ($trace, $parent) = ('0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331');

# continued
my ($r, $line) = get('/a?header=tracestate', "TraceParent: 00-$trace-$parent-01",
    'tracestate: vendor=1,other=x;y', 'tracestate: third=3');
is($r->header('X-Request-Id'), $trace, 'the trace of a client becomes the request id');
is($line->[0], $trace, '... in the log as well');
is($line->[2], $parent, '... where the span of the client is the parent');
is($line->[3], 1, '... and that it is recorded is the client\'s to say');
like($line->[1], qr/^[0-9a-f]{16}$/, 'the request is a span');
isnt($line->[1], $parent, '... of its own');
is($r->json->{traceparent}, "00-$trace-$line->[1]-01",
    'which is the parent of what the worker calls');
is($r->json->{header}, 'vendor=1,other=x;y', 'tracestate comes to the worker as it was');
my $span = $line->[1];
($r, $line) = get('/a', "traceparent: 00-$trace-$parent-00");
is($line->[3], 0, 'what the client does not record is not recorded');
is($r->json->{traceparent}, "00-$trace-$line->[1]-00", '... by others neither');
isnt($line->[1], $span, 'each request is another span');
($r, $line) = get('/a', "traceparent: cc-$trace-$parent-01-later");
is($r->header('X-Request-Id'), $trace, 'a later version is understood');

# begun
for my $bad ("00-$trace-$parent-1", "ff-$trace-$parent-01", "00-$trace-$parent-01-x",
    '00-' . '0' x 32 . "-$parent-01", "00-\U$trace\E-$parent-01", 'nonsense') {
	($r, $line) = get('/a', "traceparent: $bad");
	like($r->header('X-Request-Id'), qr/^[0-9a-f]{32}$/, "'$bad' begins a trace");
	isnt(lc $r->header('X-Request-Id'), $trace, '... of its own');
	is($line->[2], '-', '... without a parent');
}
($r, $line) = get('/a', "traceparent: 00-$trace-$parent-01",
    "traceparent: 00-$trace-$parent-01");
isnt($r->header('X-Request-Id'), $trace, 'so do two of them');
($r, $line) = get('/a');
is($line->[3], 0, 'with trace_sample = 0 none of these are recorded');
is($r->json->{traceparent}, "00-$line->[0]-$line->[1]-00", '... which workers are told');

# refused
($r, $line) = get('/none', "traceparent: 00-$trace-$parent-01");
is($r->header('X-Request-Id'), $trace, 'a refusal belongs to the trace');

# Server-Timing
sub timing {
	my ($r) = @_;
	my %dur;
	for my $part (split /, /, $r->header('Server-Timing')) {
		my ($name, $dur) = $part =~ /^([\w.]+);dur=(\d+\.\d{3})$/ or return;
		$dur{$name} = $dur;
	}
	return \%dur;
}
($r) = get('/a?phase=db&sleep_ms=30');
my $dur = timing($r);
is(join(' ', sort keys %$dur), 'app db queue router',
    'server_timing = yes tells router, queue, worker and phases');
cmp_ok($dur->{db}, '>=', 30, '... in milliseconds');
cmp_ok($dur->{app}, '>=', $dur->{db}, '... the phase within the worker');
cmp_ok($dur->{db}, '<', patience(1000), '... and no more');
($r) = get('/a?stream=3');
ok(defined timing($r)->{app}, 'a streamed response has it as well');
($r) = get('/plain?phase=db');
is($r->header('Server-Timing'), '', 'without server_timing nothing is told');
($r) = get('/a?phase=no%20name');
is($r->status, 400, 'what is no name is no phase');

# sampling
$poold->write_config(config(1, 'no'));
like($poold->reload, qr/reload(?:ed| done)/, 'trace_sample can be changed');
($r, $line) = get('/a');
is($line->[3], 1, 'with trace_sample = 1 every trace that begins here is recorded');
is($r->json->{traceparent}, "00-$line->[0]-$line->[1]-01", '... which workers are told');
($r, $line) = get('/a', "traceparent: 00-$trace-$parent-00");
is($line->[3], 0, '... but those of clients are theirs to say');
is($r->header('Server-Timing'), '', 'server_timing = no tells nothing');

$poold->write_config(config('0.25', 'no'));
$poold->reload;
$client->get('/plain') for 1 .. 400;
wait_until(sub { logged() >= $n + 400 }, 10);
my $sampled = grep { $_->[3] == 1 } (logged())[ $n .. $n + 399 ];
# 6 standard deviations of a binomial distribution are 52
cmp_ok($sampled, '>', 48, 'trace_sample = 0.25 records some');
cmp_ok($sampled, '<', 152, '... a quarter, that is');

finish();
