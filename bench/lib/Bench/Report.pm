# SPDX-License-Identifier: ISC
package Bench::Report;

# What was measured, as tables and a plot.  A row is what Bench::Measure::cell
# returns, and its round.

use strict;
use warnings;
use Bench::Servers;

# In the order of the columns of the .tsv file.
my @COLUMNS = qw(round body connections server requests failed rate p50_us p99_us
	cpu_us memory_kib client_percent others_percent);
my %BODY = ('64' => '64 B', '16k' => '16 KiB', '1m' => '1 MiB',
	post => 'POST 64 KiB');

# What is aimed at: this server over that one, at a body and a number of
# connections, is at least or at most a bound.
my @GOALS = (
	[qw(poold nginx-proxy rate 64 32 >= 1.6)],
	[qw(poold nginx-proxy cpu_us 64 32 <= 0.6)],
	[qw(poold nginx-proxy p50_us 64 1 <= 1)],
	[qw(poold nginx-proxy rate 1m 32 >= 3)],
	[qw(inherit nginx rate 64 32 >= 1)],
	[qw(inherit epoll cpu_us 64 32 <= 1.15)],
	[qw(poold-log poold rate 64 32 >= 0.9)],
	[qw(poold-log poold-other rate 64 32 >= 0.9)],
	[qw(poold-python nginx-uwsgi rate 64 32 >= 3)],
	[qw(poold-python nginx-uwsgi cpu_us 64 32 <= 0.35)],
	[qw(poold-python gunicorn rate 64 32 >= 4)],
	[qw(poold-python-own nginx-uwsgi rate 64 32 >= 3)],
	[qw(poold-python-own nginx-uwsgi cpu_us 64 32 <= 0.35)],
	[qw(poold-php nginx-fpm rate 64 32 >= 1.3)],
	[qw(poold-php-own nginx-fpm rate 64 32 >= 1.3)],
	[qw(poold-node cluster rate 64 32 >= 1)],
	[qw(poold-node-own cluster rate 64 32 >= 1)],
);
my %KEY = (rate => 'requests/s', cpu_us => 'CPU/request', p50_us => 'p50');

sub median {
	my @sorted = sort { $a <=> $b } @_ or return;
	my $half = int(@sorted / 2);
	return @sorted % 2 ? $sorted[$half] : ($sorted[$half - 1] + $sorted[$half]) / 2;
}

sub select_rows {
	my ($rows, %want) = @_;
	return grep {
		my $row = $_;
		!grep { $row->{$_} ne $want{$_} } keys %want
	} @$rows;
}

# The median of a server's figure over another's in the same round.
sub ratio {
	my ($rows, $key, $server, $other, %cell) = @_;
	my @ratios;
	for my $row (select_rows($rows, %cell, server => $server)) {
		my ($base) = select_rows($rows, %cell, server => $other,
		    round => $row->{round});
		push @ratios, $row->{$key} / $base->{$key} if $base && $base->{$key};
	}
	return median(@ratios);
}

# Three digits at least, no more than are of use.
sub number {
	my ($n) = @_;
	return '-' unless defined $n;
	return sprintf($n < 9.995 ? '%.2f' : $n < 99.95 ? '%.1f' : '%.0f', $n);
}

sub duration {
	my ($us) = @_;
	return $us < 1000 ? sprintf('%.0f us', $us) : number($us / 1000) . ' ms';
}

sub markdown {
	my ($head, @lines) = @_;
	my @width = map { length } @$head;
	for my $line (@lines) {
		for my $i (0 .. $#$line) {
			$width[$i] = length $line->[$i] if length $line->[$i] > $width[$i];
		}
	}
	my $format = join(' | ', map {
		$head->[$_] =~ /^(?:body|server|figure|reached)$/ ? "%-$width[$_]s"
		    : "%$width[$_]s" } 0 .. $#$head);
	my $rule = join '|', map { '-' x ($_ + 2) } @width;
	return join '', map { "$_\n" } "| " . sprintf($format, @$head) . " |", "|$rule|",
	    map { "| " . sprintf($format, @$_) . " |" } @lines;
}

sub cells {
	my ($rows) = @_;
	my (%seen, @cells);
	for my $row (@$rows) {
		push @cells, [@$row{qw(body connections)}]
		    unless $seen{ $row->{body} }{ $row->{connections} }++;
	}
	return @cells;
}

sub table {
	my ($rows, @servers) = @_;
	my ($base) = (grep({ $_ eq 'poold' } @servers), @servers);
	my @lines;
	for (cells($rows)) {
		my %cell = (body => $_->[0], connections => $_->[1]);
		for my $server (@servers) {
			my @of = select_rows($rows, %cell, server => $server) or next;
			my %m = map { my $key = $_; $key => median(map { $_->{$key} } @of) }
			    @COLUMNS[4 .. $#COLUMNS];
			my $failed = grep { $_->{failed} } @of;
			push @lines, [$BODY{ $cell{body} }, $cell{connections},
				$server . ($failed ? ' (failures)' : ''),
				sprintf('%.0f', $m{rate}),
				number(ratio($rows, 'rate', $server, $base, %cell)),
				duration($m{p50_us}), duration($m{p99_us}),
				number($m{cpu_us}),
				number(ratio($rows, 'cpu_us', $server, $base, %cell)),
				sprintf('%.1f', $m{memory_kib} / 1024),
				sprintf('%.0f%%', $m{client_percent}),
				sprintf('%.0f%%', $m{others_percent})];
		}
	}
	return markdown([qw(body conns server), 'req/s', "/$base", 'p50', 'p99',
		'CPU us/req', "/$base", 'MiB', 'wrk', 'others'], @lines);
}

sub goals {
	my ($rows) = @_;
	my @lines;
	for my $goal (@GOALS) {
		my ($server, $other, $key, $body, $connections, $sign, $bound) = @$goal;
		my $ratio = ratio($rows, $key, $server, $other, body => $body,
		    connections => $connections) // next;
		my $reached = $sign eq '>=' ? $ratio >= $bound : $ratio <= $bound;
		push @lines, ["$KEY{$key}: $server / $other, $BODY{$body}, $connections",
			number($ratio), "$sign $bound", $reached ? 'yes' : 'NO'];
	}
	return @lines ? markdown([qw(figure ratio bound reached)], @lines) : '';
}

sub tsv {
	my ($rows) = @_;
	my $text = join("\t", @COLUMNS) . "\n";
	for my $row (@$rows) {
		$text .= join("\t", map {
			my $v = $row->{$_};
			$v =~ /^\d+\.\d/ ? sprintf('%.2f', $v) : $v } @COLUMNS) . "\n";
	}
	return $text;
}

# For gnuplot: a block for each body, a line for each number of connections, a
# column for each server.
sub plot_data {
	my ($rows, $key, $bodies, @servers) = @_;
	my $text = '';
	for my $body (@$bodies) {
		$text .= join("\t", 'connections', @servers) . "\n";
		for (grep { $_->[0] eq $body } cells($rows)) {
			my %cell = (body => $body, connections => $_->[1]);
			$text .= join("\t", $_->[1], map {
				median(map { $_->{$key} }
				    select_rows($rows, %cell, server => $_)) // '-'
			} @servers) . "\n";
		}
		$text .= "\n\n";
	}
	return $text;
}

# Draws requests per second and CPU time, a pair of panels for each body.
# False when there is no gnuplot.
sub plot {
	my ($rows, $file, $dir, @servers) = @_;
	my $gnuplot = Bench::Servers::program('gnuplot') or return 0;
	my (%seen, @bodies);
	$seen{ $_->[0] }++ or push @bodies, $_->[0] for cells($rows);
	my $columns = @bodies;
	my $script = sprintf <<'HEAD', 360 * $columns, $file, $columns;
set terminal svg size %d,720 font "sans,11" background "white"
set output "%s"
set multiplot layout 2,%d
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set grid ytics
set yrange [0:*]
set key outside bottom center horizontal
set xlabel "connections"
HEAD
	for (['rate', 'requests per second'], ['cpu_us', 'CPU microseconds per request']) {
		my ($key, $title) = @$_;
		Bench::Servers::write_file("$key.dat",
		    plot_data($rows, $key, \@bodies, @servers));
		for my $i (0 .. $#bodies) {
			$script .= qq(set title "$BODY{$bodies[$i]}: $title"\n)
			    . qq(plot for [i=2:) . (@servers + 1) . qq(] "$dir/$key.dat" )
			    . qq(index $i using i:xtic(1) title columnheader(i)\n);
		}
	}
	system($gnuplot, Bench::Servers::write_file('plot.gp', $script)) == 0
	    or warn "gnuplot failed\n";
	return 1;
}

1;
