#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# WebSockets of ASGI applications.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Control;
use Poold::Proc qw(signal_to);
use Poold::Test;
use Poold::Runner;
use Compress::Raw::Zlib;

need_runner('poold-python', 'libpython3-dev');
if (system('/usr/bin/python3 -c "import wsproto" 2>/dev/null') != 0) {
	BAIL_OUT('python3-wsproto is not installed') if $ENV{CI};
	plan(skip_all => 'python3-wsproto is not installed');
}

my $poold = runner_poold('poold-python', <<'INI');
[poold]
access_log = off
control = @run@/c.sock
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@

[service app]
route = /app
language = python
app = @bin@/asgi.py
workers = 1
concurrency = 16
env.NOTES = @dir@/notes
INI
$poold->start;

sub frame {
	my ($opcode, $payload, $fin) = @_;
	my $len = length $payload;
	my $head = pack 'C', ($fin // 1) << 7 | $opcode;
	$head .= $len < 126 ? pack('C', 0x80 | $len) : $len < 65536 ? pack('Cn', 0xfe, $len) : pack('CQ>', 0xff, $len);
	my $mask = 'mask';
	return $head . $mask . ($payload ^ substr($mask x ($len / 4 + 1), 0, $len));
}
sub websocket {
	my ($path, @headers) = @_;
	my $c = $poold->client;
	$c->request('GET', "/app$path", headers => [ 'Upgrade: websocket', 'Connection: Upgrade',
	    'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', @headers ]);
	return ($c, $c->response(interim => 1));
}
sub take_frame {
	my ($c) = @_;
	my $take = sub { my ($bytes) = $c->take($_[0], time + 10); return $bytes // '' };
	my ($first, $len) = unpack 'CC', $take->(2);
	return 'nothing' unless defined $len;
	$len = unpack('n', $take->(2)) if $len == 126;
	$len = unpack('Q>', $take->(8)) if $len == 127;
	return ($first & 15) . ':' . $take->($len);
}

# ---- what the specification says

my ($c, $answer) = websocket('/echo', 'Sec-WebSocket-Protocol: chat, superchat');
is($answer->status, 101, 'a WebSocket is accepted') or diag $poold->log_text;
is($answer->header('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', '... with the key');
is($answer->header('sec-websocket-protocol') . $answer->header('x-mine'), 'chatyes', '... subprotocol and fields');
$c->send(frame(1, 'hello'));
is(take_frame($c), '1:hello', 'text comes back');
$c->send(frame(2, "\0" x 70000));
is(take_frame($c), '2:' . "\0" x 70000, '... and so do bytes');
$c->send(frame(1, 'a ', 0) . frame(9, 'ping') . frame(0, 'whole'));
is(take_frame($c), '10:ping', 'a ping is answered, within a message');
is(take_frame($c), '1:a whole', '... whose fragments are one');
$c->send(frame(1, 'close'));
is(take_frame($c), '8:' . pack('n', 4321) . 'asked', 'the application can close it');
$c->send(frame(8, pack 'n', 4321));
ok(note_of($poold, 'websocket', 'closed 4321'), '... and is told of the end');
($c, $answer) = websocket('/echo');
$c->send(frame(8, pack('n', 1001)));
is(take_frame($c), '8:' . pack('n', 1001), 'the client can close it');
ok(note_of($poold, 'websocket', 'disconnect 1001'), '... and the application is told the code');
($c, $answer) = websocket('/echo');
$c->close;
ok(note_of($poold, 'websocket', 'disconnect 1006'), '... or that it left without a word');
is((websocket('/refuse'))[1]->status, 403, 'a WebSocket that is refused is a 403');
is((websocket('/raise'))[1]->status, 500, '... and an exception before is a 500');
($c, $answer) = websocket('/echo', 'Sec-WebSocket-Extensions: permessage-deflate');
like($answer->header('sec-websocket-extensions'), qr/permessage-deflate/, 'compression is agreed on');

($c, $answer) = websocket('/ws_scope?a=%20', 'Sec-WebSocket-Protocol: chat, superchat', 'Sec-WebSocket-Protocol: more');
my $scope = JSON::PP::decode_json(take_frame($c) =~ s/^1://r);
is(join('|', map { $scope->{$_} // 'none' } qw(type scheme http_version path raw_path query_string root_path method)),
    'websocket|ws|1.1|/app/ws_scope|/app/ws_scope|a=%20|/app|none', 'the scope is that of a WebSocket');
is(join('|', @{ $scope->{subprotocols} }, $scope->{state}{answer}, $scope->{asgi}{spec_version}),
    'chat|superchat|more|42|2.5', '... with subprotocols, state and version');
is(take_frame($c), '8:' . pack('n', 1000), 'an application that returns has closed it');
($c, $answer) = websocket('/ws_wrong');
is($answer->header('y'), '', 'a field that would be two is refused');
is(take_frame($c), '2:b', 'only what is text or bytes is sent');
is(take_frame($c), '1:RuntimeError ValueError RuntimeError RuntimeError RuntimeError RuntimeError accepted',
    '... and what comes out of order is an error');
$c->send(frame(8, pack('n', 4000) . 'so long'));
ok(note_of($poold, 'websocket', 'wrong 4000 so long BrokenPipeError'),
    'the application is told the reason; and send fails afterwards') or diag Poold::Proc::slurp("$poold->{dir}/notes/websocket");
($c, $answer) = websocket('/echo');
$c->send(frame(8, ''));
ok(note_of($poold, 'websocket', 'disconnect 1005'), 'a close without a code is 1005');
$c = $poold->client;
$c->request('GET', '/app/echo', headers => [ 'Upgrade: websocket', 'Connection: Upgrade',
    'Sec-WebSocket-Version: 8', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' ]);
$answer = $c->response;
is($answer->status . ' ' . $answer->header('sec-websocket-version'), '400 13', 'another version is refused with ours');
{
	my $control = Poold::Control->new("$poold->{run}/c.sock");
	my ($worker) = $poold->workers('app');
	my $before = $control->service('app')->{in_flight};

	signal_to 'STOP', $worker;
	$c = $poold->client;
	$c->request('GET', '/app/echo', headers => [ 'Upgrade: websocket', 'Connection: Upgrade',
	    'Sec-WebSocket-Version: 8', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' ]);
	eventually { $control->service('app')->{in_flight} == $before + 1 } 10, 'another such request is on its way';
	$c->reset;
	signal_to 'CONT', $worker;
	eventually { $control->service('app')->{in_flight} <= $before } 10,
	    '... and is over, though its client left before it was refused';
}

# ---- several tasks

($c, $answer) = websocket('/listeners');
$c->send(frame(1, $_)) for 'one', 'two', 'three';
is(take_frame($c), '1:one three two', 'tasks that receive at the same time get a message each');
$c->send(frame(8, pack('n', 1001) . 'x'));
ok(note_of($poold, 'websocket', 'listeners 1001x 1001x'), '... and the end all of them');

sub shouted {
	my ($c, $unpack) = @_;
	my (%next, $wrong);
	for (1 .. 160) {
		my $text = $unpack->(take_frame($c) =~ s/^1://r);
		$text =~ /^([a-d]) (\d+) [0-9a-f]+$/ && length $text > 100_000 && $2 == ($next{$1}++ // 0) or $wrong //= substr $text, 0, 40;
	}
	return $wrong // join ' ', map { $next{$_} } sort keys %next;
}
($c, $answer) = websocket('/shout');
ok(note_of($poold, 'shout', 'full'), 'tasks send at the same time until the client has to read');
is(shouted($c, sub { $_[0] }), '40 40 40 40', '... and then all are heard, in order');
($c, $answer) = websocket('/shout', 'Sec-WebSocket-Extensions: permessage-deflate');
my ($inflate) = Compress::Raw::Zlib::Inflate->new(-WindowBits => -15, -ConsumeInput => 0);
is(shouted($c, sub { $inflate->inflate($_[0] . "\0\0\xff\xff", my $text); $text }), '40 40 40 40',
    '... compressed too, where each message builds upon the one before');

# ---- hostile clients

($c, $answer) = websocket('/echo');
$c->send(frame(1, 'x', 0) . frame(0, 'y' x 125, 0) x 100_000);
is(take_frame($c), '8:' . pack('n', 1009) . 'the message is too large', 'a message without an end is cut off');
($c, $answer) = websocket('/echo');
$c->send(frame(1, '', 0) . frame(0, '', 0) x 300_000);
is(take_frame($c), '8:' . pack('n', 1009) . 'the message is too large', '... also one of many empty parts');
unlink "$poold->{dir}/notes/websocket";
($c, $answer) = websocket('/echo');
$c->send("\xff\xff\xff\xff" x 4);
ok(note_of($poold, 'websocket', 'disconnect 1002'), 'what is no frame ends it');
($c, $answer) = websocket('/impatient');
is(take_frame($c), '9:', 'a client is asked whether it is there');
ok(note_of($poold, 'websocket', 'asked 1006'), '... and one that does not answer has left');

# ---- the end


($c, $answer) = websocket('/echo');
$poold->signal('TERM');
is(take_frame($c), '8:' . pack('n', 1012) . 'restart', 'at the end of a worker its clients are told');
$poold->stop('TERM');
finish();
