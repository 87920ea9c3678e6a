#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What workers print: how it looks in the log, and that nothing of it is lost.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Control;
use Poold::Test;
use Poold::Proc ();
use JSON::PP ();

my $services = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service p]
route = /p
command = @bin@/printer
workers = 1

[service q]
route = /q
command = @bin@/printer
workers = 2
concurrency = 2
output = @dir@/q.log

[service silent]
route = /silent
command = @bin@/printer
workers = 1
output = off
INI

sub config {
	my ($keys) = @_;
	return "[poold]\n$keys" . (is_root ? "user = nobody\n" : '') . "\n$services";
}

sub escaped { return join '', map { sprintf '%%%02x', ord } split //, $_[0] }

# Has a worker write bytes, and returns its pid and the request's id.
sub prints {
	my ($poold, $text, %o) = @_;
	my $query = join '&', 'text=' . escaped($text), map { "$_=$o{$_}" } keys %o;
	my $r = $poold->get(($o{route} // '/p') . "?$query");
	return @{ $r->json }{qw(pid id)};
}

my $time = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
my $poold = poold(config(''));

# text
my ($pid, $id) = prints($poold, "one line\n");
like($poold->wait_log('one line'), qr/^$time info p\[$pid\]: (?:\[$id\] )?one line$/,
    'a line of a worker is tagged with time, level, service and pid');
prints($poold, "another\n", fd => 2);
like($poold->wait_log('another'), qr/ info p\[$pid\]: /, '... on standard error, too');
(undef, $id) = prints($poold, "long work\n", before => 50, after => 200);
like($poold->wait_log('long work'), qr/ p\[$pid\]: \[$id\] long work$/,
    '... and with the id of the request that the worker is at');
prints($poold, "first half, ");
prints($poold, "second half\n");
like($poold->wait_log('second half'), qr/: (?:\[\w+\] )?first half, second half$/,
    'a line may come in pieces');
$id = $poold->get('/p?log=from+the+library')->json->{id};
like($poold->wait_log('from the library'), qr/ p\[$pid\]: \[$id\] from the library$/,
    'what poold_log puts in front is not repeated');
prints($poold, "<3>this is bad\n<4>beware\n<7>a detail\n<6>so it is\n");
like($poold->wait_log('so it is'), qr/ info p\[/, 'a line may say its level: info');
like($poold->wait_log('this is bad'), qr/ error p\[.*: (?:\[\w+\] )?this is bad$/, '... error');
like($poold->wait_log('beware'), qr/ warn p\[/, '... warn');
unlike($poold->log_text, qr/a detail/, '... and debug is left out');
prints($poold, "bell\a esc\e[31m c1\xc2\x9b bad\xff\xc3 good\xc3\xa9 tab\t cr\r\n");
like($poold->wait_log('bell'),
    qr/bell\\x07 esc\\x1b\[31m c1\\xc2\\x9b bad\\xff\\xc3 good\xc3\xa9 tab\t cr$/,
    'nothing that a worker prints acts on a terminal');
prints($poold, "\n\nafter empty lines\n");
$poold->wait_log('after empty lines');
is(() = $poold->log_text =~ /\]: (?:\[\w+\] )?\n/g, 0, 'empty lines are left out');
prints($poold, 'x' x 1000, n => 20);
prints($poold, "the end\n");
my $log = $poold->wait_log('the end') && $poold->log_text;
my @pieces = $log =~ /^$time info p\[\d+\]: (?:\[\w{32}\] )?(.*x{100}.*)$/mg;
is(scalar(@pieces), 3, 'a line of 20,000 bytes is split');
my $xs = () = join('', @pieces) =~ /x/g;
is($xs, 20_000, '... and nothing of it is lost');
like($pieces[0], qr/x\[\.\.\.\]$/, '... with a mark where it is cut');
like($pieces[-1], qr/^\[\.\.\.\]x+the end$/, '... and where it goes on');

# output
prints($poold, "in a file\n", route => '/q');
ok(wait_until(sub { (Poold::Proc::slurp($poold->{dir} . '/q.log') // '') =~ / q\[\d+\]: .*in a file$/m }, 5),
    'output: the lines of a service are in a file of its own');
unlike($poold->log_text, qr/in a file/, '... and not in the log');
prints($poold, "to nobody\n", route => '/silent');
prints($poold, "to somebody\n");
$poold->wait_log('to somebody');
unlike($poold->log_text, qr/to nobody/, 'output = off: they are nowhere');

# the end
prints($poold, 'no end');
$poold->signal('TERM');
is($poold->wait_exit(15), 0, 'poold stops');
like($poold->log_text, qr/\]: (?:\[\w+\] )?no end$/m,
    'a last line without an end is a line when its worker is gone');
like($poold->log_text, qr/poold is stopped$/m, 'all is written when poold has ended');

# json
$poold = poold(config("log_format = json\n") =~ s/q\.log/q2.log/r);
my $json = JSON::PP->new->utf8;
($pid, $id) = prints($poold, "quote\" back\\ bell\a bad\xff good\xc3\xa9\n", before => 50, after => 200);
my $line = $poold->wait_log('quote');
my $object = eval { $json->decode($line) };
is_deeply($object, { time => $object->{time}, level => 'info', service => 'p',
	role => 'worker', pid => $pid + 0, request_id => $id,
	line => "quote\" back\\ bell\a bad\x{fffd} good\x{e9}" },
    'log_format = json: an object with all keys, text in UTF-8');
like($object->{time}, qr/^$time$/, '... and the time');
$object = eval { $json->decode($poold->wait_log('generation 1 is ready')) };
is_deeply([ @{$object}{qw(level service role pid request_id)} ],
    [ 'info', undef, 'supervisor', $poold->pid, undef ], "poold's own messages have them too");
prints($poold, join('', map { chr } 1 .. 255) . "\n", n => 50);
ok($poold->wait_log('"role":"worker"'), 'workers may print any bytes');
$poold->stop('TERM', 15);
my @bad = grep { !eval { $json->decode($_) } }
    grep { /"role"/ } split /\n/, $poold->log_text;
is("@bad", '', '... and each line is JSON');

# levels
my $control = "control = \@run\@/control\n";
$poold = poold(config("log_level = info\n$control") =~ s/q\.log/q3.log/r);
$poold->write_config(config("log_level = error\n$control") =~ s/q\.log/q3.log/r);
ok(Poold::Control->new("$poold->{run}/control")->ask('reload')->{ok}, 'log_level is changed by a reload');
$poold->mark;
prints($poold, "<6>info of a worker\n<3>error of a worker\nno level of a worker\n");
ok($poold->wait_log('no level of a worker'), 'log_level: lines that say no level are there');
ok($poold->wait_log('error of a worker'), '... and those that matter');
my $worker = ($poold->workers('p'))[0];
kill 'KILL', $worker;
wait_until(sub { my ($w) = $poold->workers('p'); $w && $w != $worker }, 10);
$poold->stop('TERM', 15);
my $text = substr $poold->log_text, $poold->{log_mark};
unlike($text, qr/info of a worker/, '... but not those that do not');
unlike($text, qr/ (?:info|warn) supervisor\[\d+\]: .*worker \d/, "... nor poold's own");

finish();
