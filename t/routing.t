#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Which service gets a request.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;

my $poold = poold(<<'INI');
[listen main]
address = 127.0.0.1:@port@

[listen other]
address = 127.0.0.1:@port2@

[service a]
route = /a
command = @bin@/echo
workers = 1

[service deep]
route = /a/deep
command = @bin@/echo
workers = 1

[service host]
route = special.example/a
command = @bin@/echo
workers = 1

[service elsewhere]
listen = other
route = /elsewhere
route = /b/
command = @bin@/echo
workers = 1
INI

my $client = $poold->client;

sub service_of {
	my ($target, %o) = @_;
	my $r = $client->get($target, %o);
	return $r->status == 200 ? $r->json->{service} : $r->text;
}

sub refused {
	my ($target, $status, $name, %o) = @_;
	my $c = $poold->client;
	my $r = $c->get($target, %o);
	is($r->text, $status, $name);
	like($r->header('content-type'), qr{^application/problem\+json},
	    '... as problem+json');
	is($r->json->{status}, $status, '... that tells the status');
	return $c;
}

# prefixes
is(service_of('/a'), 'a', 'a route serves its own path');
is(service_of('/a?x=1'), 'a', 'a query is no part of the path');
is(service_of('/a/'), 'a', 'a route serves its path with a slash');
is(service_of('/a/b/c'), 'a', 'a route serves what lies below it');
is(service_of('/a/deep'), 'deep', 'the longest prefix wins');
is(service_of('/a/deep/er'), 'deep', 'the longest prefix wins below it, too');
is(service_of('/a/deeper'), 'a', 'a longer segment is not that prefix');
refused('/ab', 404, 'a prefix ends at the end of a segment');
refused('/A', 404, 'paths are case-sensitive');
refused('/', 404, 'no route, no service');
refused('/elsewhere', 404, 'a service is served by its own listeners only');

my $second = $poold->client(listener => 2);
is($second->get('/elsewhere')->json->{service}, 'elsewhere',
    'a listener serves the services that name it');
is($second->get('/b')->json->{service}, 'elsewhere',
    'a slash at the end of a route changes nothing');
is($second->get('/a')->json->{service}, 'a',
    'a service without listeners of its own is served by all');

# 404 does not end the connection
{
	my $c = refused('/nothing', 404, 'an unknown path is 404');
	is($c->get('/a')->status, 200, '... and the connection goes on');
}

# hosts
is(service_of('/a', host => 'special.example'), 'host',
    'a route with a host serves that host');
is(service_of('/a', host => 'SPECIAL.Example'), 'host',
    'hosts are compared without case');
is(service_of('/a', host => 'special.example:8080'), 'host',
    'the port is no part of the host');
is(service_of('/a/deep', host => 'special.example'), 'host',
    'a route with a host comes before a longer one without');
is(service_of('/a', host => 'special.example.org'), 'a',
    'another host is another host');
is(service_of('/a', host => ''), 'a', 'an empty host gets the any-host routes');

# what a worker is told
my $seen = $client->get('/a/b//c?q=1&r=%20')->json;
is($seen->{path}, '/a/b/c', 'the worker gets the canonical path');
is($seen->{target}, '/a/b//c?q=1&r=%20', '... and the target as sent');
is($seen->{route}, '/a', '... and the route');
is($seen->{path_info}, '/b/c', '... and what follows the route');
is($seen->{query}, 'q=1&r=%20', '... and the query as sent');

# the canonical path
is(service_of('/x/../a'), 'a', 'dot segments are resolved before routing');
is(service_of('/./a/.'), 'a', 'single dots too');
is(service_of('//a'), 'a', 'repeated slashes are one');
is(service_of('/%61'), 'a', 'percent escapes are decoded before routing');
is(service_of('/a/%2e%2e/a/deep'), 'deep', 'escaped dots are dots');
is(service_of('/a/deep/../x'), 'a', 'a path that leaves a prefix leaves it');
refused('/a/..', 404, 'the root is not below /a');
is($client->get('/a/x%2Fy')->json->{path}, '/a/x%2Fy',
    'an encoded slash stays encoded');
refused('/a%2Fdeep', 404, 'an encoded slash ends no segment');
refused('/../a', 400, 'a path that climbs above the root is refused');
refused('/a/%00', 400, 'an escaped NUL is refused');
refused('/a/%5c', 400, 'an escaped backslash is refused');
refused('/a/\\', 400, 'a backslash is refused');
refused('/a/%zz', 400, 'a bad escape is refused');
refused('/a/%', 400, 'an escape that ends early is refused');
refused('/a/%252e%252e/b', 400, 'dot segments after decoding twice are refused');

# forms of the target
is(service_of('http://special.example/a', host => 'localhost'), 'host',
    'the authority of an absolute target wins over Host');
is(service_of('http://localhost/a', host => 'special.example'), 'a',
    '... in both directions');
is(service_of('HTTP://Special.Example:80/a', host => 'x'), 'host',
    '... without case');
is(service_of('http://[::1]:8080/a', host => 'x'), 'a',
    'an IPv6 literal is an authority');
refused('http://user@special.example/a', 400, 'userinfo is refused');
refused('*', 400, 'an asterisk is for OPTIONS only');
{
	my $r = $client->exchange('OPTIONS', '*');
	is($r->text, 204, 'OPTIONS * is answered with 204');
	is($client->exchange('OPTIONS', '/a')->json->{method}, 'OPTIONS',
	    'OPTIONS of a path goes to its worker');
}

finish();
