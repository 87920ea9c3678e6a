#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Large responses to clients that are slow to read them.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use IO::Poll qw(POLLERR POLLHUP);
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(time);

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[listen local]
address = unix:@conf@/socket

[service big]
route = /big
command = @bin@/big
workers = 2
response_buffer = 64M

[service strict]
route = /strict
command = @bin@/big
workers = 1
response_buffer = 64M
client_timeout = 1s

[service small-buffer]
route = /small
command = @bin@/big
workers = 2
response_buffer = 1M

[service none]
route = /none
command = @bin@/big
workers = 1
response_buffer = 0
INI

my $size = 6_000_000;

sub letters {
	my ($len) = @_;
	my $text = join '', map { chr(ord('a') + $_ % 26) x 10_000 } 0 .. $len / 10_000;
	return substr $text, 0, $len;
}
my $want = letters($size);

# One that has asked and reads nothing yet.
sub slow_client {
	my ($target, %args) = @_;
	my $client = $poold->client(%args);
	setsockopt($client->sock, SOL_SOCKET, SO_RCVBUF, 65536);
	$client->request('GET', $target);
	return $client;
}

for my $as (qw(whole file stream)) {
	my @slow = map { slow_client("/big?bytes=$size&as=$as") } 1 .. 4;
	eventually { $poold->get('/big', client => { timeout => 1 })->status == 200 } 5,
	    "2 workers with 4 slow readers of a response ($as) serve others";
	my @got = map { $_->response(timeout => 30) } @slow;
	is(scalar(grep { $_->body eq $want } @got), 4, '... and the slow ones get all');
	is(join(' ', map { $_->get('/big')->status } @slow), '200 200 200 200',
	    '... and their next request on the same connection');
}

{
	my @slow = map { slow_client("/small?bytes=$size&as=file") } 1 .. 2;
	my $waiting = $poold->client;
	$waiting->request('GET', '/small');
	ok(!$waiting->readable(0.3), 'beyond response_buffer the workers wait');
	my @got = map { $_->response(timeout => 30) } @slow;
	is(scalar(grep { $_->body eq $want } @got), 2, '... for their readers, who get all');
	is($waiting->response->status, 200, '... and go on then');
}

{
	my $slow = slow_client("/none?bytes=$size");
	my $waiting = $poold->client;
	$waiting->request('GET', '/none');
	ok(!$waiting->readable(0.3), 'without response_buffer a worker waits');
	is($slow->response(timeout => 30)->body, $want, '... and the reader gets all');
	is($waiting->response->status, 200, '... and the worker goes on');
}

{
	my $slow = slow_client("/big?bytes=$size", path => "$poold->{conf}/socket");
	is($slow->response(timeout => 30)->body, $want,
	    'a slow reader on a unix socket gets all');
}

{
	my $slow = slow_client("/strict?bytes=$size");
	my $start = time;
	# without reading a byte: that would be progress
	my $poll = IO::Poll->new;
	$poll->mask($slow->sock => POLLHUP | POLLERR);
	eventually { $poll->poll(0) > 0 } 15,
	    'one that reads nothing at all is ended after client_timeout';
	cmp_ok(time - $start, '>', 0.9, '... and not before');
	is($poold->get('/strict')->status, 200, '... its worker goes on');
}

{
	my @slow = map { slow_client("/big?bytes=$size") } 1 .. 3;
	eventually { $poold->get('/big', client => { timeout => 1 })->status == 200 } 5,
	    'clients that leave in the middle ...';
	$_->reset for @slow;
	eventually { $poold->get('/big')->status == 200 } 5, '... harm nobody';
}

is($poold->stop, 0, 'it stops');
my ($rests) = $poold->log_text =~ /rests=(\d+)/;
cmp_ok($rests, '>=', 12, 'the router has sent the rest of responses');
finish();
