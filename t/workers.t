#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The four workers that come with poold, each alone on a port of its own.
#
# Environment: POOLD_LIBEXEC, a folder with the programs, poold-index too;
# without it they are looked for in the build folder (top_builddir).
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Fcntl qw(S_IMODE);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use POSIX qw(WNOHANG);
use Time::HiRes qw(time);

my $dir = temp_dir();
my @children;

sub worker_path {
	my ($name, $folder) = @_;
	return "$ENV{POOLD_LIBEXEC}/$name" if $ENV{POOLD_LIBEXEC};
	my $build = Poold::Test::builddir();
	return -x "$build/libexec/$name" ? "$build/libexec/$name"
	    : "$build/workers/" . ($folder // $name) . "/$name";
}

sub slurp {
	my ($path) = @_;
	open(my $fh, '<', $path) or return '';
	binmode $fh;
	local $/;
	return <$fh> // '';
}

sub spew {
	my ($path, $text) = @_;
	open(my $fh, '>', $path) or die "$path: $!";
	binmode $fh;
	print $fh $text;
	close $fh or die "$path: $!";
}

# Starts a program with its output in files; returns its pid.
sub start {
	my ($name, @command) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open(STDIN, '<', "$dir/stdin") or open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', "$dir/$name.out");
		open(STDERR, '>>', "$dir/$name.err");
		delete @ENV{qw(LISTEN_FDS LISTEN_PID POOLD_PROTOCOL)};
		exec @command or POSIX::_exit(127);
	}
	push @children, $pid;
	return $pid;
}

sub exit_status {
	my ($pid) = @_;
	my $status;
	wait_until(sub { waitpid($pid, WNOHANG) == $pid and $status = $?, 1 }, 10)
	    or return 'running';
	@children = grep { $_ != $pid } @children;
	return $status & 127 ? 'signal ' . ($status & 127) : $status >> 8;
}

# Runs a program to its end: status, stdout, stderr.
sub run_program {
	my ($path, @args) = @_;
	unlink "$dir/run.err";
	my $status = exit_status(start('run', $path, @args));
	return ($status, slurp("$dir/run.out"), slurp("$dir/run.err"));
}

# A worker that answers: its pid, port and a client.
sub serve {
	my ($name, @args) = @_;
	my $port = free_port();
	my $pid = start($name, worker_path($name), @args, $port);
	my $client;
	wait_until(sub { $client = eval { Poold::Client->new(port => $port) } }, 10)
	    or BAIL_OUT("$name does not start: " . slurp("$dir/$name.err"));
	return { name => $name, pid => $pid, port => $port, client => $client };
}

sub stop {
	my ($worker) = @_;
	kill 'TERM', $worker->{pid};
	is(exit_status($worker->{pid}), 0, "$worker->{name} ends with status 0");
	unlike(slurp("$dir/$worker->{name}.err"), qr/Sanitizer|runtime error/,
	    '... and no sanitizer spoke');
}

# A new connection each time, as an error may end the one before.
sub ask {
	my ($worker, $method, $target, %o) = @_;
	return Poold::Client->new(port => $worker->{port})
	    ->exchange($method, $target, %o);
}

# A problem of this status that names this parameter (undef: none).
sub is_problem {
	my ($r, $status, $parameter, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $json = $r->json;
	my $good = $r->status == $status
	    && $r->header('content-type') eq 'application/problem+json'
	    && ($json->{status} // 0) == $status
	    && length($json->{title} // '') && length($json->{detail} // '')
	    && ($json->{parameter} // '-') eq ($parameter // '-')
	    && (!defined $parameter || $json->{detail} =~ /'\Q$parameter\E'/)
	    && $json->{pid} && $json->{port};
	ok($good, $name) or diag($r->text . ' ' . $r->body);
	return $good;
}

sub escape {
	my ($text) = @_;
	utf8::encode($text) if utf8::is_utf8($text);
	return $text =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;
}

#
# The command lines
#
for (['calc'], ['search'], ['auth'], ['files'], ['poold-index', 'search']) {
	my ($name, $folder) = @$_;
	my $path = worker_path($name, $folder);
	BAIL_OUT("no $path: set top_builddir or POOLD_LIBEXEC") unless -x $path;
	my ($status, $out, $err) = run_program($path, '--help');
	is($status, 0, "$name --help ends with 0");
	like($out, qr/^usage: \Q$name\E/, '... and shows the usage');
	($status, $out, $err) = run_program($path, '--nonsense');
	is($status, 64, "$name refuses an unknown option");
	like($err, qr/nonsense.*--help/s, '... says which, and where help is');
}
for (['search'], ['auth', '--users', 'x'], ['auth', '--secret', 'x'], ['files'],
    ['search', '--db'], ['auth', '--users', 'x', '--secret', 'x', '--ttl', '0'],
    ['calc', '9000', '9001'], ['calc'], ['search', '--db', '9000']) {
	my ($name, @args) = @$_;
	my ($status, undef, $err) = run_program(worker_path($name), @args);
	is($status, 64, "'@$_' is a usage error");
	isnt($err, '', '... with a reason');
}
is((run_program(worker_path('files'), '--root', "$dir/none", '1'))[0], 66,
    'files refuses a folder that is not there');

#
# calc
#
{
	my $calc = serve('calc');
	my $get = sub { $calc->{client}->get("/api/calc?$_[0]") };
	my $r = $get->('op=divide&a=20&b=4');
	is($r->status, 200, 'calc answers');
	is($r->header('content-type'), 'application/json', '... in JSON');
	is($r->body, '{"op":"divide","a":20,"b":4,"result":5,'
	    . "\"pid\":$calc->{pid},\"port\":$calc->{port}}", '... all of it');
	my %results = ('add 0.1 0.2' => '0.30000000000000004',
	    'subtract 1 3' => '-2', 'multiply 1e3 1e3' => '1000000',
	    'divide 1 10' => '0.1', 'power 2 10' => '1024',
	    'power 2 0.5' => '1.4142135623730951', 'modulo -7 3' => '-1',
	    'multiply -1 0' => '0', 'power 10 300' => '1e+300',
	    'add .5 1.' => '1.5', 'power 0 0' => '1', 'add 1e15 0' => '1000000000000000');
	for (sort keys %results) {
		my ($op, $a, $b) = split;
		$r = $get->("op=$op&a=$a&b=$b");
		like($r->body, qr/"result":\Q$results{$_}\E,/, "$_ is $results{$_}");
	}
	like($get->('op=add&a=%2B1&b=2')->body, qr/"result":3,/, 'a plus sign, encoded');
	is_problem($get->('op=divide&a=1&b=0'), 400, 'b', 'division by zero');
	is_problem($get->('op=modulo&a=1&b=-0.0'), 400, 'b', 'modulo by zero');
	is_problem($get->('op=power&a=0&b=-1'), 400, 'b', 'zero to a negative power');
	is_problem($get->('op=multiply&a=1e308&b=10'), 400, 'a', 'overflow');
	is_problem($get->('op=power&a=-8&b=0.5'), 400, 'a', 'a result that is not real');
	is_problem($get->('op=multiply&a=1e-300&b=1e-300'), 400, 'a', 'underflow');
	is_problem($get->('op=root&a=1&b=2'), 400, 'op', 'an unknown operation');
	is_problem($get->('a=1&b=2'), 400, 'op', 'no operation');
	is_problem($get->('op=add&b=2'), 400, 'a', 'no a');
	is_problem($get->('op=add&a=2'), 400, 'b', 'no b');
	for ('', '+1', '%201', '1%20', '0x10', 'inf', 'nan', '1e999', '1e-999', '1,5',
	    '--1', '1e', '.', 'one', '%FF', '1' x 5000) {
		is_problem($get->("op=add&a=$_&b=1"), 400, 'a',
		    (length > 20 ? '5000 digits' : "'$_'") . ' is no number');
	}
	$r = ask($calc, 'POST', '/api/calc?op=add&a=1&b=2', body => '');
	is_problem($r, 405, undef, 'POST is refused');
	is($r->header('allow'), 'GET, HEAD, OPTIONS', '... with Allow');
	$r = ask($calc, 'HEAD', '/api/calc?op=add&a=1&b=2');
	is($r->status . $r->body, '200', 'HEAD has no body');
	stop($calc);
}

#
# poold-index and search
#
{
	my $index = worker_path('poold-index', 'search');
	my $db = "$dir/search.db";
	my $search = serve('search', '--db', $db);
	my $get = sub { $search->{client}->get("/api/search?$_[0]") };
	is_problem($get->('q=reload'), 503, undef, 'no database yet');
	like($get->('q=reload')->json->{detail}, qr/poold-index/, '... with a hint');

	mkdir "$dir/tree";
	mkdir "$dir/tree/.git";
	mkdir "$dir/tree/man";
	spew("$dir/tree/guide.md", "<!-- note -->\n\n# A guide to *reloading*\n\n"
	    . "Send the supervisor a hangup signal.\n");
	spew("$dir/tree/plain", "Just words about gr\xc3\xa4ser and \xff bytes.\n");
	spew("$dir/tree/binary.bin", "reload\0reload");
	spew("$dir/tree/page.html", "<!DOCTYPE html><p>reload");
	spew("$dir/tree/.hidden", "reload");
	spew("$dir/tree/.git/config", "reload");
	spew("$dir/tree/large.txt", 'reload ' x 700_000);
	spew("$dir/tree/man/pool.8", ".Dd January 1, 2024\n.Dt POOL 8\n.Os\n"
	    . ".Sh NAME\n.Nm pool\n.Nd serve \\(lqmany\\(rq services\n"
	    . ".Sh OPTIONS\n.Bl -tag -width Ds\n.It Fl c Ar file\n"
	    . "Reload from\n.Ar file ,\nsee\n.Xr pool.ini 5 .\n.El\n");
	spew("$dir/tree/man/old.1", ".TH OLD 1\n.SH NAME\nold \\- an \\fIold\\fR page\n"
	    . ".SH DESCRIPTION\nIt uses \\fBman\\fP macros.\n");
	my ($status, $out, $err) = run_program($index, '--db', $db, '--title',
	    'The tests', "$dir/tree");
	is($status, 0, 'poold-index builds a database') or diag($err);
	like($out, qr/4 documents, 3 files left out/, '... of the files that are text');
	is(S_IMODE((stat $db)[2]) & 0444, 0444 & ~umask, '... that others may read');
	is_deeply([glob "$db.*"], [], '... and leaves no other file');
	run_program($index, '--db', "$dir/again.db", '--title', 'The tests',
	    "$dir/tree/");
	ok(slurp($db) eq slurp("$dir/again.db"), '... and again, byte for byte');

	my $r = $get->('q=reload&limit=5');
	is($r->status, 200, 'search finds the database that came later');
	my $json = $r->json;
	is($json->{query}, 'reload', '... repeats the query');
	is($json->{collection}, 'The tests', '... names the collection');
	is($json->{pid}, $search->{pid}, '... says which worker');
	is($json->{port}, $search->{port}, '... and port');
	like($json->{took_ms}, qr/^[\d.e-]+$/, '... and time');
	is_deeply([map { $_->{id} } @{ $json->{results} }],
	    ['tree/guide.md', 'tree/man/pool.8'], '... and the documents, best first');
	my ($guide, $page) = @{ $json->{results} };
	is($guide->{title}, 'A guide to *reloading*', 'the title is the first heading');
	is($page->{title}, 'pool(8): serve "many" services', '... or that of the manual page');
	like($page->{snippet}, qr/-c file \[Reload\] from file, see pool\.ini\(5\)\./,
	    'the snippet shows the words, without macros');
	ok($guide->{score} > $page->{score} && $page->{score} > 0, 'scores go down');
	my $ids = sub { join ' ', map { $_->{id} } @{ $get->("q=$_[0]")->json->{results} } };
	is($ids->('OLD'), 'tree/man/old.1', 'case does not matter');
	is($ids->('gr%C3%84ser'), 'tree/plain', '... beyond ASCII too');
	is($ids->('macr'), 'tree/man/old.1', 'the last word may be a beginning');
	is($ids->('hangup+signals'), 'tree/guide.md', 'words are stemmed');
	is($ids->('reload+macros'), 'tree/man/old.1 tree/guide.md tree/man/pool.8',
	    'without a document that has all words, some will do')
	    or diag($ids->('reload+macros'));
	is($ids->('zebra'), '', 'nothing is found in peace');
	is(scalar @{ $get->('q=reload&limit=1')->json->{results} }, 1, 'limit limits');
	is($get->('q=health')->status, 200, 'health is a word like any other');

	for my $q ('"', '"reload', 'a"b', '*', 'reload*', '^reload', 'NEAR(a b)', 'NEAR',
	    'AND', 'OR', 'NOT', 'a AND', 'AND b', '(', ')', '((a)', 'title:reload',
	    '{title body}:x', '-title:x', 'a + b', "'", "';--", '\\', '%', ';', "a\nb",
	    "\x{2014}", "reload \x{2014}", "\x{1F600}", "\x{6f22}\x{5b57}", "\0",
	    "a\0b", "\xff\xfe", 'x' x 4000, 'a ' x 2000, '"' x 2000) {
		my $r = ask($search, 'GET', '/api/search?q=' . escape($q));
		my $name = length $q > 20 ? length($q) . ' characters' : escape($q);
		my $status = $q =~ /\0/ ? qr/^(?:200|400)$/ : qr/^200$/;
		ok($r->status =~ $status && ref eval { JSON::PP::decode_json($r->body) },
		    "a query of $name is no error") or diag($r->text . $r->body);
	}
	is_problem($get->(''), 400, 'q', 'no q');
	is_problem($get->('q='), 400, 'q', 'an empty q');
	is_problem($get->("q=a&limit=" . escape($_)), 400, 'limit', "limit '$_'")
	    for '0', '101', '-1', 'ten', '', ' 5', '+5', '5x', '99999999999999999999';
	is($get->('q=a&limit=100')->status, 200, 'a limit of 100');
	is_problem(ask($search, 'DELETE', '/api/search?q=a'), 405, undef, 'DELETE is refused');

	spew("$dir/tree/guide.md", "# Something else\n\nreload\n");
	run_program($index, '--quiet', '--db', $db, "$dir/tree/guide.md");
	is($get->('q=reload')->json->{results}[0]{title}, 'Something else',
	    'a database that is replaced is opened again');
	is($get->('q=reload')->json->{results}[0]{id}, 'guide.md', '... with the name of a single file');
	spew("$db.new", 'this is no database' x 100);
	rename "$db.new", $db;
	is_problem($get->('q=reload'), 503, undef, 'a broken database');
	($status, undef, $err) = run_program($index, '--db', $db, "$dir/none");
	is($status, 66, 'poold-index fails when it cannot read all');
	is(slurp($db), 'this is no database' x 100, '... and leaves what is there');
	is_deeply([glob "$db.*"], [], '... and nothing beside it');
	stop($search);
}

#
# auth
#
{
	my $path = worker_path('auth');
	my $hash_line = sub {
		my ($user, $password) = @_;
		spew("$dir/stdin", "$password\n");
		my ($status, $out) = run_program($path, '--hash', $user);
		unlink "$dir/stdin";
		return $out;
	};
	my $line = $hash_line->('anna', 'p&ss wörd');
	like($line, qr/^anna:\$(?:y|6)\$\S+\n$/, 'auth --hash makes a line');
	is((run_program($path, '--hash', 'an:na'))[0], 64, '... not for a bad name');
	is((run_program($path, '--hash', 'anna'))[0], 65, '... nor without a password');

	my $users = "$dir/users";
	my $secret = "$dir/secret";
	# sha512 of "demo", and a hash of a kind that is not taken
	my $sha512 = crypt('demo', '$6$saltsalt$');
	spew($users, "# users\n\n$line" . "demo:$sha512\nold:\$1\$aa\$bbbbbbbbbbbbbbbbbbbbbb\nnonsense\n");
	my @args = ('--users', $users, '--secret', $secret);
	# All of them find no secret, and must agree on one.
	my @auths = map { serve('auth', @args, '--ttl', '600') } 1 .. 4;
	my $auth = $auths[0];
	is(S_IMODE((stat $secret)[2]), 0600, 'the secret is its owner\'s alone');
	is(-s $secret, 32, '... and has 32 bytes');
	is_deeply([glob "$secret.*"], [], '... and nothing else was left');
	like(slurp("$dir/auth.err"), qr/users:5: the hash of old is neither yescrypt/,
	    'weak hashes are refused, and the log says where');
	like(slurp("$dir/auth.err"), qr/users:6: no 'user:hash'/, '... and lines without a hash');

	my $form = 'application/x-www-form-urlencoded';
	my $post = sub {
		my ($body, $type, @headers) = @_;
		return ask($auth, 'POST', '/api/auth', body => $body,
		    headers => [defined $type ? "Content-Type: $type" : (), @headers]);
	};
	my $r = $post->('user=demo&password=demo', $form);
	is($r->status, 200, 'user and password give a token') or diag($r->body);
	my $json = $r->json;
	my $token = $json->{token};
	like($token, qr/^[\w-]+\.[\w-]{43}$/, '... in two parts of base64url');
	is($json->{token_type}, 'Bearer', '... to be used as Bearer');
	is($json->{expires_in}, 600, '... for as long as --ttl says');
	is($json->{user}, 'demo', '... with the user');
	is($json->{pid}, $auth->{pid}, '... by this worker');
	is($r->header('cache-control'), 'no-store', '... not to be stored');
	is($post->('user=anna&password=p%26ss+w%C3%B6rd', "$form; charset=utf-8")->status, 200,
	    'a form is decoded');
	is($post->('user=demo&password=demo')->status, 200, 'no content type is a form too');
	is($post->('{"user":"anna","password":"p&ss w\u00f6rd"}', 'application/json')->status,
	    200, 'JSON does as well');
	is(ask($auth, 'POST', '/api/auth', chunks => ['user=demo&pass', 'word=demo'],
		headers => ["Content-Type: $form"])->status, 200, '... and a chunked body');

	for ('user=demo&password=Demo', 'user=demo&password=', 'user=nobody&password=demo',
	    'user=old&password=demo', 'user=&password=demo', 'user=demo%0a&password=demo',
	    'user=' . 'x' x 5000 . '&password=demo', 'user=demo&password=' . 'x' x 7000) {
		$r = $post->($_, $form);
		my $name = length > 60 ? substr($_, 0, 30) . '...' : $_;
		is_problem($r, 401, undef, "$name: refused");
		like($r->header('www-authenticate'), qr/^Bearer realm=/, '... with a challenge');
	}
	is($post->('user=demo&password=Demo', $form)->json->{detail},
	    $post->('user=nobody&password=demo', $form)->json->{detail},
	    'a wrong user and a wrong password look the same');
	is_problem($post->('user=demo', $form), 400, 'password', 'no password');
	is_problem($post->('password=demo', $form), 400, 'user', 'no user');
	is_problem($post->('', $form), 400, 'user', 'an empty body');
	is_problem($post->('{"user":"demo"', 'application/json'), 400, undef, 'broken JSON');
	is_problem($post->('[1]', 'application/json'), 400, undef, 'JSON that is no object');
	is_problem($post->('{"user":"demo","password":1}', 'application/json'), 400, undef,
	    'a password that is no string');
	is_problem($post->('user=demo&password=%zz', $form), 400, undef, 'a broken form');
	is_problem($post->('user=demo&password=demo%00x', $form), 400, undef, 'a NUL in a password');
	is_problem($post->('<user/>', 'text/xml'), 415, undef, 'some other type');
	is_problem($post->('user=demo&password=' . 'x' x 9000, $form), 413, undef, 'a body over 8 KiB');
	is_problem(ask($auth, 'POST', '/api/auth', chunks => ['x' x 5000, 'x' x 5000]), 413, undef,
	    '... chunked, too');
	$r = ask($auth, 'PUT', '/api/auth', body => 'x');
	is_problem($r, 405, undef, 'PUT is refused');
	is($r->header('allow'), 'GET, HEAD, POST, OPTIONS', '... with Allow');
	$r = ask($auth, 'OPTIONS', '/api/auth');
	is($r->status . ' ' . $r->header('allow'), '204 GET, HEAD, POST, OPTIONS',
	    'OPTIONS says which methods there are');

	my $verify = sub {
		my ($text, $worker) = @_;
		return ask($worker // $auth, 'GET', '/api/auth',
		    headers => ["Authorization: $text"]);
	};
	for my $worker (@auths) {
		$r = $verify->("Bearer $token", $worker);
		is($r->status, 200, "worker $worker->{pid} verifies it");
	}
	$json = $r->json;
	is($json->{user}, 'demo', '... and says whose it is');
	ok($json->{valid} && $json->{proof} && $json->{authenticated}, '... that it is a proof');
	cmp_ok(abs($json->{expires_at} - time - 600), '<', 60, '... and until when');
	is($verify->("bearer  $token")->status, 200, 'the scheme is of any case');

	my ($payload, $mac) = split /\./, $token;
	my $forged = encode_base64url('{"sub":"anna","iat":1,"exp":9999999999}');
	my $flipped = $mac =~ s/^(.)/$1 eq 'A' ? 'B' : 'A'/er;
	# The last character of 43 has two bits that say nothing.
	my $last = substr($mac, -1);
	my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_';
	my $other = substr($mac, 0, -1) . substr($alphabet, index($alphabet, $last) ^ 1, 1);
	for ("$forged.$mac", "$payload.$flipped", "$payload.$other", "$payload.", $payload,
	    ".$mac", "$token.x", "$token=", '.', 'x', 'x' x 5000, "\xff.$mac") {
		$r = $verify->("Bearer $_");
		is_problem($r, 401, undef, 'not a token: ' . escape(substr $_, 0, 12) . '...');
		like($r->header('www-authenticate'), qr/error="invalid_token"/, '... says the challenge');
	}
	is_problem($verify->('Basic ZGVtbzpkZW1v'), 401, undef, 'another scheme');
	is_problem(ask($auth, 'GET', '/api/auth'), 401, undef, 'no proof at all');

	my %named = map { $_ => ask($auth, 'GET', "/api/auth?user=$_") } qw(demo nobody);
	is($named{demo}->status, 200, 'a name alone is answered');
	is($named{demo}->json->{user}, 'demo', '... with the name');
	ok(!$named{demo}->json->{authenticated} && !$named{demo}->json->{proof},
	    '... and that nothing is proved');
	is($named{demo}->body =~ s/demo/X/gr, $named{nobody}->body =~ s/nobody/X/gr,
	    '... the same whether there is such a user or not');
	is_problem(ask($auth, 'GET', '/api/auth?user='), 400, 'user', 'an empty name');
	is_problem(ask($auth, 'GET', '/api/auth?user=' . 'x' x 65), 400, 'user', 'a long name');
	is(ask($auth, 'GET', '/api/auth?user=%FF')->json->{user}, "\x{fffd}", 'a name that is no UTF-8');

	# Neither answer is more than three times slower, be the machine busy.
	my %best;
	for my $user (qw(anna nobody)) {
		for (1 .. 5) {
			my $start = time;
			$post->("user=$user&password=wrong", $form);
			my $took = time - $start;
			$best{$user} = $took if !$best{$user} || $took < $best{$user};
		}
	}
	my $ratio = $best{anna} / $best{nobody};
	ok($ratio > 1 / 3 && $ratio < 3, 'an unknown user costs the time of a known one')
	    or diag("$best{anna} s against $best{nobody} s");

	spew("$users.new", $line);
	rename "$users.new", $users;
	is($post->('user=demo&password=demo', $form)->status, 401, 'the users are read again');
	is($verify->("Bearer $token")->status, 401, '... and a token of one who left is nothing');
	unlink $users;
	is($post->('user=anna&password=p%26ss+w%C3%B6rd', $form)->status, 200,
	    'users that cannot be read stay as they were');
	spew($users, $line);
	stop($_) for @auths;

	my $short = serve('auth', @args, '--ttl', '1');
	$token = ask($short, 'POST', '/api/auth',
	    body => 'user=anna&password=p%26ss+w%C3%B6rd')->json->{token};
	ok(wait_until(sub { $verify->("Bearer $token", $short)->status == 401 }, 10),
	    'a token expires');
	stop($short);

	my $port = free_port();
	chmod 0640, $secret;
	my ($status, undef, $err) = run_program($path, @args, $port);
	is($status, 77, 'a secret that others may read is refused');
	like($err, qr/0640/, '... with the reason');
	chmod 0600, $secret;
	spew($secret, 'short');
	is((run_program($path, @args, $port))[0], 78, '... as is a short one');
	is((run_program($path, '--users', "$dir/none", '--secret', "$dir/secret2", $port))[0],
	    66, 'no users, no service');
}

#
# files
#
{
	my $root = "$dir/root";
	mkdir "$dir/root$_" for '', '/sub', '/sub/deep', '/empty', '/.well-known', '/a b&c';
	spew("$dir/outside.txt", 'outside');
	spew("$root/index.html", '<p>index');
	spew("$root/sub/index.html", '<p>sub');
	spew("$root/a b&c/index.html", '<p>abc');
	spew("$root/ten.txt", '0123456789');
	spew("$root/zero.txt", '');
	spew("$root/.hidden", 'hidden');
	spew("$root/.well-known/x", 'hidden');
	spew("$root/a%2Fb", 'a literal name');
	spew("$root/large.bin", 'x' x 3_000_000);
	spew("$root/$_", 'x') for qw(x.css x.js x.svg X.PNG noending secret.txt);
	chmod 0, "$root/secret.txt";
	symlink '../outside.txt', "$root/link-out.txt";
	symlink "$dir/outside.txt", "$root/link-absolute.txt";
	symlink '/', "$root/link-root";
	symlink 'ten.txt', "$root/link-in.txt";
	POSIX::mkfifo("$root/fifo", 0600);
	my $files = serve('files', '--root', $root);
	my $get = sub { my ($path, @headers) = @_; ask($files, 'GET', $path, headers => \@headers) };

	my $r = $get->('/');
	is($r->status . $r->body, '200<p>index', 'a folder is its index.html');
	is($r->header('content-type'), 'text/html; charset=utf-8', '... of its type');
	is($r->header('x-content-type-options'), 'nosniff', '... not to be guessed');
	is($r->header('accept-ranges'), 'bytes', '... with ranges');
	$r = $get->('/ten.txt');
	is($r->body, '0123456789', 'a file');
	my ($etag, $modified) = ($r->header('etag'), $r->header('last-modified'));
	like($etag, qr/^"[0-9a-f.-]+"$/, '... with an ETag');
	like($modified, qr/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/, '... and Last-Modified');
	$r = ask($files, 'HEAD', '/ten.txt');
	is($r->status . $r->body, '200', 'HEAD has no body');
	is($r->header('content-length'), 10, '... but its length');
	is($r->header('etag'), $etag, '... and the ETag');
	is($get->('/zero.txt')->status, 200, 'an empty file');
	is(length $get->('/large.bin')->body, 3_000_000, 'a large file');
	my %types = ('/x.css' => 'text/css; charset=utf-8',
	    '/x.js' => 'text/javascript; charset=utf-8', '/x.svg' => 'image/svg+xml',
	    '/X.PNG' => 'image/png', '/noending' => 'application/octet-stream',
	    '/ten.txt' => 'text/plain; charset=utf-8');
	is($get->($_)->header('content-type'), $types{$_}, "$_ is $types{$_}") for sort keys %types;

	$r = $get->('/sub?x=1');
	is($r->status, 301, 'a folder without its slash is redirected');
	is($r->header('location'), '/sub/?x=1', '... with the query');
	is($get->('/a%20b&c')->header('location'), '/a%20b&c/', '... and its name encoded');
	is($get->('/a%20b%26c/')->body, '<p>abc', 'names are decoded');
	is($get->('//sub')->header('location'), '/sub/', 'no redirect to another host');
	is($get->('/link-in.txt')->body, '0123456789', 'links within the root are followed');
	is($get->('/a%2Fb')->body, 'a literal name', 'an encoded slash separates nothing');

	for ('/nothing', '/empty/', '/.hidden', '/.well-known/x', '/sub/../.hidden', '/ten.txt/',
	    '/ten.txt/x', '/link-out.txt', '/link-absolute.txt', '/link-root/etc/passwd',
	    '/fifo', '/sub/deep/', '/..%2Foutside.txt', '/sub%2F..%2F..%2Foutside.txt',
	    '/' . 'x' x 300, '/' . 'x/' x 2500) {
		my $r = $get->($_);
		my $name = length > 60 ? substr($_, 0, 10) . '...' : $_;
		like($r->status, /%2F/ ? qr/^40[04]$/ : qr/^404$/, "nothing at $name")
		    or diag($r->body);
		unlike($r->body, qr/outside|root:/, '... and nothing of it') if /out|passwd/;
	}
	is_problem($get->('/nothing'), 404, undef, 'what is not there is a problem');
	is($get->($_)->status, 400, "$_ is refused")
	    for '/../outside.txt', '/%2e%2e/outside.txt', '/a%00b';
	SKIP: {
		skip 'root may read everything', 1 if is_root();
		is_problem($get->('/secret.txt'), 403, undef, 'what may not be read');
	}
	$r = ask($files, 'POST', '/ten.txt', body => 'x');
	is_problem($r, 405, undef, 'POST is refused');
	is($r->header('allow'), 'GET, HEAD, OPTIONS', '... with Allow');

	$r = ask($files, 'OPTIONS', '/nothing', version => '1.0', host => undef);
	is($r->status . ' ' . $r->header('allow'), '204 GET, HEAD, OPTIONS',
	    'OPTIONS says which methods there are, as a balancer asks');

	my $old = 'Sat, 01 Jan 2000 00:00:00 GMT';
	for (["If-None-Match: $etag", 304], ["If-None-Match: W/$etag", 304],
	    ["If-None-Match: \"a\", $etag", 304], ['If-None-Match: *', 304],
	    ['If-None-Match: "a"', 200], ['If-None-Match: garbage', 200],
	    ["If-Modified-Since: $modified", 304], ["If-Modified-Since: $old", 200],
	    ['If-Modified-Since: yesterday', 200], ["If-Match: $etag", 200],
	    ['If-Match: "a"', 412], ["If-Match: W/$etag", 412], ['If-Match: *', 200],
	    ["If-Unmodified-Since: $old", 412], ["If-Unmodified-Since: $modified", 200]) {
		my ($header, $status) = @$_;
		is($get->('/ten.txt', $header)->status, $status, "$header: $status");
	}
	is($get->('/ten.txt', 'If-None-Match: "a"', "If-Modified-Since: $modified")->status, 200,
	    'If-None-Match goes before If-Modified-Since');
	$r = $get->('/ten.txt', "If-None-Match: $etag");
	is($r->header('etag') . $r->body, $etag, '304 has the ETag and no body');

	for (['0-3', '0123', '0-3'], ['3-', '3456789', '3-9'], ['-2', '89', '8-9'],
	    ['8-99', '89', '8-9'], ['-99', '0123456789', '0-9'], ['9-9', '9', '9-9'],
	    ['0-99999999999999999999999', '0123456789', '0-9']) {
		my ($range, $body, $got) = @$_;
		$r = $get->('/ten.txt', "Range: bytes=$range");
		is($r->status . ' ' . $r->body, "206 $body", "bytes=$range");
		is($r->header('content-range'), "bytes $got/10", "... is $got");
	}
	for ('bytes=0-1,3-4', 'lines=0-1', 'bytes=5-2', 'bytes=', 'bytes=-', 'bytes=a-b', 'bytes=1') {
		is($get->('/ten.txt', "Range: $_")->status, 200, "$_ is ignored");
	}
	for ('10-', '10-20', '-0', '99999999999999999999999-') {
		$r = $get->('/ten.txt', "Range: bytes=$_");
		is_problem($r, 416, undef, "bytes=$_ cannot be satisfied");
		is($r->header('content-range'), 'bytes */10', '... and the size is told');
	}
	is($get->('/zero.txt', 'Range: bytes=0-')->status, 416, 'nothing of nothing');
	is(ask($files, 'HEAD', '/ten.txt', headers => ['Range: bytes=0-3'])->status, 200,
	    'HEAD has no range');
	for (["If-Range: $etag", 206], ["If-Range: W/$etag", 200], ['If-Range: "a"', 200],
	    ["If-Range: $modified", 206], ["If-Range: $old", 200]) {
		my ($header, $status) = @$_;
		is($get->('/ten.txt', 'Range: bytes=0-3', $header)->status, $status, "$header: $status");
	}

	spew("$root/new.txt", '0123456789');
	rename "$root/new.txt", "$root/ten.txt";
	isnt($get->('/ten.txt')->header('etag'), $etag, 'a file that is replaced has another ETag');
	rename $root, "$root.old";
	is($get->('/')->status, 404, 'a root that is gone is answered');
	rename "$root.old", $root;
	is($get->('/')->status, 200, '... and so is one that came back');
	chmod 0600, "$root/secret.txt";
	stop($files);
}

END { kill 'KILL', @children if @children }
done_testing();
