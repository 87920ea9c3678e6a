# SPDX-License-Identifier: ISC
package Bench::Node;

# What bench/run --node compares: one application under poold-node, and under Node's
# own cluster module.

use strict;
use warnings;
use Bench::Servers;

our @NAMES = qw(poold-node poold-node-own cluster);
my $APP = <<'JS';
const http = require('http');
const body = 'x'.repeat(64);
http.createServer((req, res) => {
	res.setHeader('Content-Type', 'text/plain');
	res.setHeader('Content-Length', 64);
	res.end(body);
}).listen(Number(process.env.PORT), '127.0.0.1');
JS
my $CLUSTER = <<'JS';
const cluster = require('cluster');
if (cluster.isPrimary)
	for (let i = 0; i < Number(process.env.WORKERS); i++)
		cluster.fork();
else
	require('./bench.js');
JS

# Takes --node out of the arguments, and makes its servers those that are compared.
sub take {
	my ($arguments) = @_;
	return unless Bench::Servers::take($arguments, '--node', @NAMES);
	Bench::Servers::add('poold-node', start => \&start_poold, program => 'node',
		package => 'nodejs', text => 'poold, requests leased to poold-node, each with a Node.js');
	Bench::Servers::add('poold-node-own', start => \&start_poold, program => 'node',
		package => 'nodejs', text => 'poold-node on a port of its own (mode = inherit)');
	Bench::Servers::add('cluster', start => \&start_cluster, program => 'node',
		package => 'nodejs', text => 'Node.js by itself, with its cluster module');
	return;
}

sub start_poold {
	my ($name) = @_;
	my $app = Bench::Servers::write_file('bench.js', $APP);
	my $own = $name eq 'poold-node-own' ? "mode = inherit\nlisten = main\n" : '';
	Bench::Servers::start_language($name, "${own}language = node\napp = $app",
	    'poold-node', Bench::Servers::runner_files('poold-node*.js'));
	return;
}

sub start_cluster {
	my ($name, %o) = @_;
	Bench::Servers::write_file('bench.js', $APP);
	my $script = Bench::Servers::write_file('cluster.js', $CLUSTER);
	local @ENV{qw(PORT WORKERS)} = ($o{port}, $o{workers});
	Bench::Servers::spawn($name, undef, Bench::Servers::program('node'), $script);
	return;
}

1;
