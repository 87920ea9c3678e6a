# SPDX-License-Identifier: ISC
package Bench::Php;

# What bench/run --php compares: one script under poold-fastcgi, and under php-fpm
# behind nginx.

use strict;
use warnings;
use Bench::Servers;

our @NAMES = qw(poold-php poold-php-own nginx-fpm);
my $SCRIPT = '<?php header("Content-Type: text/plain"); echo str_repeat("x", 64);';

# Debian's name has the version in it.
sub fpm {
	my ($path) = sort glob '/usr/sbin/php-fpm*';
	return $path ? $path =~ s{.*/}{}r : 'php-fpm';
}

# Takes --php out of the arguments, and makes its servers those that are compared.
sub take {
	my ($arguments) = @_;
	return unless Bench::Servers::take($arguments, '--php', @NAMES);
	Bench::Servers::add('poold-php', start => \&start_poold, program => 'php-cgi',
		package => 'php-cgi', text => 'poold, requests leased to poold-fastcgi, each with a php-cgi');
	Bench::Servers::add('poold-php-own', start => \&start_poold, program => 'php-cgi',
		package => 'php-cgi', text => 'poold-fastcgi on a port of its own (mode = inherit)');
	Bench::Servers::add('nginx-fpm', start => \&start_fpm, program => fpm(),
		package => 'php-fpm', text => 'nginx, passing requests to php-fpm (pm = static) on a unix socket');
	return;
}

sub start_poold {
	my ($name) = @_;
	my $script = Bench::Servers::write_file('bench.php', $SCRIPT);
	my $own = $name eq 'poold-php-own' ? "mode = inherit\nlisten = main\n" : '';
	Bench::Servers::start_language($name,
	    "${own}language = php\napp = $script\nonly_scripts = yes", 'poold-fastcgi');
	return;
}

sub start_fpm {
	my ($name, %o) = @_;
	my $user = $> == 0 ? "user = nobody\ngroup = nogroup\nlisten.owner = nobody" : '';
	my $script = Bench::Servers::write_file('bench.php', $SCRIPT);
	my $conf = Bench::Servers::write_file("$name.fpm", <<"CONF");
[global]
daemonize = no
error_log = $o{dir}/$name.fpm.log
[www]
$user
listen = $o{dir}/$name.sock
listen.backlog = 1024
pm = static
pm.max_children = $o{workers}
CONF
	Bench::Servers::spawn($name, undef, Bench::Servers::program(fpm()), '-y', $conf);
	my $params = join "\n", map { "\t\t\tfastcgi_param $_;" } "SCRIPT_FILENAME $script",
	    'QUERY_STRING $query_string', 'REQUEST_METHOD $request_method',
	    'CONTENT_TYPE $content_type', 'CONTENT_LENGTH $content_length',
	    'SCRIPT_NAME /bench.php', 'REQUEST_URI $request_uri',
	    'DOCUMENT_URI $document_uri', "DOCUMENT_ROOT $o{dir}",
	    'SERVER_PROTOCOL $server_protocol', 'GATEWAY_INTERFACE CGI/1.1',
	    'REMOTE_ADDR $remote_addr', 'REMOTE_PORT $remote_port',
	    'SERVER_ADDR $server_addr', 'SERVER_PORT $server_port',
	    'SERVER_NAME $server_name', 'REDIRECT_STATUS 200';
	Bench::Servers::start_nginx_with($name, '', <<"LOCATIONS");
		location / {
			fastcgi_pass unix:$o{dir}/$name.sock;
$params
		}
LOCATIONS
	return;
}

1;
