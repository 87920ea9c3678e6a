# SPDX-License-Identifier: ISC
# What the tests of the languages' runners share: a poold that has a copy of the
# runner, and a folder where applications leave word of what a client cannot see.
package Poold::Runner;
use strict;
use warnings;
use Exporter qw(import);
use Poold::Test;

our @EXPORT = qw(need_runner runner_poold note_of download leave_in_the_middle);

sub path_of { return ($ENV{POOLD_LIBEXEC} // Poold::Test::builddir() . '/libexec') . "/$_[0]" }

# The names of a runner's files that are like this.
sub files { return map { s{.*/}{}r } glob path_of($_[0]) }

# Skips the test where the runner was not built, for want of what is in Debian's package.
sub need_runner {
	my ($name, $package) = @_;
	plan(skip_all => "$name was not built (Debian: $package)") unless -x path_of($name);
}

# A poold that has not been started, with a copy of the runner beside its workers.
# Applications write to @dir@/notes.
sub runner_poold {
	my ($name, $ini) = @_;
	my $poold = new_poold($ini);
	Poold::Test::copy_program(Poold::Test::real_program(path_of($name)), "$poold->{bin}/$name");
	mkdir "$poold->{dir}/notes";
	chmod 0777, "$poold->{dir}/notes";
	$poold->{keep} = qr{^notes/|__pycache__};
	return $poold;
}

# Whether a line of a note comes to match.
sub note_of {
	my ($poold, $name, $pattern) = @_;
	return wait_until(sub {
		open(my $in, '<', "$poold->{dir}/notes/$name") or return 0;
		return grep { /$pattern/ } <$in>;
	}, 10);
}

# The bytes that curl gets from a path.
sub download {
	my ($poold, $path) = @_;
	my $url = 'http://127.0.0.1:' . $poold->port . $path;
	return `curl -s -o /dev/null -w '%{size_download}' '$url'`;
}

# A client that takes the beginning of a response and is gone.
sub leave_in_the_middle {
	my ($poold, $path) = @_;
	my $client = $poold->client;
	$client->request('GET', $path);
	sysread $client->sock, my $some, 65536 if $client->readable(10);
	$client->close;
}
1;
