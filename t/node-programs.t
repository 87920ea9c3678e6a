#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Each Node.js that is installed beside the one of node.t, which is the first one in
# PATH or POOLD_TEST_NODE: Debian's as /usr/bin/nodejs, say.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Node qw(node_program node_programs node_skip_all with_node copy_node);
use Poold::Proc qw(signal_to);

node_skip_all();
my %programs = node_programs();
chomp(my $tested = `'@{[node_program()]}' --version`);
my @others = sort grep { $programs{$_} ne $tested } keys %programs;
plan(skip_all => "no other Node.js than $tested is installed") if !@others;

for my $program (@others) {
	my $version = $programs{$program};
	my $poold = new_poold(with_node(<<'INI', $program));
[poold]
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@

[listen own]
address = 127.0.0.1:@port2@

[service leased]
listen = main
route = /
language = node
app = @bin@/node.js
workers = 2
env.NOTES = @dir@/notes

[service own]
listen = own
mode = inherit
language = node
app = @bin@/node.js
workers = 1
env.NOTES = @dir@/notes
INI
	copy_node($poold);
	$poold->start;
	for my $listener (1, 2) {
		my $client = $poold->client(listener => $listener);
		my $how = $listener == 1 ? 'leased' : 'on its own';
		is($client->get('/show')->json->{node}, $version, "Node.js $version, $how: a request");
		is($client->post('/read', 'abc')->body, '3 97', '... a body');
		like($client->post('/read', 'x' x 300_000)->body, qr/^300000 /, '... a large one');
		is($client->get('/stream')->body, "first\nsecond\n", '... a stream');
		is($client->get('/status?is=404')->status, 404, '... all on one connection');
	}
	my $client = $poold->client;
	is(length $client->get('/last?once=once&bytes=200000')->body, 200_000,
	    '... a response whose process dies after its last byte');
	is($client->get('/show')->status, 200, '... of which the client keeps its connection');
	is($poold->stop, 0, '... and all of it stops');
}
finish();
