#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Clients that people really use: each gets what it asked for, and poold has
# nothing to say about it.
#
# A client that is not installed is skipped, but with CI set in the environment
# it is a failure: script/setup ci installs them all.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(signal_to);
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(WNOHANG);

my $UPLOAD_BYTES = (1 << 20) + 4321; # curl asks first beyond 1 MiB
my $PARTS = 8;			     # of what the browser's page is made

my $poold = new_poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[listen proxied]
address = 127.0.0.1:@port2@
proxy_protocol = yes
trusted = 127.0.0.1

[service echo]
route = /echo
command = @bin@/echo
workers = 2

[service small]
route = /small
command = @bin@/echo
workers = 1
max_body = 100K

[service calc]
route = /api/calc
command = @bin@/calc
workers = 1

[service www]
route = /
command = @bin@/files --root www
workers = 2
INI
my $libexec = $ENV{POOLD_LIBEXEC} // Poold::Test::builddir() . '/libexec';
Poold::Test::copy_program(Poold::Test::real_program("$libexec/$_"), "$poold->{bin}/$_")
    for qw(calc files);
mkdir "$poold->{conf}/www";
$poold->write_file('www/index.html', "<!DOCTYPE html><title>www</title>\n");
$poold->write_file('www/style.css', "p { --colour: mauve; }\n");
$poold->write_file("www/part$_.js", "parts.push($_);\n") for 1 .. $PARTS;
$poold->write_file('www/page.html', <<'HTML' . join '', map { <<"HTML" } 1 .. $PARTS);
<!DOCTYPE html>
<title>loading</title>
<link rel="stylesheet" href="style.css">
<p id="answer">none</p>
<script>
const parts = [];
async function load() {
	const p = document.getElementById("answer");
	const calc = await fetch("/api/calc?op=divide&a=20&b=4");
	const echo = await fetch("/echo?header=content-type", { method: "POST",
	    headers: { "Content-Type": "text/x-test" }, body: "x".repeat(200000) });
	const refused = await fetch("/small", { method: "POST", body: "x".repeat(200000) });
	const sum = await calc.json(), told = await echo.json();
	p.textContent = [ "result", sum.result, told.method, told.header, told.body_length,
	    refused.status, getComputedStyle(p).getPropertyValue("--colour").trim(),
	    parts.length ].join(" ");
	document.title = "loaded";
}
addEventListener("load", load);
</script>
HTML
<script src="part$_.js"></script>
HTML
$poold->start;

my $url = 'http://127.0.0.1:' . $poold->port;
my $dir = temp_dir() . '/clients';
mkdir $dir or die "$dir: $!";
my $upload = "$dir/upload";
my $bytes = join '', map { chr($_ * 7 % 251) } 0 .. $UPLOAD_BYTES - 1;
spew($upload, $bytes);
my %children;

sub spew {
	my ($path, $text) = @_;
	open(my $fh, '>', $path) or die "$path: $!";
	binmode $fh;
	print $fh $text;
	close $fh or die "$path: $!";
}

sub slurp { return Poold::Proc::slurp($_[0]) // '' }

# The path of the first of the names that is installed; else the block SKIP is
# left.
sub client {
	my (@names) = @_;
	no warnings 'exiting';
	for my $name (@names) {
		for my $folder (split(/:/, $ENV{PATH}), '/usr/sbin') {
			return "$folder/$name" if -x "$folder/$name" && -f _;
		}
	}
	fail("there is no $names[0]") if $ENV{CI};
	skip("there is no $names[0]", 1);
}

# Starts a program in a process group of its own.
sub start_client {
	my (@command) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		setpgrp(0, 0);
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', "$dir/out");
		open(STDERR, '>', "$dir/err");
		$ENV{HOME} = $ENV{TMPDIR} = $dir;
		delete @ENV{grep { /_proxy$/i } keys %ENV};
		{ exec { $command[0] } @command; }
		POSIX::_exit(127);
	}
	$children{$pid} = 1;
	return $pid;
}

# What is left of its group ends with it.
sub end_client {
	my ($pid) = @_;
	kill 'KILL', -$pid;
	waitpid $pid, 0;
	delete $children{$pid};
}

# Runs a program to its end: (exit status, output, errors); -1: took too long.
sub run {
	my (@command) = @_;
	my $pid = start_client(@command);
	my $status = -1;
	wait_until(sub {
		return 0 if waitpid($pid, WNOHANG) != $pid;
		$status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
		return 1;
	}, 40);
	end_client($pid);
	return ($status, slurp("$dir/out"), slurp("$dir/err"));
}

# Since the last look, poold said nothing that somebody would have to look at.
sub is_quiet {
	my ($name) = @_;
	my $log = $poold->log_text($poold->{log_mark});
	$poold->mark;
	is(join("\n", $log =~ /^((?!\S+ (?:info|debug) ).+)$/mg),
	    '', "poold has no complaint about $name");
}

sub json { return eval { JSON::PP::decode_json($_[0]) } // {} }

# --- curl

SKIP: {
	my @curl = (client('curl'), '-sS', '--max-time', patience(20));
	my ($status, $out, $err) = run(@curl, '--http1.0', "$url/echo?a=1");
	my $got = json($out);
	is($status, 0, 'curl --http1.0 gets an answer');
	is("$got->{minor} $got->{query}", '0 a=1', '... to what it asked, as HTTP/1.0');
	($status, $out) = run(@curl, '-w', "\n%{http_version} %{num_connects}\n", "$url/echo",
	    '--next', @curl[ 1 .. $#curl ], '-w', "\n%{http_version} %{num_connects}\n",
	    "$url/echo?stream=2");
	is($status, 0, 'curl gets two answers by HTTP/1.1');
	like($out, qr/\{.*"minor":1.*\}\n\n1\.1 1\npiece 0\npiece 1\n\n1\.1 0\n\z/,
	    '... on one connection, the second chunked');
	($status, $out) = run(@curl, '-I', "$url/");
	like($out, qr/\AHTTP\/1\.1 200 OK\r\n.*^Content-Length: 34\r\n.*\r\n\z/ms,
	    'curl -I gets the fields alone');
	($status, $out) = run(@curl, '--http2', '-w', "\n%{http_version}\n",
	    "$url/echo?header=upgrade");
	like($out, qr/"header":"h2c".*\n1\.1\n\z/s,
	    'curl --http2 offers h2c and gets HTTP/1.1');

	($status, $out, $err) = run(@curl, '-v', '--data-binary', "\@$upload", "$url/echo");
	$got = json($out);
	like($err, qr/> Expect: 100-continue.*< HTTP\/1\.1 100 /s,
	    'curl asks before an upload of more than 1 MiB, and is told to go on');
	is($got->{body_length}, $UPLOAD_BYTES, '... and all of it arrives');
	is($got->{body_hash}, fnv1a($bytes), '... as it was sent');
	($status, $out, $err) = run(@curl, '-v', '-T', $upload, '-H',
	    'Transfer-Encoding: chunked', "$url/echo/file");
	$got = json($out);
	is("$got->{method} $got->{body_length} $got->{body_hash}",
	    "PUT $UPLOAD_BYTES " . fnv1a($bytes), 'curl uploads in chunks');
	unlike($err, qr/> Content-Length/i, '... without a length');
	($status, $out, $err) = run(@curl, '-v', '-T', $upload, '-w',
	    "\n%{http_code} %{size_upload}\n", "$url/small/file");
	like($err, qr/> Expect: 100-continue/, 'curl asks before an upload that is too large');
	like($out, qr/\A\{.*"status":413.*\}\s*\n413 0\n\z/s,
	    '... and is refused before it sends anything');
	($status, $out) = run(@curl, '-H', 'Expect:', '--data-binary', "\@$upload", '-w',
	    "\n%{http_code}\n", "$url/small");
	like($out, qr/"status":413.*\n413\n\z/s, '... and as well if it does not ask');
	is_quiet('curl');
}

# --- load generators

SKIP: {
	my $ab = client('ab');
	for my $keep (0, 1) {
		my ($status, $out) = run($ab, ($keep ? '-k' : ()), qw(-q -n 400 -c 8 -s),
		    patience(20), "$url/echo?size=1000");
		my %count = $out =~ /^([\w -]+):\s+(\d+)\b/mg;
		is($status, 0, 'ab' . ($keep ? ' -k' : '') . ' gets answers by HTTP/1.0');
		is("$count{'Complete requests'} $count{'Failed requests'} "
		    . ($count{'Non-2xx responses'} // 0), '400 0 0', '... to all its requests');
		is($count{'HTML transferred'}, 400 * 1000, '... all of them whole');
		is($count{'Keep-Alive requests'}, 400, '... with connections kept') if $keep;
	}
	is_quiet('ab');
}

SKIP: {
	my $wrk = client('wrk');
	my ($status, $out) = run($wrk, qw(-t 1 -c 8 -d 1s --timeout 10s), "$url/echo?size=1000");
	is($status, 0, 'wrk runs');
	my ($requests) = $out =~ /^\s*(\d+) requests in /m;
	cmp_ok($requests // 0, '>', 50, '... and gets answers');
	unlike($out, qr/Non-2xx|Socket errors/, '... without an error');
	is_quiet('wrk');
}

# --- HAProxy

# What it knows of its servers, by the name of their backends.
sub haproxy_stat {
	my ($path) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or return {};
	print $socket "show stat\n";
	my ($head, @lines) = grep { length } map { s/^# //r } split /\n/, join '', <$socket>;
	my @names = split /,/, $head // '';
	my %servers;
	for (@lines) {
		my %field;
		@field{@names} = split /,/;
		$servers{ $field{pxname} } = \%field if $field{svname} eq 'poold';
	}
	return \%servers;
}

sub haproxy_config {
	my ($front) = @_;
	my ($port, $proxied) = ($poold->port, $poold->port(2));
	return <<"CONF";
global
	stats socket $dir/haproxy.sock mode 600
defaults
	mode http
	timeout connect 20s
	timeout client 20s
	timeout server 20s
	timeout check 20s
	default-server inter 100ms fall 2 rise 2 check
frontend front
	bind 127.0.0.1:$front
	use_backend proxied if { path_beg /echo/proxied }
	default_backend options
backend options
	option httpchk
	server poold 127.0.0.1:$port
backend get
	option httpchk GET /api/calc?op=add&a=1&b=2
	server poold 127.0.0.1:$port
backend nothing
	option httpchk GET /nothing
	server poold 127.0.0.1:$port
backend proxied
	option httpchk GET /echo
	option forwardfor
	http-reuse always
	server poold 127.0.0.1:$proxied send-proxy-v2
CONF
}

SKIP: {
	my $haproxy = client('haproxy');
	my $front = free_port();
	spew("$dir/haproxy.cfg", haproxy_config($front));
	my $pid = start_client($haproxy, '-db', '-f', "$dir/haproxy.cfg");
	my $stat = {};
	# servers begin as UP and have to lose that: only checks that were made count
	eventually {
		$stat = haproxy_stat("$dir/haproxy.sock");
		4 == grep { ($_->{check_status} // '') =~ /^L7/
			    && $_->{status} =~ /^(?:UP|DOWN)$/ } values %$stat;
	} 15, 'HAProxy has checked its servers' or diag slurp("$dir/err");
	my $seen = sub { join ' ', map { $_ // '' }
	    @{ $stat->{ $_[0] } // {} }{qw(status check_status check_code)} };
	is($seen->('options'), 'UP L7OK 204', 'HAProxy finds it up by OPTIONS, HTTP/1.0, no Host');
	is($seen->('get'), 'UP L7OK 200', '... by GET, HTTP/1.0, no Host');
	is($seen->('proxied'), 'UP L7OK 200', '... with a PROXY header before it');
	is($seen->('nothing'), 'DOWN L7STS 404', '... and down where the answer says so');
	my $client = Poold::Client->new(port => $front);
	is($client->get('/')->body, slurp("$poold->{conf}/www/index.html"),
	    'HAProxy passes requests on');
	is($client->post('/echo', 'x' x 300000)->json->{body_length}, 300000, '... and bodies');
	my $got = $client->get('/echo/proxied?header=x-forwarded-for')->json;
	is("$got->{client_port} $got->{header}", $client->local_port . ' 127.0.0.1',
	    '... and who the client is');
	end_client($pid);
	is_quiet('HAProxy');
}

# --- Java

SKIP: {
	my $java = client('java');
	my ($status, $out, $err) = run($java, '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData',
	    Poold::Test::srcdir() . '/t/clients/HttpClientTest.java', $url);
	skip('there is no Java compiler', 1)
	    if !$ENV{CI} && $status && $err =~ /jdk\.compiler|ClassNotFound|not find.*class/;
	is($status, 0, "Java's HttpClient is content") or diag $err;
	my %line;
	push @{ $line{$1} }, $2 while $out =~ /^(\w+) (.*)$/mg;
	my $first = $line{first}[0] // '';
	like($first, qr/^200 HTTP_1_1 .*"header":"h2c"/, '... offers h2c and gets HTTP/1.1');
	like($line{again}[0] // '', qr/^200 HTTP_1_1 /, '... and again');
	for (['post', 100_000], ['expect', 300_000]) {
		my ($name, $len) = @$_;
		my ($body) = ($line{$name}[0] // '') =~ /^200 HTTP_1_1 (.*)\|$/;
		my $got = json($body);
		is($got->{body_length}, $len, "... sends a body ($name)");
		is($got->{body_hash}, fnv1a(substr $bytes, 0, $len), '... that arrives whole');
	}
	like($line{refused}[0] // '', qr/^413 HTTP_1_1 .*"status":413/,
	    '... is refused a body that is too large');
	is($line{chunked}[0], '200 HTTP_1_1 piece 0|piece 1|piece 2|', '... reads chunks');
	is(join(' ', map { /^200 HTTP_1_1 .*"query":"n=(\d+)"/ ? $1 : $_ }
		@{ $line{parallel} // [] }), join(' ', 0 .. 19),
	    '... and twenty answers at a time');
	is_quiet('Java');
}

# --- a browser

SKIP: {
	my $chromium = client('chromium', 'chromium-browser', 'google-chrome');
	my ($status, $out, $err) = run($chromium, qw(--headless --no-sandbox --disable-gpu
	    --disable-dev-shm-usage --no-first-run --no-proxy-server
	    --disable-background-networking --virtual-time-budget=20000), "--user-data-dir=$dir/chromium",
	    '--dump-dom', "$url/page.html");
	is($status, 0, 'Chromium opens a page') or diag $err;
	like($out, qr/<title>loaded<\/title>/, '... and runs its scripts');
	is(($out =~ /<p id="answer">(.*?)<\/p>/)[0],
	    "result 5 POST text/x-test 200000 413 mauve $PARTS",
	    '... which got its parts and the answers of three services');
	is_quiet('Chromium');
}

END {
	my $status = $?;
	end_client($_) for keys %children;
	$? = $status;
}

finish();
