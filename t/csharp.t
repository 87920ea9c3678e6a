#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Workers in C#: the library, the runner, and what becomes of broken programs.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);
use File::Copy qw(copy);

my $libexec = Poold::Test::builddir() . '/libexec';
my $source = Poold::Test::srcdir() . '/t/workers/contract.cs';
plan skip_all => 'no Poold.dll: mcs was missing' unless -f "$libexec/Poold.dll";
plan skip_all => 'no mono' if system('command -v mono >/dev/null') != 0;

my $poold = new_poold((is_root() ? "[poold]\nuser = nobody\n" : "[poold]\n") . <<'INI');
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@

[service sharp]
route = /sharp
language = csharp
app = @bin@/contract.exe
workers = 2
health_check = /sharp/health
max_body = 64M

[service script]
route = /script
language = csharp
app = @bin@/script.cs
workers = 1
start_timeout = 60s
INI
my $bin = $poold->{bin};
copy("$libexec/Poold.dll", "$bin/Poold.dll") or die "Poold.dll: $!";
Poold::Test::copy_program("$libexec/poold-csharp", "$bin/poold-csharp");

sub slurp {
	open(my $in, '<', $_[0]) or die "$_[0]: $!";
	local $/;
	return scalar <$in>;
}
sub compile {
	my ($from) = @_;
	return system('mcs', "-r:$bin/Poold.dll", "-out:$bin/contract.exe.new", $from) == 0
	    && rename("$bin/contract.exe.new", "$bin/contract.exe");
}
sub put {
	my ($name, $text) = @_;
	open(my $out, '>', "$bin/$name") or die "$name: $!";
	print $out $text;
	close $out;
}
ok(compile($source), 'mcs compiles a worker against Poold.dll');
put('script.cs', <<'CS');
using Poold;
Worker.Serve(request => request.Respond(200, "text/plain", "from a script\n"));
CS
$poold->start;

is($poold->get('/script')->body, "from a script\n", 'a script is a worker');

# ---- the request

my $r = $poold->get('/sharp/x%20y/?a=1%202%C3%A9&b', headers => [ 'X-One: 1', 'x-two:2' ],
    host => 'Example.org:123');
my $echo = $r->json;
is($r->status, 200, 'a compiled program answers');
is($echo->{method}, 'GET', 'it knows the method');
is($echo->{target}, '/sharp/x%20y/?a=1%202%C3%A9&b', '... the target as it was sent');
is($echo->{path}, '/sharp/x y/', '... the canonical path');
is("$echo->{route} $echo->{info}", '/sharp /x y/', '... route and what follows it');
is($echo->{query}, 'a=1%202%C3%A9&b', '... the query');
is($echo->{a}, "1 2\x{e9}", '... a parameter, decoded');
is($echo->{host}, 'Example.org:123', '... the host');
is("$echo->{client} $echo->{port}", '127.0.0.1 ' . $poold->port, '... both addresses');
is_deeply([ grep { /^x-/i } @{ $echo->{fields} } ], [ 'X-One: 1', 'x-two: 2' ],
    '... and the fields');
is($r->header('x-request-id'), $echo->{id}, 'the response carries the request id');
is($r->header('x-own'), 'set', '... and fields of the program');
like($r->header('date'), qr/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/, '... and the date');

sub checksum {
	my $sum = 0;
	$sum = ($sum * 31 + $_) % 1000000007 for unpack 'C*', $_[0];
	return $sum;
}
for my $size (0, 1, 65_536, 300_000) {
	my $body = join '', map { chr($_ * 7 % 256) } 1 .. $size;
	my $json = $poold->post('/sharp/body', $body)->json;
	is("$json->{bytes} $json->{sum}", "$size " . checksum($body),
	    "a body of $size bytes arrives");
}
{
	my $client = $poold->client;
	$client->send("POST /sharp/body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
	    . "\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n");
	is($client->response->json->{sum}, checksum('abcde'), 'a chunked body arrives');
}
{
	my $client = $poold->client;
	$client->send("POST /sharp/body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
	    . "\r\n\r\nzz\r\n");
	is($client->response->status, 400, 'broken chunks are no body');
	$client = $poold->client;
	$client->send("POST /sharp/body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
	    . "\r\n\r\n3\r\nabcde\r\n0\r\n\r\n");
	is($client->response->status, 400, '... nor are chunks that are longer than they say');
	is($poold->post('/sharp/whole', 'x' x (1 << 20))->status, 200, 'a handler takes a whole body');
	is($poold->post('/sharp/whole', 'x' x (1 + (1 << 20)))->status, 413, '... up to its limit');
}
{
	my $client = $poold->client;
	$client->send("POST /sharp/body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
	    . "Expect: 100-continue\r\n\r\n");
	is($client->response(interim => 1)->status, 100, '100 Continue is sent when the body is wanted');
	$client->send('hello');
	is($client->response->json->{bytes}, 5, '... and then the response');
}
is($poold->post('/sharp/form', 'x=1&name=a%26b+c',
	headers => [ 'Content-Type: application/x-www-form-urlencoded' ])->body, 'a&b c',
    'a form is decoded');

# ---- the response

{
	my $client = $poold->client;
	my $stream = $client->get('/sharp/stream');
	is($stream->body, "part 0\npart 1\npart 2\n", 'a response may be streamed');
	is($stream->header('transfer-encoding'), 'chunked', '... in chunks');
	my $head = $client->exchange('HEAD', '/sharp/stream');
	ok($head->status == 200 && $head->body eq '', 'HEAD has no body');
	is($client->get('/sharp/exact?length=5')->body, '12345', 'a length may be declared');
	is($client->get('/sharp/empty')->status, 204, '204 has none');
	my $unread = $client->post('/sharp/', 'x' x 1000);
	is($unread->json->{length}, 1000, 'a short body need not be read');
	is($client->get('/sharp/')->status, 200, '... on one connection, all of it');
}
{
	my $client = $poold->client;
	$client->send("GET /sharp/stream HTTP/1.0\r\n\r\n");
	my $old = $client->response;
	is($old->body, "part 0\npart 1\npart 2\n", 'HTTP/1.0 gets no chunks');
}
like($poold->get('/sharp/exact?length=9')->error, qr/./,
    'a response that is shorter than it said is cut');
{
	my $problem = $poold->get('/sharp/problem');
	is($problem->status . ' ' . $problem->header('content-type'),
	    '422 application/problem+json', 'a problem is one');
	is($problem->json->{detail}, qq("no"\x01), '... and valid JSON');
}
is($poold->get('/sharp/forbidden')->body, 'Content-Length;connection;bad name;;split;split;split;type',
    'fields that would break the framing are refused');
{
	$poold->mark;
	my $failed = $poold->get('/sharp/throw');
	is($failed->status, 500, 'an exception is a 500');
	unlike($failed->body, qr/secret/, '... that does not tell it');
	ok($poold->wait_log(qr/a secret of the application/), '... but the log does');
	my $id = $failed->header('x-request-id');
	ok($poold->wait_log(qr/\Q$id\E.*handler failed/), '... with the request id');
}
like($poold->get('/sharp/late')->error, qr/./, 'one in the middle cuts the response');
is($poold->get('/sharp/silent')->status, 500, 'who does not answer answers 500');
{
	$poold->mark;
	my $client = $poold->client;
	$client->request('GET', '/sharp/big');
	$client->readable(10);
	$client->close;
	ok($poold->wait_log(qr/noticed that the client left/),
	    'a client that leaves in the middle is noticed');
}

# ---- the contract

sub workers { return $poold->programs('contract.exe') }

{
	my %seen = map { $poold->get('/sharp/')->json->{pid} => 1 } 1 .. 8;
	is(scalar keys %seen, 2, 'both workers have their turn');
	is_deeply([ sort { $a <=> $b } keys %seen ], [ workers() ], '... and only they');
}
{
	my %before = map { $_ => 1 } workers();
	my $load = load($poold, target => '/sharp/', rate => 200);
	ok(compile($source), 'a new version is compiled');
	$poold->reload;
	eventually(sub { !grep { alive($_) } keys %before }, 20, 'HUP brings it to serve');
	is_deeply($load->stop->{failures}, [], '... and no request is lost');
}

# ---- broken programs

sub refuses {
	my ($name, $file, $text, @words) = @_;
	my @before = sort { $a <=> $b } workers();
	my $old = slurp("$bin/$file");
	$poold->mark;
	put($file, $text);
	signal_to 'HUP', $poold->pid;
	ok($poold->wait_log(qr/reload failed/i), "$name makes the reload fail");
	ok($poold->wait_log($_), "... and the log has the words $_") for @words;
	is_deeply([ sort { $a <=> $b } workers() ], \@before, '... and the old workers go on');
	put($file, $old);
}
refuses('a script with an error', 'script.cs', <<'CS', qr/CS1061.*Respnd/);
using Poold;
Worker.Serve(request => request.Respnd(200, "text/plain", "from a script\n"));
CS
refuses('a program that is none', 'contract.exe', 'MZ nothing',
    qr/contract\.exe.*valid CIL image/);
is($poold->get('/script')->body, "from a script\n", 'the old script goes on');

finish();
