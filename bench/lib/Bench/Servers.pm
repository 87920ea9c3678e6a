# SPDX-License-Identifier: ISC
package Bench::Servers;

# The servers that are compared: each is started in the foreground on a free
# port of 127.0.0.1, from a configuration written here, and stopped by pid.

use strict;
use warnings;
use Fcntl qw(F_SETFD);
use File::Copy qw(copy);
use FindBin;
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);
use Poold::Proc qw(alive signal_to stat_of);

# name => how it is started, what program and package it needs, what it is
my %KINDS = (
	poold => { start => \&start_leased,
		text => 'poold, requests leased to the worker' },
	inherit => { start => \&start_inherit,
		text => 'poold, the worker accepts (mode = inherit)' },
	'nginx-proxy' => { start => \&start_nginx_proxy, program => 'nginx',
		package => 'nginx-light',
		text => 'nginx, proxying to the worker by keep-alive connections' },
	haproxy => { start => \&start_haproxy, program => 'haproxy',
		package => 'haproxy',
		text => 'HAProxy, proxying to the worker by keep-alive connections' },
	nginx => { start => \&start_nginx, program => 'nginx',
		package => 'nginx-light',
		text => 'nginx answering by itself: return, and files by sendfile' },
	epoll => { start => \&start_epoll,
		text => 'a bare epoll loop in C' },
);
our @NAMES = qw(poold inherit nginx-proxy haproxy nginx epoll);

# What bench/run --python compares: bench/app.py on each.
$KINDS{'poold-python'} = { start => \&start_poold_python,
	text => 'poold, requests leased to poold-python' };
$KINDS{'poold-python-own'} = { start => \&start_poold_python_own,
	text => 'poold-python with a port of its own (mode = inherit)' };
$KINDS{'nginx-uwsgi'} = { start => \&start_nginx_uwsgi, program => 'nginx',
	package => 'nginx-light', also => ['uwsgi_python3', 'uwsgi-plugin-python3'],
	text => 'nginx, passing requests to uWSGI by its own protocol on a unix socket' };
$KINDS{uwsgi} = { start => \&start_uwsgi, program => 'uwsgi_python3',
	package => 'uwsgi-plugin-python3',
	text => 'uWSGI accepting HTTP by itself, a connection for each request' };
$KINDS{gunicorn} = { start => \&start_gunicorn, program => 'gunicorn',
	package => 'gunicorn',
	text => 'gunicorn as it comes (sync), a connection for each request' };
$KINDS{'gunicorn-gthread'} = { start => \&start_gunicorn_gthread, program => 'gunicorn',
	package => 'gunicorn', text => 'gunicorn -k gthread --threads 4, keep-alive' };
our @PYTHON = qw(poold-python poold-python-own nginx-uwsgi uwsgi gunicorn gunicorn-gthread);

# What bench/run --log compares.  POOLD_OTHER is another build of poold, such as
# one from before a change.
$KINDS{'poold-log'} = { start => \&start_logged,
	text => 'poold with an access log in a file' };
$KINDS{'poold-other'} = { start => \&start_other,
	text => 'another build of poold (POOLD_OTHER), without an access log' };
our @LOG = ('poold', 'poold-log', $ENV{POOLD_OTHER} ? 'poold-other' : ());
our %PORT;	# of the servers that run
my (%roots, %known, $dir, $poold, $workers);
my $owner = $$;

sub text { return $KINDS{ $_[0] }{text} }

# Where a program is; "" when it is not installed.
sub program {
	my ($name) = @_;
	my ($path) = grep { -x } map { "$_/$name" }
	    split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin', '/usr/local/sbin';
	return $path // '';
}

# Debian packages that these servers need and that are not there.
sub missing {
	my %missing = map { $_->[1] => 1 } grep { $_->[0] && !program($_->[0]) }
	    map { [@$_{qw(program package)}], $_->{also} // () } map { $KINDS{$_} } @_;
	return sort keys %missing;
}

# Before anything is started: a folder that all users can read, the built
# poold, and how many processes each server shall have.
sub setup {
	($dir, $poold, $workers) = @_;
	return;
}

sub write_file {
	my ($name, $text) = @_;
	open(my $fh, '>', "$dir/$name") or die "$dir/$name: $!\n";
	print $fh $text;
	close $fh or die "$dir/$name: $!\n";
	return "$dir/$name";
}

# Below the ports that the kernel gives to clients, so that none is taken
# between here and the server's bind.
sub free_port {
	for (1 .. 200) {
		my $port = 20_000 + int rand 10_000;
		my $sock = IO::Socket::INET->new(Listen => 1, ReuseAddr => 1,
			LocalAddr => '127.0.0.1', LocalPort => $port) or next;
		close $sock;
		return $port;
	}
	die "no free port\n";
}

# Runs a program of this server; $inherited becomes its descriptor 3.
sub spawn {
	my ($name, $inherited, @command) = @_;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		setpgrp(0, 0);	# Ctrl-C is for bench/run, which stops all
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', "$dir/$name.log");
		open(STDERR, '>&', \*STDOUT);
		delete @ENV{qw(NOTIFY_SOCKET LISTEN_FDS LISTEN_PID LISTEN_FDNAMES)};
		$ENV{XDG_RUNTIME_DIR} = $dir;
		if ($inherited) {
			if (fileno $inherited == 3) {
				fcntl($inherited, F_SETFD, 0);
			} else {
				POSIX::dup2(fileno $inherited, 3);
			}
			@ENV{qw(LISTEN_FDS LISTEN_PID)} = (1, $$);
		}
		chdir $dir;
		{ exec { $command[0] } @command; }
		print STDERR "$command[0]: $!\n";
		POSIX::_exit(127);
	}
	push @{ $roots{$name} }, $pid;
	return $pid;
}

# A poold with one service.
sub start_poold {
	my ($name, $listen, $service, %with) = @_;
	my $user = $> == 0 ? 'user = nobody' : '';
	my $log = $with{log} // 'off';
	my $ini = write_file("$name.ini", <<"INI");
[poold]
access_log = $log
libexec = $dir
$user

[listen main]
address = 127.0.0.1:$PORT{$name}
$listen

[service bench]
$service
workers = $workers
INI
	spawn($name, undef, $with{program} // $poold, '-c', $ini);
	return;
}

my $KEEP = 'keepalive_requests = 1000000000';

sub start_leased {
	my ($name, %with) = @_;
	start_poold($name, $KEEP, "route = /\ncommand = $dir/worker", %with);
	return;
}

# The files of a runner whose names are like this.
sub runner_files {
	my ($pattern) = @_;
	my $build = $ENV{top_builddir} // "$FindBin::Bin/../build";
	return map { s{.*/}{}r } glob "$build/libexec/$pattern";
}

# A service of a language: what its section says, and the files of its runner, which
# poold shall find in a folder that all users can read.
sub start_language {
	my ($name, $service, @runner) = @_;
	my $build = $ENV{top_builddir} // "$FindBin::Bin/../build";
	for my $file (grep { !-e "$dir/$_" } @runner) {
		copy("$build/libexec/$file", "$dir/$file") && chmod(0755, "$dir/$file")
		    or die "$build/libexec/$file: $!\n";
	}
	return start_poold($name, '', $service) if $service =~ /^mode = inherit$/m;
	start_poold($name, $KEEP, "route = /\n$service");
	return;
}

sub start_logged { my ($name) = @_; return start_leased($name, log => "$dir/$name.access") }
sub start_other { my ($name) = @_; return start_leased($name, program => $ENV{POOLD_OTHER}) }

sub start_inherit {
	my ($name) = @_;
	start_poold($name, '', "mode = inherit\nlisten = main\ncommand = $dir/worker");
	return;
}

# The worker behind a proxy: as many processes on one listening socket, and
# nothing else.  Returns its address.
sub start_upstream {
	my ($name) = @_;
	my $sock = IO::Socket::INET->new(Listen => 1024, ReuseAddr => 1, Blocking => 0,
		LocalAddr => '127.0.0.1', LocalPort => free_port())
	    or die "cannot listen for the worker of $name: $@\n";
	spawn($name, $sock, "$dir/worker") for 1 .. $workers;
	return '127.0.0.1:' . $sock->sockport;
}

# Buffers are larger than nginx's own choice, to its advantage: a response of
# 1 MiB then goes through memory and in few pieces.
sub start_nginx_with {
	my ($name, $http, $locations) = @_;
	my $user = $> == 0 ? 'user nobody nogroup;' : '';
	my $temp = join '', map { "\t${_}_temp_path $dir/$name-$_;\n" }
	    qw(client_body proxy fastcgi uwsgi scgi);
	my $conf = write_file("$name.conf", <<"CONF");
daemon off;
$user
worker_processes $workers;
pid $dir/$name.pid;
error_log stderr crit;
events {
	worker_connections 4096;
}
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	client_body_buffer_size 128k;
	open_file_cache max=16;
$temp
$http
	server {
		listen 127.0.0.1:$PORT{$name} reuseport backlog=1024;
$locations
	}
}
CONF
	spawn($name, undef, program('nginx'), '-e', 'stderr', '-c', $conf);
	return;
}

sub start_nginx_proxy {
	my ($name) = @_;
	my $upstream = start_upstream($name);
	start_nginx_with($name, <<"HTTP", <<'LOCATIONS');
	upstream worker {
		server $upstream;
		keepalive 256;
		keepalive_requests 1000000000;
	}
HTTP
		location / {
			proxy_pass http://worker;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffers 16 64k;
			proxy_busy_buffers_size 512k;
			proxy_max_temp_file_size 0;
		}
LOCATIONS
	return;
}

sub start_nginx {
	my ($name) = @_;
	my $text = 'x' x 64;
	write_file('16k', 'x' x (16 * 1024));
	write_file('1m', 'x' x (1024 * 1024));
	start_nginx_with($name, '', <<"LOCATIONS");
		root $dir;
		location = /64 {
			return 200 "$text";
		}
LOCATIONS
	return;
}

sub start_haproxy {
	my ($name) = @_;
	my $upstream = start_upstream($name);
	my $user = $> == 0 ? 'user nobody' : '';
	my $conf = write_file("$name.cfg", <<"CFG");
global
	$user
	nbthread $workers
	maxconn 4096

defaults
	mode http
	http-reuse always
	timeout connect 10s
	timeout client 60s
	timeout server 60s

listen main
	bind 127.0.0.1:$PORT{$name} backlog 1024
	server worker $upstream
CFG
	spawn($name, undef, program('haproxy'), '-db', '-f', $conf);
	return;
}

# --- Python

sub start_poold_python {
	my ($name) = @_;
	start_language($name, "language = python\napp = $dir/app.py", 'poold-python');
	return;
}

sub start_poold_python_own {
	my ($name) = @_;
	start_language($name, "mode = inherit\nlisten = main\nlanguage = python\napp = $dir/app.py",
	    'poold-python');
	return;
}

sub spawn_uwsgi {
	my ($name, @address) = @_;
	my @user = $> == 0 ? ('--uid', 'nobody', '--gid', 'nogroup') : ();
	spawn($name, undef, program('uwsgi_python3'), '--master', '--processes', $workers,
	    '--need-app', '--disable-logging', '--listen', '100', '--die-on-term', @user,
	    '--chdir', $dir, '--wsgi-file', 'app.py', @address);
	return;
}

sub start_uwsgi {
	my ($name) = @_;
	spawn_uwsgi($name, '--http-socket', "127.0.0.1:$PORT{$name}");
	return;
}

sub start_nginx_uwsgi {
	my ($name) = @_;
	my $params = join "\n", map { "\t\t\tuwsgi_param $_;" } 'QUERY_STRING $query_string',
	    'REQUEST_METHOD $request_method', 'CONTENT_TYPE $content_type',
	    'CONTENT_LENGTH $content_length', 'REQUEST_URI $request_uri',
	    'PATH_INFO $document_uri', 'SERVER_PROTOCOL $server_protocol',
	    'REMOTE_ADDR $remote_addr', 'REMOTE_PORT $remote_port',
	    'SERVER_PORT $server_port', 'SERVER_NAME $server_name';
	mkdir "$dir/uwsgi"; # it binds as the user that it becomes
	chmod 0777, "$dir/uwsgi";
	spawn_uwsgi($name, '--socket', "$dir/uwsgi/sock", '--chmod-socket=666');
	start_nginx_with($name, '', <<"LOCATIONS");
		location / {
			uwsgi_pass unix:$dir/uwsgi/sock;
$params
		}
LOCATIONS
	return;
}

sub spawn_gunicorn {
	my ($name, @how) = @_;
	my @user = $> == 0 ? ('-u', 'nobody', '-g', 'nogroup') : ();
	spawn($name, undef, program('gunicorn'), '-w', $workers, '-b',
	    "127.0.0.1:$PORT{$name}", '--chdir', $dir, @user, @how, 'app:application');
	return;
}

sub start_gunicorn { spawn_gunicorn($_[0]); return }

sub start_gunicorn_gthread {
	spawn_gunicorn($_[0], '-k', 'gthread', '--threads', 4);
	return;
}

sub start_epoll {
	my ($name) = @_;
	spawn($name, undef, "$dir/epoll", $PORT{$name}, $workers);
	return;
}

# One more server: start is called with its name, and dir, poold, workers, port.
sub add {
	my ($name, %kind) = @_;
	my $start = $kind{start};
	$KINDS{$name} = { %kind, start => sub {
		$start->($name, dir => $dir, poold => $poold, workers => $workers,
		    port => $PORT{$name});
	} };
	return;
}

# Takes an option such as --php out of the arguments, and makes its servers those
# that are compared.  Returns whether it was there.
sub take {
	my ($arguments, $option, @names) = @_;
	return 0 unless grep { $_ eq $option } @$arguments;
	@$arguments = grep { $_ ne $option } @$arguments;
	unshift @$arguments, '-b', 64, '-c', '1,32';
	@NAMES = @names;
	return 1;
}

sub answers {
	my ($port) = @_;
	my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
		Timeout => 1) or return;
	print $sock "GET /64 HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
	vec(my $read = '', fileno $sock, 1) = 1;
	return unless select($read, undef, undef, 1);
	return (readline($sock) // '') =~ /^HTTP\/1\.1 200 /;
}

# Starts a server and waits until it answers.
sub start {
	my ($name) = @_;
	$PORT{$name} = free_port();
	$KINDS{$name}{start}->($name);
	for (my $end = time + 15; time < $end; sleep 0.05) {
		my $died = grep { waitpid($_, WNOHANG) != 0 } @{ $roots{$name} };
		return if !$died && answers($PORT{$name});
		last if $died;
	}
	die "$name does not serve; its log:\n"
	    . (Poold::Proc::slurp("$dir/$name.log") // '');
}

# The processes that were started for a server, and all their descendants.
sub pids {
	my ($name) = @_;
	my (%children, @all);
	for my $pid (Poold::Proc::pids()) {
		my $stat = stat_of($pid) // next;
		push @{ $children{ $stat->{ppid} } }, $pid;
		$known{$name}{$pid} //= $stat->{start}
		    if grep { $_ == $pid } @{ $roots{$name} };
	}
	my @todo = @{ $roots{$name} // [] };
	while (defined(my $pid = shift @todo)) {
		push @all, $pid;
		push @todo, @{ $children{$pid} // [] };
	}
	for my $pid (@all) {
		my $stat = stat_of($pid) // next;
		$known{$name}{$pid} = $stat->{start};
	}
	return @all;
}

# Those of them that still run: a pid that another process got is none.
sub left {
	my ($name) = @_;
	return grep {
		my $stat = stat_of($_);
		$stat && $stat->{start} == $known{$name}{$_} && alive($_)
	} keys %{ $known{$name} };
}

# Stops all servers: politely, and after five seconds by force.
sub stop_all {
	return if $$ != $owner;
	pids($_) for keys %roots;
	signal_to('TERM', @{ $roots{$_} }) for keys %roots;
	for (my $end = time + 5; time < $end; sleep 0.02) {
		waitpid($_, WNOHANG) for map { @$_ } values %roots;
		last unless grep { left($_) } keys %roots;
	}
	for my $name (keys %roots) {
		signal_to('KILL', left($name));
		waitpid($_, 0) for @{ $roots{$name} };
	}
	%roots = %known = ();
	return;
}

1;
