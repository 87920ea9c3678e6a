#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# mode = inherit: workers accept for themselves.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Fcntl qw(O_NONBLOCK);
use Poold::Proc qw(alive state signal_to);

plan skip_all => 'no /usr/bin/python3' unless -x '/usr/bin/python3';

my $start = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen native]
address = 127.0.0.1:@port2@

[listen foreign]
address = 127.0.0.1:@port3@

[service leased]
listen = main
route = /
command = @bin@/echo
workers = 1

[service native]
listen = native
mode = inherit
command = @bin@/echo
workers = 2

[service foreign]
listen = foreign
mode = inherit
command = @bin@/listen.py
workers = 2
INI

my $poold = poold($start);

is($poold->get('/')->json->{service}, 'leased', 'a leased service works beside them');

# The workers of a service share the flags of its listener: one that blocks in
# accept serves none of its connections and hears no SIGTERM.
sub never_blocks {
	my ($service) = @_;
	my ($worker) = $poold->workers($service);
	my ($flags) = Poold::Proc::slurp("/proc/$worker/fdinfo/3")
	    =~ /^flags:\s*([0-7]+)/m;
	return oct($flags) & O_NONBLOCK;
}

# a libpoold worker
{
	my $r = $poold->get('/any/path?x=1', client => { listener => 2 });
	is($r->status, 200, 'a libpoold worker answers on the inherited socket');
	is($r->json->{path}, '/any/path', '... any path');
	is($r->json->{listen_fdnames}, 'native', '... and knows the name of its listener');
	ok(scalar(grep { $_ == $r->pid } keys %{ { $poold->children } }),
	    '... itself, as a child of the supervisor');
	my $client = $poold->client(listener => 2);
	is(join(' ', map { $client->get("/$_")->json->{path} } 1 .. 3), '/1 /2 /3',
	    '... and keeps connections');
	$r = $poold->post('/', 'x' x 100_000, client => { listener => 2 });
	is($r->json->{body_hash}, fnv1a('x' x 100_000), '... and reads bodies');
}

# a server that knows nothing of poold
my @foreign;
{
	my $r = $poold->get('/some', client => { listener => 3 });
	is($r->status, 200, 'a server that knows nothing of poold answers');
	is($r->json->{listen_fds}, 1, 'LISTEN_FDS says how many sockets');
	is($r->json->{listen_pid}, $r->pid, 'LISTEN_PID says whose they are');
	is($r->json->{listen_fdnames}, 'foreign', 'LISTEN_FDNAMES says what they are');
	@foreign = $poold->programs('listen.py');
	is(@foreign, 2, 'it has two processes');
	ok(scalar(grep { $_ == $r->pid } @foreign), '... of which one answered');
}

# one dies
{
	$poold->mark;
	signal_to 'KILL', $foreign[0];
	eventually {
		my @now = grep { $_ != $foreign[0] && alive($_) } $poold->programs('listen.py');
		@now == 2;
	} 3, 'one that was killed is replaced';
	ok($poold->wait_log(qr/\bforeign\b.*\b$foreign[0]\b/), '... and the log says so');
	is($poold->get('/', client => { listener => 3 })->status, 200,
	    'the service goes on');
}

# all are stopped: connections wait in the listen queue
{
	my @all = $poold->programs('listen.py');
	signal_to 'STOP', @all;
	wait_until(sub { !grep { state($_) ne 'T' } @all });
	my $client = $poold->client(listener => 3);
	$client->request('GET', '/');
	signal_to 'KILL', @all;
	is($client->response->status, 200,
	    'a connection that nobody took is served by the next processes');
}

# reload
{
	my @before = $poold->programs('listen.py');
	my @native = $poold->workers('native');
	$poold->write_config($start =~ s/(\[service foreign\])/$1\nenv.X = 1/r);
	my $load = load($poold, target => '/', rate => 100, fresh => 1,
	    port => $poold->port(3));
	$poold->reload;
	eventually { !grep { alive($_) } @before } 5, 'a changed service gets new processes';
	my $result = $load->stop;
	is("@{ $result->{failures} }", '', '... while no connection is lost');
	is(scalar($poold->programs('listen.py')), 2, '... as many as before');
	is(join(' ', $poold->workers('native')), "@native", 'the other keeps its own');
}

# a new service with a new listener
{
	$poold->write_config("$start\n[listen late]\naddress = 127.0.0.1:\@port4\@\n"
	    . "[service late]\nlisten = late\nmode = inherit\nworkers = 1\n"
	    . "command = \@bin\@/echo\n");
	$poold->reload;
	is($poold->get('/', client => { listener => 4 })->json->{listen_fdnames},
	    'late', 'a service with a listener of its own is added');
	ok(never_blocks($_), "... and $_ never blocks in accept") for qw(native late);
}

# two services on one listener cannot both accept
{
	$poold->mark;
	$poold->write_config($start =~ s/listen = foreign/listen = native/r);
	$poold->reload;
	ok($poold->wait_log(qr/poold\.ini:\d+/), 'an inherited listener has one service only');
	is($poold->get('/', client => { listener => 2 })->status, 200,
	    '... and the old configuration goes on');
}

finish();
