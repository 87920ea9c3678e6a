#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# CGI programs under poold-cgi, the language "cgi".
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use File::Copy qw(copy);
use File::Path qw(make_path);
use Poold::Proc qw(alive signal_to stat_of);

my $libexec = $ENV{POOLD_LIBEXEC} // Poold::Test::builddir() . '/libexec';

my $poold = new_poold(<<'INI');
[poold]
access_log = off
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@
[listen unix]
address = unix:@run@/sock

[service one]
route = /one
language = cgi
app = @bin@/cgi.pl
workers = 2
max_body = 200M
response_buffer = 0
env.SAID = by the configuration
env.REMOTE_USER = somebody
env.HTTP_PROXY = http://bad.example/

[service folder]
route = /cgi-bin
command = poold-cgi --root @dir@/cgi-bin --document-root @dir@/docs --pass-authorization

[service form]
route = /form
language = cgi
app = @bin@/form.pl

[service git]
route = /git
language = cgi
app = ${GIT_BACKEND:-/bin/true}
env.GIT_PROJECT_ROOT = @dir@/repos
env.GIT_HTTP_EXPORT_ALL = 1

[service missing]
route = /missing
command = poold-cgi --app @dir@/gone.pl
INI
chomp(my $git = `git --exec-path 2>/dev/null` // '');
$poold->{env} = { GIT_BACKEND => -x "$git/git-http-backend" ? "$git/git-http-backend" : '',
    LEAKED => 'from the shell', HTTP_PROXY => 'http://bad.example/' };
my $dir = $poold->{dir};
my $notes = "$dir/notes"; # where programs leave their pids
Poold::Test::copy_program(Poold::Test::real_program("$libexec/poold-cgi"),
    "$poold->{bin}/poold-cgi");
make_path("$dir/cgi-bin/sub", "$dir/docs", $notes);
chmod 0777, $notes;
for my $name ('env.pl', 'nph-raw.pl', 'sub/deep.pl', '.hidden.pl') {
	copy("$poold->{bin}/cgi.pl", "$dir/cgi-bin/$name") or die "$name: $!";
	chmod 0755, "$dir/cgi-bin/$name";
}
sub put {
	my ($name, $text, $mode) = @_;
	open(my $out, '>', "$dir/$name") or die "$name: $!";
	print $out $text;
	close $out;
	chmod $mode // 0755, "$dir/$name";
}
put('cgi-bin/data.txt', "text\n", 0644);
put('cgi-bin/nph-bad.pl', "#!/bin/sh\necho no HTTP\n");
put('cgi-bin/lost.pl', "#!/no/such/interpreter\n");
put('gone.pl', "#!/bin/sh\n");
symlink "$poold->{bin}/cgi.pl", "$dir/cgi-bin/outside.pl";
symlink 'env.pl', "$dir/cgi-bin/inside.pl";
if (-x "$git/git-http-backend") {
	# the repository is that of who pushes into it
	make_path("$dir/repos");
	system "git init -q -b main --bare '$dir/repos/repo.git' && git -C '$dir/repos/repo.git' config http.receivepack true";
	system 'chown', '-R', 'nobody', "$dir/repos" if is_root();
}
$poold->{keep} = qr{^(?:cgi-bin|docs|notes|repos|work|clone)/|^gone\.pl$};
$poold->start;

sub note_of {
	my ($name) = @_;
	my $pid;
	wait_until(sub {
		open(my $in, '<', "$notes/$name") or return 0;
		return $pid = <$in>;
	}, 10);
	return $pid // 0;
}

# ---- the request

my $r = $poold->get('/one/env/a%20b?x=1&y=%20', headers => [ 'X-Some-Thing: a',
    'X-Some-Thing: b', 'Cookie: c=1', 'Cookie: d=2', 'Proxy: http://bad.example/',
    'Authorization: Basic x', 'X_Under: 1', 'Accept: */*' ], host => 'Example.org:123');
my $env = $r->json;
is($r->status, 200, 'a CGI program answers');
my %expected = (
	GATEWAY_INTERFACE => 'CGI/1.1', SERVER_PROTOCOL => 'HTTP/1.1',
	REQUEST_METHOD => 'GET', QUERY_STRING => 'x=1&y=%20', SCRIPT_NAME => '/one',
	PATH_INFO => '/env/a b', PATH_TRANSLATED => "$poold->{bin}/env/a b",
	REMOTE_ADDR => '127.0.0.1', REMOTE_HOST => '127.0.0.1',
	SERVER_ADDR => '127.0.0.1', SERVER_PORT => $poold->port,
	SCRIPT_FILENAME => "$poold->{bin}/cgi.pl", DOCUMENT_ROOT => $poold->{bin},
	REQUEST_URI => '/one/env/a%20b?x=1&y=%20', REQUEST_SCHEME => 'http',
	HTTP_X_SOME_THING => 'a, b', HTTP_COOKIE => 'c=1; d=2', HTTP_ACCEPT => '*/*',
	SAID => 'by the configuration', REMOTE_USER => 'somebody',
	cwd => $poold->{bin}, argc => 0,
);
is($env->{$_}, $expected{$_}, "... $_") for sort keys %expected;
is(lc $env->{SERVER_NAME}, 'example.org', '... SERVER_NAME');
like($env->{SERVER_SOFTWARE}, qr{^poold/\d}, '... SERVER_SOFTWARE');
like($env->{REMOTE_PORT}, qr/^\d+$/, '... REMOTE_PORT');
is($env->{REQUEST_ID}, $r->header('x-request-id'), '... REQUEST_ID');
ok(!exists $env->{$_}, "... without $_") for qw(CONTENT_LENGTH CONTENT_TYPE
    HTTP_PROXY HTTP_AUTHORIZATION HTTP_X_UNDER HTTP_CONNECTION LEAKED AUTH_TYPE
    POOLD_ENV POOLD_SERVICE NOTIFY_SOCKET);
ok(!exists $poold->get('/one')->json->{PATH_TRANSLATED},
    'without a PATH_INFO there is no PATH_TRANSLATED');
is(Poold::Client->new(path => "$poold->{run}/sock")->get('/one/env')->json->{SERVER_PORT}, 80,
    'a request over a unix socket has a port too');

$r = $poold->post('/one/echo', 'some body', headers => ['Content-Type: text/x']);
is("@{$r->json}{qw(body declared)}", 'some body 9', 'a body gets to its stdin');
$r = $poold->exchange('PUT', '/one/echo', chunks => [ 'in ', 'chunks' ]);
is("@{$r->json}{qw(body declared)}", 'in chunks 9',
    'a chunked one is decoded, and its length is known');
$r = $poold->post('/one/echo', 'expected', headers => ['Expect: 100-continue']);
is($r->json->{body}, 'expected', 'a client that waits is told to go on');
is($poold->post('/one/env', '')->json->{CONTENT_LENGTH}, 0, 'an empty body has a length');

# ---- folders

is($poold->get('/cgi-bin/env.pl/env?q', headers => ['Authorization: Basic x'])
    ->json->{HTTP_AUTHORIZATION}, 'Basic x', 'Authorization is passed on if told so');
$r = $poold->get('/cgi-bin/sub/deep.pl/.git/x');
is("@{$r->json}{qw(SCRIPT_NAME PATH_INFO)}", '/cgi-bin/sub/deep.pl /.git/x',
    'the path is split where the program ends');
is($poold->get('/cgi-bin/env.pl/env')->json->{PATH_TRANSLATED}, "$dir/docs/env",
    'PATH_TRANSLATED lies below the document root');
is($poold->get('/cgi-bin/sub/deep.pl/env')->json->{cwd}, "$dir/cgi-bin/sub",
    'a program runs in its folder');
is($poold->get('/cgi-bin/inside.pl')->status, 200, 'a link within the folder is followed');
is($poold->get('/cgi-bin/outside.pl')->status, 404, '... one that leaves it is not');
is($poold->get('/cgi-bin/data.txt')->status, 403, 'what is not executable is not executed');
is($poold->get('/cgi-bin/.hidden.pl')->status, 404, 'names that begin with a dot are hidden');
is($poold->get("/cgi-bin/$_")->status, 404, "'$_' is no program")
    for '', 'sub', 'none.pl', 'sub/';
is($poold->get('/cgi-bin/../gone.pl')->status, 404, 'nothing above the folder is reached');
is($poold->get('/cgi-bin/lost.pl')->status, 502, 'a script without its interpreter: 502');
ok($poold->wait_log('cannot start .*lost\.pl'), '... and the log says why');
unlink "$dir/gone.pl";
is($poold->get('/missing')->status, 502, 'a program that is gone: 502');
put('gone.pl', "#!/bin/sh\n");

# ---- the response

$r = $poold->get('/one/status');
is($r->status . $r->body, '418short', 'Status is the status');
$r = $poold->get('/one/crlf');
is($r->header('x-a') . $r->body, '1, 2crlf', 'lines may end in CRLF');
is($r->header('content-length'), 4, 'a short response has its length');
$r = $poold->get('/one/private');
is($r->body, 'private', "what is the connection's is poold's");
unlike($r->header('date'), qr/never/, '... the date too');
$r = $poold->client->exchange('HEAD', '/one/sized?5');
is($r->status . ' ' . $r->header('content-length'), '200 5', 'HEAD gives the length');
is($poold->get('/one/sized?5')->body, '12345', 'a Content-Length is kept');
is($poold->get('/one/sized?3')->body, '123', '... and what is more than it is dropped');
is($poold->get('/one/sized?9')->status, 502, '... and what is less is no response');
$r = $poold->get('/one/away');
is($r->status . $r->header('location'), '302http://example.org/there',
    'a Location sends the client there');
$r = $poold->get('/one/moved');
is($r->status . $r->header('location'), '301/elsewhere', '... with the status it has');
$r = $poold->post('/one/redirect?/one/env/%2561?z=1', 'body');
$env = $r->json;
is("@{$env}{qw(PATH_INFO QUERY_STRING REQUEST_METHOD REDIRECT_URL)}",
    '/env/%61 z=1 GET /one/redirect', 'a local redirect is run in place');
ok(!exists $env->{CONTENT_LENGTH}, '... without the body');
$r = $poold->get('/one/redirect?/elsewhere');
is($r->status . $r->header('location'), '302/elsewhere',
    'one to another service is for the client');
is($poold->get('/one/redirect?/one/../..')->status, 502, 'one to nowhere is malformed');
is($poold->get('/one/loop')->status, 502, 'a loop of them ends');
$r = $poold->get('/cgi-bin/nph-raw.pl');
like($r->{head}, qr{\AHTTP/1\.1 203 As I Say\r\nX-Raw: yes\r\nContent-Length: 4\r\n\r\n\z},
    'what an nph- program writes is sent as it is');
is($r->body, 'raw!', '... to its end');
is($poold->get('/cgi-bin/nph-bad.pl')->status, 502, 'an nph- program must write HTTP');
$r = $poold->get('/one/stderr');
my $id = $r->header('x-request-id');
ok($poold->wait_log("\\[$id\\] $_"), "stderr is logged with the request id: $_")
    for 'first line', 'second.x09line', 'no end';
is($poold->get('/one/fail')->status, 200, 'an exit status is no response');
ok($poold->wait_log('/one: exit status 3'), '... but is logged');

my $client = $poold->client;
$client->request('GET', "/one/slow?$notes");
wait_until(sub { $client->fill(time + 1) && $client->{in} =~ /first/ });
like($client->{in}, qr/first/, 'a response is sent as it is written');
put('notes/go', '');
like($client->response->body, qr/first\nsecond/, '... to its end');

# ---- hostile programs

$poold->mark;
for my $what ('nothing', 'garbage', 'no-type', 'endless-head', 'no-newline', 'inject',
    'nul', 'twice', 'bad-status') {
	$r = $poold->get("/one/$what");
	is($r->status, 502, "$what: 502");
	unlike($r->{head}, qr/Set-Cookie|X-A/, '... with nothing of it');
}
ok($poold->wait_log('/one: bad output: no output'), 'the log says what was wrong');
like($poold->get('/one/crash')->error, qr/^(?:cut|reset)$/,
    'a program that is killed while it answers has its response cut');
$r = $poold->get("/one/early-close?$notes");
is($r->status, 200, 'a program may close its output and go on');
eventually { !alive(note_of('late')) } 10, '... but not for long';
$r = $poold->get("/one/late-writer?$notes");
is(length $r->json->{pid} > 0, 1, 'what is written after the end is no response');
eventually { !alive(note_of('child')) } 10, '... and its writer is ended';
$r = $poold->get("/one/daemon?$notes");
is($r->status, 200, 'a daemon that keeps stdout open holds no response up');
my $daemon = note_of('daemon');
ok(alive($daemon), '... and lives on in its session');
signal_to('KILL', $daemon);

for my $what ('ignore-term', 'sleep') {
	$client = $poold->client;
	$client->request('GET', "/one/$what?$notes");
	my $pid = note_of($what eq 'sleep' ? 'sleep' : 'stubborn');
	ok($pid, "$what: it runs");
	$client->reset;
	eventually { !alive($pid) } 10, '... and ends when its client leaves';
}
eventually { !grep { Poold::Proc::title($_) =~ /^sleep 600/
    && (stat_of($_)->{ppid} // 0) == 1 } Poold::Proc::pids() } 5, '... with its children';

$client = $poold->client;
unlink "$notes/sleep";
$client->request('POST', "/one/sleep?$notes", headers => ['Content-Length: 1000000']);
my $pid = note_of('sleep');
$client->reset;
eventually { !alive($pid) } 10, 'a client that leaves in its body ends the program too';

# ---- a deploy

my (%one, %form);
%one = map { $_ => 1 } $poold->workers('one');
%form = map { $_ => 1 } $poold->workers('form');
copy("$poold->{bin}/cgi.pl", "$poold->{bin}/new.pl");
chmod 0755, "$poold->{bin}/new.pl";
rename "$poold->{bin}/new.pl", "$poold->{bin}/cgi.pl";
like($poold->reload, qr/reload done/, 'a reload after a deploy succeeds');
eventually { my @now = $poold->workers('one'); @now == 2 && !grep { $one{$_} } @now } 10,
    '... and the service has a new generation';
is(scalar(grep { $form{$_} } $poold->workers('form')), scalar keys %form,
    '... and no other has');

# ---- the example

my $example = Poold::Test::srcdir() . '/conf/languages';
my $hello = new_poold("[poold]\nlibexec = $poold->{bin}\n"
    . Poold::Proc::slurp("$example/cgi.ini"));
$hello->{env} = { PORT => $hello->port };
copy("$example/hello.cgi", "$hello->{conf}/hello.cgi") or die "hello.cgi: $!";
chmod 0755, "$hello->{conf}/hello.cgi";
my ($status, $said) = $hello->run('-t', '-c', $hello->{ini});
is($status, 0, 'the example is a valid configuration') or diag($said);
$hello->start;
$r = $hello->get('/hello');
is($r->json->{language}, 'cgi', '... and serves');
is($r->json->{port}, $hello->port, '... at its port');
is($hello->stop, 0, '... and stops');

# ---- a worker that is killed

unlink "$notes/sleep";
$client = $poold->client;
$client->request('POST', "/one/sleep?$notes", body => 'x');
$pid = note_of('sleep');
my $parent = stat_of($pid)->{ppid};
signal_to('KILL', $parent);
eventually { !alive($pid) } 10, 'a program dies with its worker';
is($client->response->status, 502, '... and its client is told');

eventually { $poold->workers('one') == 2 } 10, 'the worker is replaced';

# ---- a form with a file, by CGI.pm

SKIP: {
	skip('CGI.pm is not installed (Debian: libcgi-pm-perl)', 3)
	    if system("perl -MCGI -e 1 2>/dev/null") != 0 && !$ENV{CI};
	my $file = join '', map { chr } 0 .. 255;
	my $body = "--b\r\nContent-Disposition: form-data; name=\"said\"\r\n\r\nhello\r\n"
	    . "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n"
	    . "Content-Type: application/octet-stream\r\n\r\n$file\r\n--b--\r\n";
	my @type = (headers => ['Content-Type: multipart/form-data; boundary=b']);
	$r = $poold->post('/form', $body, @type);
	is($r->status, 200, 'a form of CGI.pm is answered');
	is($r->body, 'hello a.bin ' . fnv1a($file), '... with its field and its file');
	$r = $poold->exchange('POST', '/form', chunks => [ $body =~ /(.{1,100})/gs ], @type);
	is($r->body, 'hello a.bin ' . fnv1a($file), '... also in chunks');
}

# ---- git

# What git says, its status first.
sub git {
	my $out = `cd '$dir/work' && HOME='$dir/work' git -c user.name=a -c user.email=a\@b -c protocol.version=2 @_ 2>&1`;
	return ($? >> 8) . " $out";
}

SKIP: {
	skip('git is not installed', 7) if system('git --version >/dev/null 2>&1') != 0 && !$ENV{CI};
	make_path("$dir/work");
	my $url = 'http://127.0.0.1:' . $poold->port . '/git/repo.git';
	put('work/file', join '', map { "line $_\n" } 1 .. 1000);
	like(git('init -q -b main . && git add file'), qr/^0/,
	    'git: a repository');
	like(git('commit -q -m one'), qr/^0/, '... with a commit');
	like(git("push -q $url main"), qr/^0/, 'git push over HTTP');
	like(git("clone -q $url $dir/clone"), qr/^0/, 'git clone');
	is(Poold::Proc::slurp("$dir/clone/file"), Poold::Proc::slurp("$dir/work/file"),
	    '... gives what was pushed');
	open(my $out, '>', "$dir/work/large") or die;
	print $out pack 'L*', map { int rand 2**32 } 1 .. 750_000;
	close $out;
	like(git("add large && git -c user.name=a -c user.email=a\@b commit -q -m two && git push -q $url main"),
	    qr/^0/, 'a push of more than a megabyte, which git sends in chunks');
	like(git("-C $dir/clone fetch -q && cd $dir/clone && git merge -q origin/main && cmp large $dir/work/large"),
	    qr/^0 $/, 'git fetch');
}

# ---- large bodies

# The most that the workers of a service ever had in memory, in KiB.
sub peak {
	my $peak = 0;
	for my $pid ($poold->workers('one')) {
		my ($kib) = Poold::Proc::slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m;
		$peak = $kib if $kib > $peak;
	}
	return $peak;
}

my $size = 100 << 20;
my $before = peak();
for my $how ('sized', 'chunked') {
	$client = $poold->client(timeout => patience(60));
	my $part = 'abcdefgh' x 8192;
	my $sum = unpack('%32C*', $part) * ($size / length $part) & 0xffffffff;
	$client->request('POST', '/one/checksum', headers =>
	    [ $how eq 'sized' ? "Content-Length: $size" : 'Transfer-Encoding: chunked' ]);
	for (1 .. $size / length $part) {
		$client->send($how eq 'sized' ? $part
		    : sprintf("%x\r\n", length $part) . "$part\r\n") or last;
	}
	$client->send("0\r\n\r\n") if $how eq 'chunked';
	$r = $client->response;
	is($r->status, 200, "100 MiB are taken, $how");
	is("@{$r->json}{qw(length sum)}", "$size $sum", '... all of them');
}
$r = $poold->get('/one/big?100', client => { timeout => patience(60) },
    timeout => patience(60));
is(length $r->body, $size, '100 MiB are given');
cmp_ok(peak() - $before, '<', patience(4096), '... in less than 4 MiB of memory') or diag(peak());

finish();
