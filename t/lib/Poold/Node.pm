# SPDX-License-Identifier: ISC
package Poold::Node;

# What the tests of poold-node share.  POOLD_TEST_NODE in the environment is the
# Node.js to test with, instead of the first one in PATH.

use strict;
use warnings;
use Cwd qw(realpath);
use Exporter qw(import);
use Test::More ();
use Poold::Proc qw(alive stat_of);
use Poold::Runner;
use Poold::Test;

our @EXPORT_OK = qw(node_program node_programs node_skip_all with_node copy_node nodes);

sub node_program { return $ENV{POOLD_TEST_NODE} // 'node' }

# path => version: all that are installed, each once.
sub node_programs {
	my (%programs, %seen);
	for my $name (node_program(), '/usr/bin/nodejs', map { "$_/node" } split /:/, $ENV{PATH}) {
		my $path = $name =~ m{/} ? realpath($name) : undef;
		next if !defined $path || !-x $path || $seen{$path}++;
		my $version = `'$path' --version 2>/dev/null`;
		next if $? != 0;
		chomp $version;
		$programs{$path} = $version;
	}
	return %programs;
}

# Ends the test when there is nothing to test.
sub node_skip_all {
	Test::More::plan(skip_all => 'poold-node was not built') unless -x Poold::Runner::path_of('poold-node');
	my $program = node_program();
	Test::More::plan(skip_all => 'Node.js is not installed (Debian: nodejs)')
	    if system("'$program' --version >/dev/null 2>&1") != 0 && !$ENV{CI};
	return;
}

# A configuration whose services that say nothing else run by this Node.js.
sub with_node {
	my ($ini, $program) = @_;
	$program //= $ENV{POOLD_TEST_NODE} // return $ini;
	$ini =~ s/^(language = node)$(?!(?:\n(?!\[).*)*\ninterpreter)/$1\ninterpreter = $program/gm;
	return $ini;
}

# Puts poold-node and t/workers/node.js where the daemon of a test looks for programs,
# and makes the folder where the latter writes its notes.
sub copy_node {
	my ($poold) = @_;
	mkdir "$poold->{dir}/notes" or die "notes: $!";
	chmod 0777, "$poold->{dir}/notes";
	$poold->{keep} = qr{^(?:notes/|access)};
	Poold::Test::copy_program(Poold::Test::srcdir() . '/t/workers/node.js', "$poold->{bin}/node.js");
	for my $file ('poold-node', Poold::Runner::files('poold-node*.js')) {
		Poold::Test::copy_program(Poold::Test::real_program(Poold::Runner::path_of($file)), "$poold->{bin}/$file");
	}
	return;
}

# The workers of a service: those that inherit a socket have no title of their own.
sub runners {
	my ($poold, $service) = @_;
	my @pids = $poold->workers($service);
	return @pids if @pids;
	my %children = $poold->children;
	return grep { (Poold::Proc::slurp("/proc/$_/environ") // '') =~ /(?:^|\0)POOLD_SERVICE=$service\0/ }
	    sort { $a <=> $b } keys %children;
}

# The Node processes of a service.
sub nodes {
	my ($poold, $service) = @_;
	my %worker = map { $_ => 1 } runners($poold, $service);
	return grep { $worker{ (stat_of($_) // { ppid => 0 })->{ppid} } && alive($_) } Poold::Proc::pids();
}

1;
