#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The worker that poold-lease(7) shows, as it stands on the page.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to);

my $python = '/usr/bin/python3';
plan skip_all => "no $python" unless -x $python;

sub worker_of_page {
	my $path = Poold::Test::srcdir() . '/man/poold-lease.7';
	open(my $fh, '<', $path) or die "$path: $!";
	my $page = do { local $/; <$fh> };
	my ($text) = $page =~ /^\.\\" worker: begin.*?\n(.*?)^\.\\" worker: end/ms;
	$text //= '';
	$text =~ s/\\e/\\/g;
	return $text;
}

my $text = worker_of_page();
my @lines = grep { /\S/ } split /\n/, $text;
ok(@lines > 20 && @lines <= 40, 'the page shows a worker of at most 40 lines');
unlike($text, qr/^\./m, 'no line of it is taken for a macro');

my $worker = temp_dir() . '/worker.py';
open(my $fh, '>', $worker) or die "$worker: $!";
print $fh $text;
close $fh;
chmod 0644, $worker;

my $poold = poold(<<INI);
[listen main]
address = 127.0.0.1:\@port\@

[service page]
route = /
command = $python $worker
workers = 2
INI

sub answers {
	my ($name, $read, @request) = @_;
	my $response = $poold->exchange(@request);
	is($response->status, 200, "$name is answered");
	is($response->json->{read}, $read, '... and its body read');
}

answers('a GET', 0, 'GET', '/a?b=c');
answers('a POST', 5, 'POST', '/', body => 'hello');
answers('a POST of 300,000 bytes', 300_000, 'POST', '/', body => 'x' x 300_000);

{
	my $client = $poold->client;
	my $head = $client->exchange('HEAD', '/');
	ok($head->status == 200 && $head->body eq '', 'HEAD has no body');
	is($client->get('/')->status, 200, '... and keeps its connection');
	$client->send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	    . "3\r\nabc\r\n0\r\n\r\n");
	is($client->response->header('connection'), 'close',
	    'what it does not read ends the connection');
}

{
	my %seen = map { $poold->get('/')->pid => 1 } 1 .. 8;
	is(scalar keys %seen, 2, 'both workers have their turn');
}

{
	my $load = load($poold, target => '/', rate => 300);
	my %killed;
	for (1 .. 6) { # each death after a short life doubles the pause
		my ($victim) = $poold->programs('worker.py');
		$killed{$victim} = 1;
		signal_to 'KILL', $victim;
		wait_until(sub {
			2 == grep { !$killed{$_} && alive($_) } $poold->programs('worker.py');
		}, 10);
	}
	my $result = $load->stop;
	ok($result->{answered} > 0, 'requests are answered while workers are killed');
	is_deeply($result->{failures}, [], '... all of them');
}

{
	my %before = map { $_ => 1 } $poold->programs('worker.py');
	my $load = load($poold, target => '/', rate => 300);
	utime time, time - 60, $worker;
	$poold->reload;
	eventually(sub { !grep { alive($_) } keys %before }, 10,
	    'its workers leave when they are told to stop');
	is_deeply($load->stop->{failures}, [], '... and lose no request');
}

finish();
