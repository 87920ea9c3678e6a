# SPDX-License-Identifier: ISC
package Bench::Node;

# What bench/run --node compares: one application under poold-node, and under Node's
# own cluster module.

use strict;
use warnings;
use File::Copy qw(copy);
use FindBin;
use Bench::Servers;

our @NAMES = qw(poold-node cluster);
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
	return unless grep { $_ eq '--node' } @$arguments;
	@$arguments = grep { $_ ne '--node' } @$arguments;
	unshift @$arguments, '-b', 64, '-c', '1,32';
	@Bench::Servers::NAMES = @NAMES;
	Bench::Servers::add('poold-node', start => \&start_poold, program => 'node',
		package => 'nodejs', text => 'poold, requests leased to poold-node, each with a Node.js');
	Bench::Servers::add('cluster', start => \&start_cluster, program => 'node',
		package => 'nodejs', text => 'Node.js by itself, with its cluster module');
	return;
}

sub start_poold {
	my ($name, %o) = @_;
	my $build = $ENV{top_builddir} // "$FindBin::Bin/../build";
	my $app = Bench::Servers::write_file('bench.js', $APP);
	for my $file ('poold-node', 'poold-node.js') {
		copy("$build/libexec/$file", "$o{dir}/$file") && chmod(0755, "$o{dir}/$file")
		    or die "$build/libexec/$file: $!\n";
	}
	my $user = $> == 0 ? 'user = nobody' : '';
	my $ini = Bench::Servers::write_file("$name.ini", <<"INI");
[poold]
access_log = off
libexec = $o{dir}
$user

[listen main]
address = 127.0.0.1:$o{port}
keepalive_requests = 1000000000

[service bench]
route = /
language = node
app = $app
workers = $o{workers}
INI
	Bench::Servers::spawn($name, undef, $o{poold}, '-c', $ini);
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
