#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A form with a file, as programs that use CGI.pm have it.
use strict;
use warnings;
use CGI;

# FNV-1a, 64 bits
sub fnv1a {
	my ($bytes) = @_;
	use integer;
	my $hash = -3750763034362895579;
	$hash = ($hash ^ $_) * 1099511628211 for unpack 'C*', $bytes;
	return sprintf '%016x', $hash;
}

my $cgi = CGI->new;
my $file = $cgi->upload('file');
binmode $file;
my $bytes = do { local $/; <$file> };
print $cgi->header('text/plain'), join(' ', scalar $cgi->param('said'),
    scalar $cgi->param('file'), fnv1a($bytes));
