#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What bench/chaos has poold-cgi serve: the line "id pid" again and again, up to
# size bytes, once at least.
my %query = map { split /=/, $_, 2 } split /&/, $ENV{QUERY_STRING};
select undef, undef, undef, $query{sleep_us} / 1e6 if $query{sleep_us};
my $line = "$query{id} $$\n";
my $size = $query{size} > length $line ? $query{size} : length $line;
my $out = "Content-Type: text/plain\nContent-Length: $size\n\n"
    . substr $line x ($size / length($line) + 1), 0, $size;
while ($out ne '') {
	my $n = syswrite(STDOUT, $out) // last;
	substr $out, 0, $n, '';
}
