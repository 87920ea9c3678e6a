#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# SIGHUP with a good configuration.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive);

my $start = <<'INI';
[poold]
access_log = off
include = conf.d/*.ini

[listen main]
address = 127.0.0.1:@port@

[service a]
route = /a
command = @bin@/echo
workers = 2

[service b]
route = /b
command = @bin@/echo
workers = 2
env.GREETING = first
INI

my $poold = poold($start);
my @a = $poold->workers('a');
my @b = $poold->workers('b');
my $router = $poold->router;
my $idle = $poold->client;
is($idle->get('/a')->status, 200, 'a connection is made and idles');

# a new service
{
	is($poold->get('/hello')->status, 404, 'there is no hello');
	$poold->write_file('conf.d/hello.ini', <<'INI');
[service hello]
route = /hello
command = @bin@/hello
workers = 1
INI
	like($poold->reload, $Poold::Daemon::RELOADED, 'a service file is added');
	is($poold->get('/hello')->body, '{"hello":"world"}',
	    'the new service answers');
	is(join(' ', $poold->workers('a')), "@a", 'the other services keep their workers');
	is($poold->router, $router, 'the router is the same');
}

# a changed service
{
	is($poold->get('/b')->json->{greeting}, 'first', 'b has its environment');
	$poold->write_config($start =~ s/= first/= second/r);
	$poold->reload;
	is($poold->get('/b')->json->{greeting}, 'second',
	    'a changed service runs with what was changed');
	is($poold->get('/b')->json->{generation} > 0, 1, '... as a later generation');
	eventually { !grep { alive($_) } @b } 5, 'its old workers are gone';
	is(scalar($poold->workers('b')), 2, 'its new ones are there');
	is(join(' ', $poold->workers('a')), "@a",
	    'the unchanged service keeps its workers');
}

# nothing changed
{
	my @before = $poold->workers;
	$poold->reload;
	is(join(' ', $poold->workers), "@before",
	    'a reload without a change changes nothing');
}

# changed routes
{
	my @before = $poold->workers;
	my $now = $start =~ s/= first/= second/r;
	$poold->write_config($now =~ s{route = /b}{route = /c\nroute = x.example/b}r);
	$poold->reload;
	is($poold->get('/c')->json->{service}, 'b', 'a new route leads to the service');
	is($poold->get('/b')->status, 404, '... the old one no longer does');
	is($poold->get('/b/1', host => 'x.example')->json->{route}, '/b',
	    '... and one for a host does');
	$poold->write_config($now);
	$poold->reload;
	is($poold->get('/b')->json->{service}, 'b', 'the old route is back');
	is(join(' ', $poold->workers), "@before", 'routes change without new workers');
}

# more and fewer workers
{
	$poold->write_config($start =~ s/workers = 2/workers = 4/r);
	$poold->reload;
	eventually { $poold->workers('a') == 4 } 5, 'workers are added';
	is(keys %{ tally(map { $poold->get('/a')->pid } 1 .. 8) }, 4, '... and used');
	$poold->write_config($start);
	$poold->reload;
	eventually { $poold->workers('a') == 2 } 5, 'workers are taken away';
}

# a touched program
{
	my @before = $poold->workers('a');
	my @hello = $poold->workers('hello');
	utime 1000000000, 1000000000, "$poold->{bin}/echo";
	$poold->reload;
	eventually { !grep { alive($_) } @before } 5,
	    'a service whose program was replaced gets new workers';
	is(join(' ', $poold->workers('hello')), "@hello", '... and no other');
}

# watch
{
	$poold->write_file('watched', "1\n");
	$poold->write_config($start
	    =~ s/(\[service a\]\n)/$1watch = \@conf\@\/watched\n/r);
	$poold->reload;
	eventually { $poold->workers('a') == 2 } 5, 'the old workers have left';
	my @before = $poold->workers('a');
	my @others = $poold->workers('b');
	$poold->reload;
	is(join(' ', $poold->workers('a')), "@before",
	    'a watched file that did not change changes nothing');
	$poold->write_file('watched', "another\n");
	$poold->reload;
	eventually { !grep { alive($_) } @before } 5,
	    'a watched file that changed brings new workers';
	is(join(' ', $poold->workers('b')), "@others", '... to the service that watches it');
}

# a command's argument that is a file
{
	$poold->write_file('data', "1\n");
	my $with = $start =~ s{(/a\ncommand = \@bin\@/echo)}{$1 \@conf\@/data}r;
	$poold->write_config($with);
	$poold->reload;
	my @before = $poold->workers('a');
	$poold->write_file('data', "another\n");
	$poold->reload;
	eventually { !grep { alive($_) } @before } 5,
	    'a changed file among the arguments brings new workers';
}

# listeners
{
	$poold->write_config("$start\n[listen second]\naddress = 127.0.0.1:\@port2\@\n");
	$poold->reload;
	is($poold->get('/a', client => { listener => 2 })->status, 200,
	    'a new listener serves');
	$poold->write_config($start);
	$poold->reload;
	eventually { !eval { $poold->client(listener => 2) } } 5,
	    'a listener that was removed is closed';
	is($poold->get('/a')->status, 200, '... and the other is not');
}

# a removed service
{
	my @hello = $poold->workers('hello');
	$poold->remove_file('conf.d/hello.ini');
	$poold->reload;
	is($poold->get('/hello')->status, 404, 'a removed service is 404');
	eventually { !grep { alive($_) } @hello } 5, '... and its workers are gone';
}

is($idle->get('/b')->status, 200, 'the connection of the beginning lives');
is($poold->router, $router, '... since the router does');

# requests queued for a generation that is retired
{
	my @before = $poold->workers('a');
	my @clients = map { $poold->client } 1 .. 20;
	$_->request('GET', '/a?sleep_ms=40') for @clients;
	utime 1100000000, 1100000000, "$poold->{bin}/echo";
	my $line = $poold->reload;
	my @got = map { $_->response->text } @clients;
	is("@got", join(' ', (200) x 20),
	    'requests queued for a generation that retires are all answered');
	eventually { !grep { alive($_) } @before } 5, '... and then it is gone';
	is(scalar($poold->workers('a')), 2, '... replaced by as many');
}

# A new worker that dies while those of another service are waited for.
{
	my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[service quick]
route = /quick
command = @bin@/echo
workers = 1
env.VERSION = 1

[service late]
route = /late
command = @conf@/late
workers = 1
env.VERSION = 1
INI
	my $two = new_poold($ini);
	chmod 0755, $two->write_file('late', "#!/bin/sh\nsleep 1\nexec \@bin\@/echo\n");
	$two->start;
	my %old = map { $_ => 1 } $two->workers('quick');
	$ini =~ s/VERSION = 1/VERSION = 2/g;
	$two->write_config($ini);
	$two->mark;
	$two->signal('HUP');
	my $late = wait_until(sub {
		Poold::Proc::signal_to('KILL', grep { !$old{$_} } $two->workers('quick'));
		$two->log_text($two->{log_mark}) =~ /service late: generation 2 is ready/;
	}, 10);
	ok($late, 'a new worker dies again and again while another service starts');
	ok($two->wait_log(qr/reload done/, 20), '... and the reload ends when its successor is ready');
}

finish();
