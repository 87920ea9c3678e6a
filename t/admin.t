#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The admin worker: what it tells, who may change what, and its streams.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);
use IO::Select;
use JSON::PP ();
use Time::HiRes qw(time sleep);

my $json = JSON::PP->new->utf8;
my $token = 'correct-horse-battery-staple';
my $conf = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen admin]
address = 127.0.0.1:@port2@

[service admin]
listen = main
route = /admin
command = @bin@/admin --token-file @conf@/token
workers = 1
concurrency = 300
control = change

[service look]
listen = admin
route = /
command = @bin@/admin --private --token-file @conf@/token --streams 3
workers = 1
concurrency = 20
control = read

[service echo]
listen = main
route = /echo
command = @bin@/echo
workers = 2
required = yes
breaker = no

[service spare]
listen = main
route = /spare
command = @bin@/echo
workers = 1
INI
my $poold = new_poold($conf);
my $admin = "$poold->{bin}/admin";
Poold::Test::copy_program(($ENV{POOLD_LIBEXEC} // Poold::Test::builddir() . '/libexec') . '/admin',
    $admin);
write_token($token);
$poold->start;

sub write_token {
	my ($text, $mode) = @_;
	open(my $fh, '>', "$poold->{conf}/token") or die $!;
	print $fh "$text\n";
	close $fh;
	chmod $mode // 0600, "$poold->{conf}/token";
	chown((getpwnam 'nobody')[2], -1, "$poold->{conf}/token") if is_root();
}

sub ctl {
	my $poolctl = Poold::Test::builddir() . '/poolctl';
	open(my $out, '-|', $poolctl, '-s', "$poold->{run}/control.sock", '--json', @_) or die $!;
	local $/;
	return $json->decode(scalar <$out>);
}

# --- what it tells ------------------------------------------------------------

is($poold->get('/admin')->status, 308, 'the page is in a folder');
is($poold->get('/admin')->header('Location'), '/admin/', '... to which its route leads');
my $page = $poold->get('/admin/');
is($page->status, 200, 'there is a page');
like($page->body, qr/<title>poold/, '... of HTML');
unlike($page->body, qr/\b(?:src|href)="(?:https?:)?\/\//, '... that loads nothing from elsewhere');
unlike($page->body, qr/innerHTML|insertAdjacentHTML|document\.write|\beval\(/,
    '... and makes no HTML of text');
my $policy = $page->header('Content-Security-Policy');
like($policy, qr/^default-src 'none'; script-src 'sha256-[^ ;]+'; style-src 'sha256-[^ ;]+';/,
    'its policy allows its own script and style alone');
like($policy, qr/frame-ancestors 'none'/, '... and no frame around it');
unlike($policy, qr/unsafe/, '... and nothing unsafe');
for my $path ('/admin/', '/admin/session', '/admin/status.json', '/admin/nothing') {
	my $response = $poold->get($path);
	is($response->header('X-Content-Type-Options'), 'nosniff', "$path: nosniff");
	is($response->header('X-Frame-Options'), 'DENY', '... no frames');
	is($response->header('Referrer-Policy'), 'no-referrer', '... no referrer');
	like($response->header('Cache-Control'), qr/no-store|no-cache/, '... no stale copies');
}
is($poold->get('/admin/', headers => [ 'If-None-Match: ' . $page->header('ETag') ])->status, 304,
    'who has the page does not get it again');
is($poold->get('/admin/nothing')->status, 404, 'what there is not is 404');
is($poold->exchange('PUT', '/admin/')->status, 405, 'other methods are refused');

is($poold->get('/admin/livez')->status, 200, 'livez');
is($poold->get('/admin/readyz')->status, 200, 'readyz');
my $status = $poold->get('/admin/status.json')->json;
my $said = ctl('status');
is_deeply([ map { $_->{service} } @{ $status->{services} } ],
    [ map { $_->{service} } @{ $said->{services} } ], 'status.json has the services');
for my $key (qw(state workers_max workers_target generation restarts routes)) {
	is_deeply([ map { $_->{$key} } @{ $status->{services} } ],
	    [ map { $_->{$key} } @{ $said->{services} } ], "... with the same $key as poolctl");
}
is_deeply([ sort map { $_->{pid} } map { @{ $_->{workers} } } @{ $status->{services} } ],
    [ sort map { $poold->workers($_) } qw(admin look echo spare) ], '... and all workers');

my $metrics = $poold->get('/admin/metrics');
like($metrics->header('Content-Type'), qr/^text\/plain; version=0\.0\.4/, 'metrics');
like($metrics->body, qr/^# TYPE poold_\w+ /m, '... as Prometheus reads them');

# --- ready --------------------------------------------------------------------

ctl('drain', 'spare');
is($poold->get('/admin/readyz')->status, 200, 'a service that is not required may be drained');
ctl('drain', 'echo');
eventually { $poold->get('/admin/readyz')->status == 503 } 10, 'one that is required may not';
my $ready = $poold->get('/admin/readyz')->json;
is($ready->{reasons}[0]{service}, 'echo', '... the reason names it');
is($poold->get('/admin/livez')->status, 200, '... the worker is alive still');
ctl('resume', $_) for qw(echo spare);
eventually { $poold->get('/admin/readyz')->status == 200 } 10, 'then poold is ready again';

# --- who may change what ------------------------------------------------------

my @own = ('X-Poold-Admin: 1');
my @bearer = ("Authorization: Bearer $token");
my @wrong = ('Authorization: Bearer ' . 'x' x length $token);

sub post {
	my ($path, $body, @headers) = @_;
	return $poold->post("/admin/$path", $json->encode($body), headers => \@headers);
}
sub target { return (grep { $_->{service} eq 'echo' } @{ ctl('status')->{services} })[0]{workers_target} }

my $scale = { service => 'echo', workers => 3 };
is(post('actions/scale', $scale, @own)->status, 401, 'without a token nothing is changed');
my $since = time;
is(post('actions/scale', $scale, @own, @wrong)->status, 401, '... nor with a wrong one');
cmp_ok(time - $since, '>=', 0.9, '... which is answered late');
is(post('actions/scale', $scale, @bearer)->status, 403, '... nor as a form would ask');
is(post('actions/scale', $scale, @own, @bearer, 'Origin: http://evil.example')->status, 403,
    '... nor from a page of another origin');
is(post('actions/scale', $scale, @own, @bearer, "Sec-Fetch-Site: $_")->status, 403,
    "... nor from a page that is $_") for qw(cross-site same-site);
is(target(), 2, '... and nothing was');
is($poold->get('/admin/actions/scale', headers => [ @own, @bearer ])->status, 404,
    'GET changes nothing');
is(post('actions/scale', $scale, @own, @bearer)->status, 200, 'with the token it is');
is(target(), 3, '... done');
eventually { $poold->workers('echo') == 3 } 10, '... and seen';
is(post('actions/scale', { %$scale, workers => 99999 }, @own, @bearer)->status, 409,
    'what poold refuses is refused');
is(post('actions/scale', { service => 'none', workers => 1 }, @own, @bearer)->status, 409,
    '... and what there is not');
is(post("actions/$_", { service => 'echo' }, @own, @bearer)->status, 404, "$_ is no action")
    for qw(stop config upgrade run);
is($poold->post('/admin/actions/scale', 'nonsense', headers => [ @own, @bearer ])->status, 400,
    'a body that is no JSON is refused');
is($poold->post('/admin/actions/scale', '{"service":"' . 'x' x 9000 . '"}',
    headers => [ @own, @bearer ])->status, 413, '... and a long one');
is(post('actions/scale', { service => 'echo', workers => undef }, @own, @bearer)->status, 200,
    'a service can be scaled as configured again');
for my $action (qw(drain resume restart)) {
	is(post("actions/$action", { service => 'spare' }, @own, @bearer)->status, 200, $action);
}
ok($poold->wait_log(qr/service spare: generation 2 is ready/, 10), '... takes effect');
eventually { post('actions/reload', {}, @own, @bearer)->status == 200 } 10, 'reload';
ok($poold->wait_log(qr/reload done/, 10), '... takes effect');
like($poold->log_text, qr/scale echo, asked for from 127\.0\.0\.1/, 'who asks is in the log');
unlike($poold->log_text, qr/\Q$token\E/, '... without the token');

# --- logging in ---------------------------------------------------------------

is(post('login', { token => 'no' }, @own)->status, 401, 'a wrong token is no login');
is(post('login', { token => $token })->status, 403, 'a form of another page cannot log in');
my $login = post('login', { token => $token }, @own);
is($login->status, 200, 'the token is');
my $cookie = $login->header('Set-Cookie');
like($cookie, qr/^poold_admin=\S+; Path=\/admin; Max-Age=\d+; HttpOnly; SameSite=Strict$/,
    '... and gives a cookie that no script reads and no other site sends');
unlike($cookie, qr/\Q$token\E/, '... without the token');
my ($value) = $cookie =~ /^(poold_admin=[^;]+)/;
ok($poold->get('/admin/session', headers => ["Cookie: a=b; $value; c=d"])->json->{admin},
    'with it, who comes is known');
is(post('actions/drain', { service => 'spare' }, @own, "Cookie: $value")->status, 200,
    '... and may change something');
is(post('actions/resume', { service => 'spare' }, "Cookie: $value")->status, 403,
    '... but not as a form of another page would');
is(post('actions/resume', { service => 'spare' }, @own, "Cookie: $value")->status, 200, '... only so');
(my $forged = $value) =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/e;
is(post('actions/drain', { service => 'spare' }, @own, "Cookie: $forged")->status, 401,
    'a forged cookie is none');
like(post('logout', {}, @own)->header('Set-Cookie'), qr/Max-Age=0/, 'logging out ends it');

# more wrong tokens at a time than are looked at
my @guesses = map {
	my $client = $poold->client;
	$client->request('POST', '/admin/login', body => '{"token":"guess"}', headers => \@own);
	$client;
} 1 .. 40;
my %answers;
$answers{ $_->response->status }++ for @guesses;
cmp_ok($answers{401} // 0, '<=', 17, 'of many wrong tokens at a time few are looked at');
cmp_ok($answers{429} // 0, '>=', 20, '... the others are told to come later');
is(post('login', { token => $token }, @own)->status, 200, '... and the right one is taken after that');

# --- a private one ------------------------------------------------------------

my %second = (client => { listener => 2 });
is($poold->get('/', %second)->status, 200, 'the page of a private one says nothing');
is($poold->get('/livez', %second)->status, 200, '... livez is for everybody');
is($poold->get('/readyz', %second)->status, 200, '... and readyz');
is($poold->get($_, %second)->status, 401, "... $_ is not") for qw(/status.json /events /metrics);
is($poold->get($_, %second, headers => \@bearer)->status, 200, "with the token $_ is")
    for qw(/status.json /metrics);
is($poold->post('/actions/drain', '{"service":"echo"}', %second, headers => [ @own, @bearer ])->status,
    403, 'with control = read the token changes nothing');

# --- streams ------------------------------------------------------------------

sub stream {
	my ($path, %o) = @_;
	my $client = $poold->client(%{ $o{client} // {} });
	$client->request('GET', $path, headers => $o{headers} // []);
	return { client => $client, text => '' };
}
# Reads until what has come so far matches; returns all of it.
sub stream_until {
	my ($stream, $pattern, $seconds) = @_;
	my $deadline = time + patience($seconds // 10);
	my $sock = $stream->{client}->sock;
	while ($stream->{text} !~ $pattern) {
		my $left = $deadline - time;
		return '' if $left <= 0 || !IO::Select->new($sock)->can_read($left);
		my $n = sysread $sock, $stream->{text}, 65536, length $stream->{text};
		return '' if defined $n && $n == 0 || !defined $n && !$!{EAGAIN};
	}
	return $stream->{text};
}

my $stream = stream('/admin/events');
my $text = stream_until($stream, qr/^event: status\ndata: \{.*\}\n\n/m);
like($text, qr/^content-type: text\/event-stream/mi, 'a stream of server-sent events');
like($text, qr/^event: event\nid: 1\ndata: \{"event":"generation_ready"/m, '... begins with what was');
like($text, qr/^event: check\ndata: \{.*"problems"/m, '... says what is wrong');
$since = time;
like(stream_until($stream, qr/(^event: status\n.*?){3}/ms), qr/status/, '... and goes on');
cmp_ok(time - $since, '>=', 0.5, '... once a second');
my ($victim) = $poold->workers('echo');
signal_to 'KILL', $victim;
like(stream_until($stream, qr/^id: (\d+)\ndata: \{"event":"worker_died".*"pid":$victim,/m),
    qr/worker_died/, '... with what happens');
my ($id) = $stream->{text} =~ /^id: (\d+)\ndata: \{"event":"worker_died".*"pid":$victim,/m;
ctl('drain', 'spare');
my $again = stream('/admin/events', headers => ["Last-Event-ID: $id"]);
$text = stream_until($again, qr/"event":"drained".*^event: status/ms);
unlike($text, qr/^id: $id$/m, 'who comes back does not get again what he had');
like($text, qr/"event":"drained"/, '... but what he missed');
ctl('resume', 'spare');

my @private = map { stream('/events', client => { listener => 2 }, headers => \@bearer) } 1 .. 3;
ok(stream_until($_, qr/event: status/), 'as many as it may have') for @private;
is($poold->get('/events', %second, headers => \@bearer)->status, 503, '... and no more');
$_->{client}->close for @private;
eventually {
	my $fresh = stream('/events', client => { listener => 2 }, headers => \@bearer);
	stream_until($fresh, qr/event: status|503/) =~ /event: status/;
} 15, '... until one has gone';

# an upgrade does not end a stream
$poold->mark;
$poold->signal('USR2');
ok($poold->wait_log(qr/goes on in the place of/, 20), 'an upgrade');
ok(stream_until($stream, qr/"event":"upgraded"/, 15), '... which a stream lives through');
ok(stream_until($stream, qr/"event":"upgraded".*(event: status.*){2}/s, 15), '... and goes on after');

# --- two hundred of them ------------------------------------------------------

my ($worker) = $poold->workers('admin');
sub rss { my ($kb) = (Poold::Proc::status_of($_[0])->{VmRSS} // 0) =~ /(\d+)/; return $kb }
sub fds { return scalar keys %{ Poold::Proc::fds($_[0]) } }
my @before = (rss($worker), fds($worker));
my $load = load($poold, target => '/echo');
my @many = map { stream('/admin/events') } 1 .. 200;
my @reading = @many[ 0 .. 99 ]; # the others never read
my $got = 0;
$got += stream_until($_, qr/^event: status/m, 30) ne '' for @reading;
is($got, 100, 'of 200 dashboards those that read are served');
my $asked = (grep { $_->{service} eq 'admin' } @{ ctl('status')->{services} })[0];
is($asked->{state}, 'running', '... by one worker');
is($poold->get('/admin/livez')->status, 200, '... which answers others');
$_->{text} = '' for @reading;
# as many seconds as there are states told, all of which lie there for the others
ok(stream_until($reading[0], qr/(?:^event: status\n.*?){4}/ms, 30), '... and goes on');
my $first = rss($worker);
for my $stream (@reading) { stream_until($stream, qr/^event: status/m, 30); $stream->{text} = '' }
my $report = $load->stop;
is_deeply($report->{failures}, [], '... no request of others fails');
cmp_ok($report->{answered}, '>', 0, '... of which there were some');
cmp_ok($first - $before[0], '<', 120 * 1024, '... and memory is bounded');
note("admin worker: $before[0] KiB before, $first KiB with 200 streams of which 100 do not read");
$_->{client}->close for @many;
eventually { fds($worker) <= $before[1] + 2 } 30, 'when they have gone, so have their descriptors';
is(($poold->workers('admin'))[0], $worker, '... and the worker is the same');

# --- its end, and its beginning -----------------------------------------------

my $last = stream('/admin/events');
stream_until($last, qr/event: status/);
is($poold->stop('TERM', 20), 0, 'poold stops while dashboards are open');

for my $case ([ 'short', 0600, qr/less than 16/ ], [ $token, 0604, qr/may be read by everybody/ ]) {
	my ($text, $mode, $pattern) = @$case;
	write_token($text, $mode);
	open(my $out, '-|', "$admin --token-file $poold->{conf}/token 2>&1") or die $!;
	my $said = join '', <$out>;
	close $out;
	like($said, $pattern, 'a bad token file is an error');
	cmp_ok($? >> 8, '>=', 64, '... and an exit status');
}
my $alone = `env -u POOLD_CONTROL_FD $admin 9 2>&1`;
like($alone, qr/no line to the supervisor/, 'without a line it does not start');
is($? >> 8, 78, '... which is a matter of configuration');

finish();
