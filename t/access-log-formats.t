#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Formats and destinations of access logs.
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Poold::Test;

sub config {
	my (%o) = @_;
	return <<"INI";
[poold]
access_log = \@run\@/all.log
access_log_format = $o{format}

[listen main]
address = 127.0.0.1:\@port\@
${\($o{main} // '')}

[listen other]
address = 127.0.0.1:\@port2\@
access_log = \@run\@/other.log
access_log_format = other \$listener \$path

[service a]
listen = main, other
route = /a
command = \@bin\@/echo
workers = 1
max_body = 1000
${\($o{a} // '')}

[service raw]
listen = main
route = /raw
command = \@bin\@/hostile
workers = 1
response_buffer = 0

[service quiet]
listen = main
route = /quiet
command = \@bin\@/echo
workers = 1
access_log = off
INI
}

my $poold = new_poold(config(format => 'json'));
$poold->{keep} = qr{^run/\w+\.log};
$poold->start;

sub path { return "$poold->{run}/$_[0].log" }

sub lines {
	my ($name) = @_;
	open(my $fh, '<', path($name)) or return ();
	return map { chomp; $_ } <$fh>;
}

# The first new line of a log after what do() did; the log as it was before
# must be written already.
my %seen;
sub line_after {
	my ($name, $do) = @_;
	$seen{$name} //= 0;
	my $result = $do->();
	wait_until(sub { lines($name) > $seen{$name} }, 5);
	my $line = (lines($name))[ $seen{$name}++ ] // '';
	return wantarray ? ($line, $result) : $line;
}

sub object { return eval { JSON::PP->new->utf8->decode($_[0]) } // {} }

my $client = $poold->client;

# json
my ($line, $r) = line_after(all => sub {
	$client->get('/a/x%20y?q=1&phase=db&sleep_ms=20', headers => [
		"User-Agent: \"\\ \xe9\xf0\x9f\x98\x80\t</script>", 'Referer: http://x/',
		'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' ]);
});
my $got = object($line);
is($got->{status}, 200, 'a line of JSON has the status');
is($got->{method}, 'GET', '... the method');
is($got->{target}, '/a/x%20y?q=1&phase=db&sleep_ms=20', '... the target');
is($got->{protocol}, 'HTTP/1.1', '... the protocol');
is($got->{host}, 'localhost', '... the host');
is($got->{user_agent}, "\"\\ \x{fffd}\x{1f600}\t</script>", '... any user agent');
is($got->{remote_addr}, '127.0.0.1', '... the client');
is($got->{remote_port}, $client->local_port, '... its port');
is($got->{listener}, 'main', '... the listener');
is($got->{service}, 'a', '... the service');
is($got->{worker_pid}, $r->pid, '... the pid of the worker');
is($got->{worker_slot}, 0, '... its slot');
cmp_ok($got->{bytes}, '>', length $r->body, '... the bytes, with those of the head');
is($got->{request_id}, '0af7651916cd43dd8448eb211c80319c', '... the request id');
is($got->{parent_id}, 'b7ad6b7169203331', '... the span of the client');
ok($got->{sampled}, '... that it is recorded');
is($got->{by}, 'worker', '... who answered');
is($got->{reason}, undef, '... and no reason for anything else');
is($got->{request_number}, 1, '... which request it was');
ok($got->{keep}, '... that the connection goes on');
is($got->{retries}, 0, '... and no retry');
like($got->{time_iso8601}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/,
    '... the time');
cmp_ok($got->{phases}{db}, '>=', 0.020, '... the phase that the worker named');
cmp_ok($got->{service_time}, '>=', $got->{phases}{db},
    '... within the time of service');
cmp_ok(abs($got->{total_time} - $got->{router_time} - $got->{queue_time}
	- $got->{service_time}), '<', 0.00001, '... and the sum of all times');

# refusals
($line, $r) = line_after(all => sub { $client->get('/none?x=1') });
$got = object($line);
is($got->{status}, 404, 'a refusal has a line of the same form');
is($got->{by}, 'router', '... which says who answered');
is($got->{reason}, 'no service has this path', '... and why');
is($got->{service}, undef, '... without a service');
is($got->{target}, '/none?x=1', '... with what was asked');
is($got->{request_number}, 2, '... as one more request of the connection');
ok($got->{keep}, '... which goes on');
is($r->header('X-Request-Id'), $got->{request_id},
    '... and the request id that the client was told');
cmp_ok($got->{bytes}, '>', 100, '... and the bytes of the answer');

($line, $r) = line_after(all => sub {
	$poold->client->post('/a/up', 'x' x 2000,
		headers => ['traceparent: 00-' . 'c' x 32 . '-' . 'd' x 16 . '-00'])
});
$got = object($line);
is($got->{status}, 413, 'a body that is too large has a line');
is($got->{service}, 'a', '... of its service');
is($got->{request_id}, 'c' x 32, '... and of its trace');
is($r->header('X-Request-Id'), 'c' x 32, '... as the answer has');
ok(!$got->{sampled}, '... which is not recorded');

my $bad = $poold->client;
($line) = line_after(all => sub {
	$bad->send("GET \"\\\e[2J\xff/ HTTP/1.1\r\nX: y\r\n\r\n");
	$r = $bad->response;
});
$got = object($line);
is($got->{status}, 400, 'what is no request has a line');
is($got->{method}, undef, '... which claims to know nothing of it');
is(length($got->{request_id}), 32, '... but has a request id');
is($r->header('X-Request-Id'), $got->{request_id}, '... that the client was told');

# one that waits for the worker
my $busy = $poold->client;
$busy->request('GET', '/a?sleep_ms=400');
eventually { grep { /busy/ } values %{ { $poold->children } } } 5, 'a worker is busy';
my $waiting = $poold->client;
$waiting->request('GET', '/a?wait');
$_->response for $busy, $waiting;
wait_until(sub { lines('all') >= $seen{all} + 2 }, 5);
($got) = grep { $_->{target} eq '/a?wait' }
    map { object($_) } (lines('all'))[ $seen{all}, $seen{all} + 1 ];
cmp_ok($got->{queue_time}, '>', 0.02, 'who waits for the worker waits in the queue');
cmp_ok($got->{router_time}, '<', $got->{queue_time}, '... not in the router');
$seen{all} += 2;

# phases are untrusted
for my $which (0 .. 7) {
	($line, $r) = line_after(all => sub { $client->get("/raw/phases/$which") });
	$got = object($line);
	is($got->{status}, 200, "bad phases ($which) harm nobody");
	is($got->{phases}, undef, '... and are dropped');
}
is(scalar(lines('all')), $seen{all}, 'nothing has forged a line');
unlike($poold->log_text, qr/does not exist|broke the lease/, '... or was a fault');

# destinations
is($client->get('/quiet')->status, 200, 'a service may have no access log');
my $other = $poold->client(listener => 2);
is(scalar(line_after(other => sub { $other->get('/a//b/../c') })), 'other other /a/c',
    'a listener has its own log and format');
is($poold->client(listener => 2)->get('/none')->status, 404,
    'its refusals');
is((line_after(other => sub { 1 }))[0], 'other other /none', '... go there as well');
is(scalar(lines('all')), $seen{all}, '... and nowhere else');

# a reload changes formats, and no worker
my $pid = $client->get('/a')->pid;
$seen{all}++;
$poold->write_config(config(format => '$$ $status "$target" $http_x_one '
	. '$request_number', a => "access_log = \@run\@/a.log"));
like($poold->reload, qr/reload(?:ed| done)/, 'formats and destinations are reloaded');
is((line_after(a => sub { $client->get('/a?two', headers => ['X-One: 1 2']) }))[0] =~
    s/\d+$//r, '$ 200 "/a?two" 1\x202 ', 'a service has its own log from then on');
is($client->get('/a')->pid, $pid, '... and its old worker');
$seen{a}++;
is((line_after(all => sub { $client->get('/nothing') }))[0] =~ s/\d+$//r,
    '$ 404 "/nothing" - ', 'refusals without a service stay with the listener');

# reopening
rename path($_), path($_) . '.1' for qw(all a other);
$poold->signal('USR1');
eventually { -e path('all') && -e path('a') && -e path('other') } 5,
    'USR1 opens all of them anew';
wait_until(sub {
	$client->get('/a');
	return scalar lines('a');
}, 5);
like((lines('a'))[0], qr{^\$ 200 "/a"}, '... and they are written');

# combined is what others read
$poold->write_config(config(format => 'combined'));
$poold->reload;
$seen{all} = lines('all');
$line = line_after(all => sub { $client->get('/a', headers => ['User-Agent: x y']) });
like($line, qr{^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /a HTTP/1\.1" 200 \d+ "-" "x y"$},
    'combined is the combined format exactly');

# an upgrade
$poold->signal('USR2');
ok($poold->wait_log(qr/took \d+ connections/, 20), 'poold is upgraded');
$seen{all} = lines('all');
$line = line_after(all => sub { $poold->client->get('/a?after') });
like($line, qr{"GET /a\?after HTTP/1\.1" 200}, '... and writes the log as before');

# errors
my @errors = (
	[ 'access_log_format = $remote_adr', qr/unknown name 'remote_adr'; did you mean 'remote_addr'\?/ ],
	[ 'access_log_format = $', qr/has no name behind it/ ],
	[ 'access_log_format = json status $x', qr/unknown name '\$x'/ ],
	[ 'access_log_format =', qr/access_log_format/ ],
	[ 'access_log = /nonexistent/x.log', qr/cannot open the log/ ],
	[ 'trace_sample = 1.5', qr/'1\.5' is not a number from 0 to 1/ ],
);
for my $error (@errors) {
	my ($text, $wanted) = @$error;
	my $p = new_poold('');
	my ($status, $said) = $p->run('-c', $p->write_config("[poold]\n$text\n"
	    . "[listen main]\naddress = 127.0.0.1:\@port\@\n"
	    . "[service a]\nroute = /a\ncommand = \@bin\@/echo\n"));
	like($said, $wanted, "'$text' is an error");
	like($said, qr/poold\.ini:2: /, '... with file and line') if $text =~ /format|sample/;
}

finish();
