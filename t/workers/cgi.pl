#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The CGI program of t/cgi.t: PATH_INFO says what it does, well or badly.
use strict;
use warnings;
use Cwd ();
use POSIX ();

$| = 1;
binmode STDIN;
binmode STDOUT;

sub json {
	my ($text) = @_;
	$text =~ s{(["\\])}{\\$1}g;
	$text =~ s{([^ -~])}{sprintf '\\u%04x', ord $1}ge;
	return "\"$text\"";
}

sub answer {
	my (%members) = @_;
	$members{pid} = $$;
	print "Content-Type: application/json\n\n{",
	    join(',', map { json($_) . ':' . json($members{$_} // '') } sort keys %members), '}';
}

sub body {
	local $/;
	return scalar(<STDIN>) // '';
}

my $query = $ENV{QUERY_STRING} // '';
my %does = (
	env => sub { answer(%ENV, cwd => Cwd::getcwd(), argc => scalar @ARGV) },
	echo => sub {
		my $body = body();
		answer(length => length $body, declared => $ENV{CONTENT_LENGTH},
		    body => substr $body, 0, 100);
	},
	checksum => sub {
		my ($sum, $length) = (0, 0);
		while (my $n = read STDIN, my $part, 65536) {
			$sum = ($sum + unpack '%32C*', $part) & 0xffffffff;
			$length += $n;
		}
		answer(sum => $sum, length => $length);
	},
	big => sub {
		print "Content-Type: application/octet-stream\n\n";
		print 'x' x 65536 for 1 .. $query * 16;
	},
	status => sub { print "Status: 418 Teapot\nContent-Type: text/plain\n\nshort" },
	crlf => sub { print "Content-Type: text/plain\r\nX-A: 1\r\nX-A: 2\r\n\r\ncrlf" },
	sized => sub { print "Content-Type: text/plain\nContent-Length: $query\n\n12345" },
	private => sub {
		print "Content-Type: text/plain\nConnection: close\n"
		    . "Transfer-Encoding: chunked\nDate: never\n\nprivate";
	},
	redirect => sub { print "Location: $query\n\n" },
	away => sub { print "Location: http://example.org/there\n\n" },
	moved => sub { print "Status: 301 Moved\nLocation: /elsewhere\n\n" },
	loop => sub { print "Location: $ENV{SCRIPT_NAME}/loop\n\n" },
	stderr => sub {
		print STDERR "first line\nsecond\tline\nno end";
		answer();
	},
	fail => sub { answer(); exit 3 },
	crash => sub {
		print "Content-Type: text/plain\n\n", 'x' x 100_000, "\n";
		kill 'KILL', $$;
	},
	nothing => sub { },
	garbage => sub { print "this is no head\n\nat all" },
	'no-type' => sub { print "X-A: 1\n\nbody" },
	'endless-head' => sub { print "X-A: $_\n" for 1 .. 1e9 },
	'no-newline' => sub { print 'x' x 4096 for 1 .. 1e9 },
	inject => sub { print "Content-Type: text/plain\nX-A: 1\rSet-Cookie: a=b\n\nx" },
	nul => sub { print "Content-Type: text/plain\nX-A: 1\0\n\nx" },
	twice => sub { print "Status: 200\nStatus: 404\n\nx" },
	'bad-status' => sub { print "Status: 99\n\nx" },
	'early-close' => sub {
		answer();
		close STDOUT;
		note('late');
		sleep 600;
	},
	'late-writer' => sub {
		answer();
		my $child = fork // die;
		if ($child == 0) {
			$SIG{PIPE} = 'IGNORE';
			note('child');
			syswrite STDOUT, 'late' while select undef, undef, undef, 0.01;
		}
		exit 0;
	},
	'ignore-term' => sub {
		$SIG{TERM} = 'IGNORE';
		note('stubborn');
		print "Content-Type: text/plain\n\n";
		for (;;) { print "tick\n"; select undef, undef, undef, 0.01 }
	},
	daemon => sub {
		answer();
		my $child = fork // die;
		if ($child == 0) {
			POSIX::setsid();
			note('daemon');
			sleep 600;
			exit;
		}
		# whoever looks for it finds it
		select undef, undef, undef, 0.01 until -s "$query/daemon";
	},
	sleep => sub {
		note('sleep');
		system 'sleep', 600;
	},
	slow => sub {
		print "Content-Type: text/plain\n\nfirst\n";
		select undef, undef, undef, 0.01 until -e "$query/go";
		print "second\n";
	},
);

# Leaves our pid where the test finds it.
sub note {
	my ($name) = @_;
	open(my $out, '>', "$query/$name.new") or die "$query/$name: $!";
	print $out $$;
	close $out;
	rename "$query/$name.new", "$query/$name";
}

my ($what) = ($ENV{PATH_INFO} // '') =~ m{^/([^/]+)};
if ($0 =~ m{/nph-[^/]*$}) {
	print "HTTP/1.1 203 As I Say\r\nX-Raw: yes\r\nContent-Length: 4\r\n\r\nraw!";
} elsif (defined $what && $does{$what}) {
	$does{$what}->();
} else {
	answer(SCRIPT_NAME => $ENV{SCRIPT_NAME}, PATH_INFO => $ENV{PATH_INFO});
}
