#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# PHP under poold-fastcgi, the language "php".
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use File::Copy qw(copy);
use File::Path qw(make_path);
use Poold::Proc qw(alive stat_of);

plan(skip_all => 'php-cgi is not installed (Debian: php-cgi)')
    if system('php-cgi -v >/dev/null 2>&1') != 0 && !$ENV{CI};
my $libexec = $ENV{POOLD_LIBEXEC} // Poold::Test::builddir() . '/libexec';
my $adminer = '/usr/share/adminer';
my $has_adminer = -d $adminer
    && `php-cgi -m 2>/dev/null` =~ /^SQLite3$/mi;

my $ini = "[poold]\naccess_log = off\nlibexec = \@bin\@\n"
    . (is_root() ? "user = nobody\n" : '') . <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[service own]
mode = inherit
listen = own
language = php
app = @dir@/site
workers = 1

[service site]
route = /
language = php
app = @dir@/site
workers = 2
max_body = 200M
response_buffer = 0
php_option = log_errors=1
php_option = display_errors=0
php_option = upload_max_filesize=200M
php_option = post_max_size=200M
php_option = session.save_path=@dir@/notes
php_option = upload_tmp_dir=@dir@/notes
php_option = output_buffering=0
env.SAID = by the configuration
env.HTTP_PROXY = http://bad.example/

[service front]
route = /blog
language = php
app = @dir@/current/index.php
follow_links = yes
workers = 1

[service scripts]
route = /scripts
language = php
app = @dir@/site
only_scripts = yes
front_controller = sub/deep.php
index = start.htm
extension = php
extension = run
workers = 1
env.PHP_FCGI_MAX_REQUESTS = 3

[service db]
route = /db
language = php
app = @dir@/db/index.php
workers = 1
php_option = session.save_path=@dir@/notes
INI
my $poold = new_poold($ini);
Poold::Test::copy_program(Poold::Test::real_program("$libexec/poold-fastcgi"),
    "$poold->{bin}/poold-fastcgi");
my $dir = $poold->{dir};
my $notes = "$dir/notes";
make_path(map { "$dir/$_" } qw(site/sub site/empty site/.git site/up site/folder.php
    one/public two/public notes db));
chmod 0777, $notes;

sub put {
	my ($name, $text) = @_;
	open(my $out, '>', "$dir/$name") or die "$name: $!";
	print $out $text;
	close $out;
}
# What a script sees; the statements come first.
sub script { return "<?php $_[0] header('Content-Type: application/json'); echo json_encode(\$_SERVER + ['pid' => getmypid()]);" }
put('site/index.php', script(''));
put('site/sub/deep.php', script(''));
put('site/sub/index.php', script(''));
put('site/folder.php/in.php', script(''));
put('site/start.run', script(''));
put('site/UPPER.PHP', '<?php secret');
put('site/index.php~', '<?php secret');
put('site/config.php.bak', '<?php secret');
put('site/db.inc', '<?php secret');
put('site/.env', 'secret');
put('site/.git/config', 'secret');
put('site/up/evil.jpg', '<?php echo "executed";');
put('site/style.css', 'p { color: red }');
put('site/start.htm', '<p>start</p>');
put('secret.php', '<?php echo "secret";');
put('site/broken.php', '<?php this is no PHP');
put('site/warn.php', '<?php error_log("one line"); error_log("another"); echo "fine";');
put('site/post.php', '<?php header("Content-Type: text/plain"); $n = 0; $s = 0; $in = fopen("php://input", "r");'
    . ' while (($d = fread($in, 65536)) != "") { $n += strlen($d); $s = crc32($s . $d); }'
    . ' echo $n, " ", $_SERVER["CONTENT_LENGTH"] ?? "-", " ", json_encode($_POST);');
put('site/upload.php', '<?php header("Content-Type: text/plain"); $f = $_FILES["file"];'
    . ' echo $f["error"], " ", $f["size"], " ", hash_file("crc32b", $f["tmp_name"]), " ", $_POST["said"];');
put('site/session.php', '<?php session_start(); $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1; echo $_SESSION["n"];');
put('site/big.php', '<?php header("Content-Type: application/octet-stream"); $x = str_repeat("x", 1 << 20);'
    . ' for ($i = 0; $i < $_GET["mib"]; $i++) echo $x;');
put('site/wait.php', '<?php register_shutdown_function(function () { file_put_contents("'
    . $notes . '/left", connection_status()); }); file_put_contents("' . $notes
    . '/waits", getmypid()); for (;;) { echo str_repeat("x", 100); flush(); usleep(20000); }');
put('site/auth.php', '<?php echo $_SERVER["PHP_AUTH_USER"] ?? "-", ":", $_SERVER["PHP_AUTH_PW"] ?? "-";');
put('site/head.php', '<?php http_response_code(418); header("X-A: 1"); setcookie("a", "1"); setcookie("b", "2"); echo "tea";');
put('site/die.php', '<?php if (!file_exists($_GET["f"])) { touch($_GET["f"]); posix_kill(getmypid(), 9); } echo "alive";');
symlink "$dir/secret.php", "$dir/site/outside.php";
symlink "$dir/secret.php", "$dir/site/outside.txt";
symlink 'index.php', "$dir/site/inside.php";
for my $release ('one', 'two') {
	put("$release/public/index.php", script("\$_SERVER['release'] = '$release';"));
	put("$release/asset.txt", $release);
	symlink "../asset.txt", "$dir/$release/public/asset.txt";
}
symlink 'one/public', "$dir/current";
put('db/index.php', !$has_adminer ? '<?php echo "none";' : <<"PHP");
<?php
function adminer_object() {
	include_once '$adminer/plugins/plugin.php';
	include_once '$adminer/plugins/login-password-less.php';
	return new AdminerPlugin([new AdminerLoginPasswordLess(password_hash('pw', PASSWORD_DEFAULT))]);
}
include '$adminer/adminer.php';
PHP
$poold->{keep} = qr{^(?:site|one|two|db|notes|current|secret)\b};
$poold->start;

sub note_of {
	my ($name) = @_;
	my $text;
	wait_until(sub { $text = Poold::Proc::slurp("$notes/$name") }, 10);
	return $text // '';
}
# The php-cgi of each worker.
sub applications {
	my ($service) = @_;
	my %worker = map { $_ => 1 } $poold->workers($service);
	return grep { $worker{ (stat_of($_) // { ppid => 0 })->{ppid} } && alive($_) } Poold::Proc::pids();
}

# ---- which script

my $r = $poold->get('/sub/deep.php/a%20b/c?x=1', headers => ['Proxy: http://bad.example/']);
my %expected = (
	SCRIPT_NAME => '/sub/deep.php', SCRIPT_FILENAME => "$dir/site/sub/deep.php",
	PATH_INFO => '/a b/c', DOCUMENT_ROOT => "$dir/site", QUERY_STRING => 'x=1',
	REQUEST_URI => '/sub/deep.php/a%20b/c?x=1', PHP_SELF => '/sub/deep.php/a b/c',
	SAID => 'by the configuration', REQUEST_METHOD => 'GET',
);
is($r->json->{$_}, $expected{$_}, "a script: $_") for sort keys %expected;
ok(!exists $r->json->{HTTP_PROXY}, '... and never an HTTP_PROXY');
%expected = ('/' => '/index.php', '/index.php' => '/index.php', '/sub/' => '/sub/index.php',
	'/inside.php' => '/inside.php', '/folder.php/in.php' => '/folder.php/in.php',
	'/sub/../index.php' => '/index.php', '/%69ndex.php' => '/index.php');
is($poold->get($_)->json->{SCRIPT_NAME}, $expected{$_}, "$_ is $expected{$_}") for sort keys %expected;
$r = $poold->get('/sub?q=1');
is($r->status . $r->header('location'), '301/sub/?q=1', 'a folder without its slash is sent to it');
for my $path ('/none.php', '/empty/', '/empty', '/up/evil.jpg/x.php', '/up/evil.jpg/.php',
    '/outside.php', '/outside.txt', '/UPPER.PHP', '/index.php~', '/config.php.bak', '/db.inc',
    '/.env', '/.git/config', '/sub/%2e%2e/.env', '/..%2fsecret.php', '/index.php%20',
    '/folder.php', '/index.PHP', '/.hidden.php', '/index.php%00', '/index.php%00.jpg', '/sub/%2e%2e/%2e%2e/secret.php') {
	$r = $poold->get($path);
	ok($r->status == 404 || $r->status == 400, "$path: there is nothing") or diag($r->text);
	unlike($r->body, qr/secret|executed|<\?php/, '... and no source');
}
is($poold->get('/up/evil.jpg')->header('content-type'), 'image/jpeg', 'a picture is one, whatever it has in it');
$r = $poold->get('/style.css');
is($r->status . $r->header('content-type') . $r->body, '200text/css; charset=utf-8p { color: red }',
    'files beside the scripts are sent');
is($poold->get('/style.css', headers => [ 'If-None-Match: ' . $r->header('etag') ])->status, 304,
    '... on condition');
is($poold->get('/style.css', headers => ['Range: bytes=0-0'])->body, 'p', '... in parts');
is($poold->post('/style.css', 'x')->status, 405, '... and take no POST');

$r = $poold->get('/blog/post/1?x');
%expected = (SCRIPT_NAME => '/blog/index.php', REQUEST_URI => '/blog/post/1?x', release => 'one',
	DOCUMENT_ROOT => "$dir/one/public", SCRIPT_FILENAME => "$dir/one/public/index.php");
is($r->json->{$_}, $expected{$_}, "a front controller with a route: $_") for sort keys %expected;
ok(!exists $r->json->{PATH_INFO}, '... without PATH_INFO');
is($poold->get('/blog/asset.txt')->body, 'one', '... and links that leave the folder, if allowed');
is($poold->get('/blog/.well-known/x')->json->{release}, 'one', 'it is asked about names with a dot too');
is($poold->get('/blog')->status, 301, 'the route without its slash is sent to it');
symlink 'two/public', "$dir/next";
rename "$dir/next", "$dir/current";
is($poold->get('/blog/post/1')->json->{release}, 'two', 'a deploy by a link needs no reload');
is($poold->get('/blog/asset.txt')->body, 'two', '... for files neither');

is($poold->get('/scripts/style.css')->json->{SCRIPT_NAME}, '/scripts/sub/deep.php',
    'only_scripts: files are not sent');
is($poold->get('/scripts/start.run/x')->json->{PATH_INFO}, '/x', 'extensions are what one says');
is($poold->get('/scripts/')->json->{SCRIPT_NAME}, '/scripts/sub/deep.php', '... and so is the index');
my %pids = map { $poold->post('/scripts/start.run', 'x')->json->{pid} => 1 } 1 .. 12;
cmp_ok(scalar keys %pids, '>=', 4, 'PHP_FCGI_MAX_REQUESTS: a new process after so many, and no POST fails');

# ---- what a script does

$r = $poold->get('/head.php');
is($r->status . $r->header('x-a') . $r->body, '4181tea', 'status and fields of a script');
is($r->header('set-cookie'), 'a=1, b=2', '... also those that stand twice');
is($poold->get('/auth.php', headers => ['Authorization: Basic dTpw'])->body, 'u:p', 'HTTP authentication');
$r = $poold->get('/broken.php');
is($r->status, 500, 'a syntax error is a 500');
unlike($r->body, qr/syntax|broken/, '... that says nothing');
my $id = $r->header('x-request-id');
ok($poold->wait_log("\\[$id\\].*syntax error.*broken.php"), '... but the log has the words of PHP');
$r = $poold->get('/warn.php');
$id = $r->header('x-request-id');
is($r->body, 'fine', 'a script that logs');
ok($poold->wait_log("\\[$id\\].*$_\$"), "... $_") for 'one line', 'another';
$r = $poold->get('/session.php');
my ($cookie) = $r->header('set-cookie') =~ /^(PHPSESSID=\w+)/;
is(join(' ', map { $poold->get('/session.php', headers => ["Cookie: $cookie"])->body } 1 .. 4),
    '2 3 4 5', 'a session, whichever worker answers');
is($poold->post('/post.php', 'a=1&b=2', headers => ['Content-Type: application/x-www-form-urlencoded'])->body,
    '7 7 {"a":"1","b":"2"}', 'a form');
is($poold->exchange('POST', '/post.php', chunks => [ 'a=1', '&b=2' ],
    headers => ['Content-Type: application/x-www-form-urlencoded'])->body,
    '7 7 {"a":"1","b":"2"}', '... in chunks');

my $client = $poold->client;
$client->request('GET', '/wait.php');
my $pid = note_of('waits');
$client->reset;
is(note_of('left'), 1, 'a script learns that its client left');
ok(alive($pid), '... and its process goes on');
eventually { !grep { $_ ne 'S' } map { Poold::Proc::state($_) } applications('site') } 5, '... and is free';

# ---- large bodies

# The most that the workers ever had in memory, in KiB.
sub peak {
	my $peak = 0;
	for my $worker ($poold->workers('site')) {
		my ($kib) = (Poold::Proc::slurp("/proc/$worker/status") // '') =~ /^VmHWM:\s+(\d+)/m;
		$peak = $kib if $kib > $peak;
	}
	return $peak;
}
my $size = 100 << 20;
my $part = 'abcdefgh' x 8192;
my $start = "--b\r\nContent-Disposition: form-data; name=\"said\"\r\n\r\nhello\r\n--b\r\n"
    . "Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n";
my $end = "\r\n--b--\r\n";
my $before = peak();
for my $how ('sized', 'chunked') {
	$client = $poold->client(timeout => patience(60));
	my $length = length($start) + $size + length $end;
	$client->request('POST', '/upload.php', headers => ['Content-Type: multipart/form-data; boundary=b',
	    $how eq 'sized' ? "Content-Length: $length" : 'Transfer-Encoding: chunked' ]);
	for my $piece ($start, ($part) x ($size / length $part), $end) {
		$client->send($how eq 'sized' ? $piece
		    : sprintf("%x\r\n", length $piece) . "$piece\r\n") or last;
	}
	$client->send("0\r\n\r\n") if $how eq 'chunked';
	like($client->response->body, qr/^0 $size [0-9a-f]{8} hello$/, "an upload of 100 MiB, $how");
}
$client = $poold->client(timeout => patience(60));
$client->request('GET', '/big.php?mib=200', headers => ['Connection: close']);
my $got = 0;
while ($client->fill(time + patience(60)) eq 'data') {
	$got += length $client->{in};
	$client->{in} = '';
}
cmp_ok($got, '>', 200 << 20, '200 MiB are given');
# sanitizers need more
cmp_ok(peak() - $before, '<', patience(4096), '... all in less than 4 MiB of memory') or diag(peak());

# ---- a real application

SKIP: {
	skip('adminer is not installed (Debian: adminer php-sqlite3)', 5) if !$has_adminer && !$ENV{CI};
	$r = $poold->get('/db/');
	is($r->status, 200, 'adminer answers');
	like($r->body, qr/<title>[^<]*Adminer/, '... with its login page');
	put('notes/test.db', '');
	chmod 0666, "$notes/test.db";
	my %jar;
	my $ask = sub {
		my ($method, $target, $form) = @_;
		my $answer = $poold->exchange($method, $target, headers => [
		    'Cookie: ' . join('; ', map { "$_=$jar{$_}" } sort keys %jar),
		    defined $form ? 'Content-Type: application/x-www-form-urlencoded' : () ],
		    defined $form ? (body => $form) : ());
		$jar{$1} = $2 while ($answer->{head} // '') =~ /^Set-Cookie: ([^=]+)=([^;\r]*)/mgi;
		return $answer;
	};
	$ask->('GET', '/db/');
	$r = $ask->('POST', '/db/', 'auth[driver]=sqlite&auth[server]=&auth[username]=u&auth[password]=pw'
	    . "&auth[db]=$notes/test.db");
	is($r->status, 302, 'a login at adminer');
	my $there = '/db/' . $r->header('location') =~ s{^.*/}{}r;
	$r = $ask->('GET', $there);
	$r = $ask->('GET', "$there&sql=");
	my ($token) = $r->body =~ /name=['"]token['"] value=['"]([^'"]+)/;
	$r = $ask->('POST', "$there&sql=", 'query=' . join('+', 'create', 'table', 't(a);insert', 'into', 't',
	    'values(6*7);select', 'a', 'from', 't') . "&token=$token");
	like($r->body, qr/<td>(?:<[^>]*>)?42/, '... and SQL by it') or diag($r->status, $r->body =~ s/<[^>]+>/ /gr);
	is($ask->('GET', '/db/?file=default.css&version=4.8.1')->status, 200, '... and its style sheet');
}

# ---- the example

my $example = Poold::Test::srcdir() . '/conf/languages';
my $hello = new_poold("[poold]\nlibexec = $poold->{bin}\n" . (is_root() ? "user = nobody\n" : '')
    . Poold::Proc::slurp("$example/php.ini"));
$hello->{env} = { PORT => $hello->port };
copy("$example/hello.php", "$hello->{conf}/hello.php") or die "hello.php: $!";
$hello->start;
$r = $hello->get('/hello?service=demo&data=test');
is(join(' ', @{ $r->json }{qw(language port service data)}), 'php ' . $hello->port . ' demo test', 'the example serves');
is($hello->stop, 0, '... and stops');

# What stands in the examples as a comment is there to be used.
for my $file (glob "$example/*.ini") {
	my $text = Poold::Proc::slurp($file) =~ s/^;(?=[a-z\[])//mgr;
	my ($status, $said) = new_poold("[poold]\nlibexec = $poold->{bin}\n$text")->run('-t');
	unlike($said, qr/unknown|has no meaning|needs/, "$file: its comments are settings that there are") or diag($said);
}

# ---- kills

is($poold->get("/die.php?f=$notes/died")->body, 'alive', 'a php-cgi that dies in a GET: it is made again');
unlink "$notes/died";
is($poold->post("/die.php?f=$notes/died", 'x')->status, 502, '... in a POST: 502');

# ---- a port of its own

{
	my ($idle, $client) = map { $poold->client(listener => 2) } 1 .. 2;
	my $one = $idle->get('/');
	is($one->status, 200, 'poold-fastcgi accepts for itself with mode = inherit');
	is($one->json->{SERVER_PORT}, $poold->port(2), '... on the port of its service');
	my $pid = $client->get('/sub/deep.php/x')->json->{pid};
	is($pid, $one->json->{pid}, '... where a connection that idles holds nobody up');
	kill 'KILL', $pid;
	wait_until(sub { !alive($pid) }, 10);
	isnt($idle->get('/')->json->{pid}, $pid, '... and a php-cgi that ends is replaced');
}

# ---- wrong ones

sub refuses {
	my ($keys, $said, $name) = @_;
	$poold->mark;
	$poold->write_config("$ini\n[service bad]\nroute = /bad\nlanguage = php\n$keys\n");
	unlike($poold->reload, qr/reload done/, "$name: a reload fails");
	ok($poold->wait_log($said), '... and says why');
	is($poold->get('/warn.php')->body, 'fine', '... and the old generation goes on');
}
refuses('app = @dir@/gone', 'gone: No such file', 'a folder that is not there');
refuses("app = \@dir\@/site\nroot = \@dir\@/gone", '/gone: No such file', 'a root that is not there');
refuses("app = \@dir\@/site\nfront_controller = gone.php", 'site/gone\.php: No such file',
    'a front controller that is not there');
refuses("app = \@dir\@/site\ninterpreter = no-such-php", 'cannot start no-such-php: ',
    'an interpreter that is not there');
refuses("app = \@dir\@/site\ninterpreter = /bin/true",
    '/bin/true took no FastCGI connection: it ended with exit status 0', 'one that is none');
refuses("app = \@dir\@/site\nfront_controler = x", "did you mean 'front_controller'",
    'a key that is misspelt');

finish();
