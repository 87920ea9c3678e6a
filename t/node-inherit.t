#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# poold-node with "mode = inherit": Node accepts on a port of its own.
# POOLD_TEST_NODE: as in node.t.
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP;
use Poold::Test;
use Poold::Node qw(node_skip_all with_node copy_node);
use Poold::Proc qw(alive signal_to);

node_skip_all();

my $ini = <<'INI';
[poold]
libexec = @bin@

[listen own]
address = 127.0.0.1:@port@

[listen also]
address = 127.0.0.1:@port2@

[listen main]
address = 127.0.0.1:@port3@

[service own]
mode = inherit
listen = own, also
language = node
app = @bin@/node.js
workers = 2
env.NOTES = @dir@/notes
ready_after = 60s
start_timeout = 60s
health_type = watchdog
health_interval = 200ms
health_timeout = 2s
stop_timeout = 20s

[service plain]
listen = main
mode = inherit
language = node
app = @bin@/plain.js
workers = 1
ready_after = 60s
start_timeout = 60s
stop_timeout = 20s
INI
my $poold = new_poold(with_node($ini));
my $notes = "$poold->{dir}/notes";
copy_node($poold);
# It knows nothing of signals.
open(my $out, '>', "$poold->{bin}/plain.js") or die $!;
print $out <<'JS';
const fs = require('fs');
const late = process.argv[1].replace('plain.js', '../notes/go');
require('http').createServer((req, res) => {
	if (req.url !== '/slow')
		return res.end(`${process.pid}`);
	fs.writeFileSync(`${late}.seen`, '');
	const look = setInterval(() => {
		if (!fs.existsSync(late))
			return;
		clearInterval(look);
		res.end(`${process.pid}`);
	}, 10);
}).listen(3000);
JS
close $out or die $!;
$poold->start;
sub runners { return Poold::Node::runners($poold, @_) }
sub nodes { return Poold::Node::nodes($poold, @_) }
sub count { my ($name, $text) = @_; return scalar(() = (Poold::Proc::slurp("$notes/$name") // '') =~ /^$text$/gm) }

my $client = $poold->client;
my $r = $client->get('/show?x=1');
is($r->status, 200, 'an unmodified application answers on the inherited socket') or diag $poold->log_text;
my $seen = $r->json;
is("$seen->{remoteAddress} $seen->{localPort}", '127.0.0.1 ' . $poold->port, '... sees the client and the port');
is($seen->{address}{port}, $poold->port, '... which address() tells');
is($client->get('/show')->json->{remotePort}, $seen->{remotePort}, '... and keeps the connection');
ok((grep { $_ == $seen->{pid} } nodes('own')), '... in a Node process of the service');
is($poold->get('/status?is=201', client => { listener => 2 })->status, 201, 'the second address is served, too');
is(length $poold->get('/last?once=never&bytes=300000')->body, 300_000, 'a large response') if put('never');
sub put { my ($name) = @_; open(my $to, '>', "$notes/$name") or die $!; return close $to }
# Whether each of its two processes answers.
sub all_answer {
	my %by;
	return wait_until(sub {
		$by{ $poold->get('/show')->json->{pid} } = 1;
		return 2 == grep { $by{$_} } nodes('own');
	}, 20);
}
ok(all_answer(), 'all workers answer');
is(scalar(my @runners = runners('own')), 2, 'that they listen is what makes them ready: ready_after is a minute');

# ---- the watchdog

my ($hung) = nodes('own');
signal_to('STOP', $hung);
ok(wait_until(sub { !alive($hung) }, 20), 'a Node that hangs is found by the watchdog');
ok(wait_until(sub { 2 == grep { $_ != $hung } nodes('own') }, 20), '... and replaced');

# ---- kills

for my $what ('workers', 'nodes') {
	my $list = $what eq 'workers' ? sub { runners('own') } : sub { nodes('own') };
	my ($victim) = $list->();
	my @before = nodes('own');
	signal_to('KILL', $victim);
	ok(wait_until(sub { my @now = $list->(); @now == 2 && !grep { $_ == $victim } @now }, 20),
	    "one of the $what that is killed is replaced");
	ok(wait_until(sub { 1 == grep { alive($_) } @before }, 20), '... and leaves nothing behind');
}

# ---- the end

my $idle = $poold->client(listener => 3);
my ($old) = nodes('plain');
is($idle->get('/')->body, $old, 'a connection that will be idle');
my $busy = $poold->client(listener => 3);
$busy->request('GET', '/slow');
ok(wait_until(sub { -e "$notes/go.seen" }, 10), '... and a request that is under way');
utime 1, 1, "$poold->{bin}/plain.js" or die $!;
like($poold->reload, qr/reload done/, 'a change of the app is a new generation');
is($idle->ending(10), 'eof', '... the idle connection ends');
ok(alive($old), '... the request does not');
my $new = $poold->client(listener => 3);
isnt($new->get('/')->body, $old, '... while others are answered by the new one');
put('go');
$r = $busy->response;
is($r->body, $old, '... until it is answered');
is($busy->ending(10), 'eof', '... with the connection');
ok(wait_until(sub { !alive($old) }, 10), '... and the old process ends by itself');
ok(!(grep { /killed|SIGKILL/ && /plain/ } split /\n/, $poold->log_text), '... as the log says');

ok(all_answer(), 'in the end all workers answer');
is(count('end', 'SIGTERM'), 0, 'an application with a handler of its own');
is($poold->stop, 0, 'all of it stops');
is(count('end', 'SIGTERM'), 2, '... is told, in each process');
is(count('end', 'closed'), 2, '... and closes its server');

# ---- servers of other kinds

my $kinds = new_poold(with_node(<<'INI'));
[poold]
libexec = @bin@

[listen lines]
address = 127.0.0.1:@port@

[listen two]
address = 127.0.0.1:@port2@

[service lines]
mode = inherit
listen = lines
language = node
app = lines.js
workers = 1
ready_after = 60s
start_timeout = 60s

[service two]
mode = inherit
listen = two
language = node
app = two.js
workers = 1
ready_after = 60s
start_timeout = 60s
INI
copy_node($kinds);
$kinds->write_file('lines.js', <<'JS');
require('net').createServer((socket) => socket.end('a line\n')).listen(3000);
JS
$kinds->write_file('two.js', <<'JS');
require('http2').createServer((req, res) => res.end(req.httpVersion)).listen(3000);
JS
$kinds->start;
my $line = IO::Socket::IP->new(PeerAddr => '127.0.0.1', PeerPort => $kinds->port) or die $!;
is(scalar <$line>, "a line\n", 'a server of node:net accepts on the port of its service');
SKIP: {
	skip('this curl knows no HTTP/2', 1) if `curl -V` !~ /\bHTTP2\b/;
	my $two = $kinds->port(2);
	is(`curl -sS --http2-prior-knowledge --max-time 60 http://127.0.0.1:$two/`, '2.0',
	    'and so does one of node:http2');
}
close $line;
is($kinds->stop, 0, '... and they stop');

# ---- what does not start

my $bad = new_poold(with_node(<<'INI'));
[poold]
libexec = @bin@

[listen own]
address = 127.0.0.1:@port@

[service bad]
mode = inherit
listen = own
language = node
app = bad.js
workers = 1
start_timeout = 5s
INI
copy_node($bad);
$bad->write_file('bad.js', "\nthrow new TypeError('wrong');\n");
$bad->start(nowait => 1);
ok($bad->wait_log('bad\.js:2: TypeError: wrong'), 'an exception before listen() is the reason of the failure');
$bad->stop;
finish();
