#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Python applications that cannot start, and how applications are found.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Runner;
use File::Path qw(make_path);
use Poold::Proc qw(signal_to);

need_runner('poold-python', 'libpython3-dev');

my $ini = <<'INI';
[poold]
access_log = off
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@

[service app]
route = /app
language = python
app = @dir@/srv/app.py
workers = 1

[service package]
route = /package
language = python
app = shop.site.wsgi:application
python_path = @dir@/srv/lib
workers = 1
INI
my $poold = runner_poold('poold-python', $ini);
my $dir = $poold->{dir};
make_path("$dir/srv/lib/shop/site");
$poold->{keep} = qr{^srv/|^venv/|^notes/|__pycache__};
sub put {
	my ($name, $text) = @_;
	open(my $out, '>', "$dir/srv/$name") or die "$name: $!";
	print $out $text;
	close $out;
}
sub app {
	my ($name, $answer, $callable) = @_;
	put($name, sprintf <<'PY', $callable // 'application', $answer);
def %s(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [%s.encode()]
PY
}
app('app.py', '"one"', 'app');
put("lib/shop/$_", '') for '__init__.py', 'site/__init__.py';
put('lib/shop/prices.py', "PRICE = 1\n");
app('lib/shop/site/wsgi.py', '__import__("shop.prices").prices.PRICE.__str__()');
$poold->start;
is($poold->get('/app')->body, 'one', 'an application is found in a file, by a usual name');
is($poold->get('/package')->body, '1', '... and in a package, by python_path');

# ---- a deploy

# The only worker of a service: the one before may take its time to leave.
sub only_worker {
	my ($service) = @_;
	my @workers;
	wait_until(sub { @workers = $poold->workers($service); @workers == 1 }, 10);
	return "@workers";
}
my $package = only_worker('package');
app('app.py', '"two"');
$poold->reload;
is($poold->get('/app')->body, 'two', 'HUP after a deploy starts a new generation');
is(only_worker('package'), $package, '... of what has changed alone');
put('lib/shop/prices.py', "PRICE = 22\n");
$poold->reload;
is($poold->get('/package')->body, '22', 'of a module, the whole package is watched');
$package = only_worker('package');
make_path("$dir/srv/lib/shop/__pycache__");
put('lib/shop/__pycache__/prices.cpython-311.pyc', 'compiled');
$poold->reload;
is(only_worker('package'), $package, 'what Python has compiled meanwhile is no change');

# ---- what is broken

my $worker = only_worker('app');
sub broken {
	my ($what, $pattern, %o) = @_;
	$poold->mark;
	my $line = $poold->reload;
	like($line, qr/failed/, "$what: reload fails");
	like($line, $pattern, '... and says why');
	ok($poold->wait_log($o{log} // $pattern), '... the log has what Python says');
	is($poold->get('/app')->body, 'two', '... the old generation goes on');
	eventually { join(' ', $poold->workers('app')) eq $worker } 5, '... with the same worker';
}
my $file = qr{\Q$dir\E/srv/app\.py};
put('app.py', "def application(:\n    pass\n");
broken('a syntax error', qr/$file.*line 1.*SyntaxError: invalid syntax/,
    log => qr/SyntaxError: invalid syntax/);
put('app.py', "import no_such_module\n");
broken('an import error', qr/$file: ModuleNotFoundError: No module named 'no_such_module'/,
    log => qr/File "$file", line 1, in <module>/);
put('app.py', "raise RuntimeError('no database')\n");
broken('an exception', qr/status 70.*$file: RuntimeError: no database/,
    log => qr/raise RuntimeError/);
put('app.py', "import sys\nsys.exit(5)\n");
broken('an exit', qr/status 5 .*$file: SystemExit: 5/);
put('app.py', "x = 1\n");
broken('no callable', qr/status 78.*$file: it has neither 'application' nor 'app'/);
put('app.py', "application = 7\n");
broken('what is not callable', qr/status 78.*a 'int' cannot be called/);
app('app.py', '"two"');
$poold->write_config($ini =~ s/app = shop.site.wsgi:application/app = shop.nothing/r);
broken('a module that is not there', qr/status 66.*shop\.nothing: ModuleNotFoundError: No module named 'shop\.nothing'/);
$poold->write_config($ini =~ s/wsgi:application/wsgi:other/r);
broken('another name', qr/status 78.*has no 'other'/);
unlink "$dir/srv/app.py";
$poold->write_config($ini);
$poold->mark;
like($poold->reload, qr/fail/, 'a file that is not there: reload fails');
ok($poold->wait_log(qr/app: $file: No such file/), '... and names it');
app('app.py', '"two"');
$poold->write_config($ini =~ s/workers = 1/workers = 1\nvirtualenv_ = x/r);
$poold->mark;
$poold->reload;
ok($poold->wait_log(qr/unknown key 'virtualenv_'.*did you mean 'virtualenv'/), 'a key that Python does not know is an error');
$poold->write_config($ini =~ s/workers = 1/workers = 1\ninterface = wsgy/r);
broken('an interface that there is not', qr/interface 'wsgy' is not auto, wsgi or asgi/);

# ---- ASGI

put('asgi.py', <<'PY');
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
PY
$poold->write_config($ini =~ s{srv/app.py}{srv/asgi.py}r);
broken('a start-up that fails', qr{asgi\.py: no database});

# ---- other ways to name it

put('app.py', <<'PY');
class Answer:
    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"made"]
class Holder:
    inside = Answer()
def create_app():
    return Answer()
PY
for my $how ([ 'app.py:create_app()', '' ], [ 'app.py:create_app', 'factory = yes' ],
    [ 'app.py:Holder.inside', '' ]) {
	my ($name, $key) = @$how;
	$poold->write_config($ini =~ s{srv/app.py}{srv/$name\n$key}r);
	$poold->reload;
	is($poold->get('/app')->body, 'made', "the application is named $name $key");
}

# ---- a virtual environment

SKIP: {
	my $made = system("/usr/bin/python3 -m venv --without-pip '$dir/venv' >/dev/null 2>&1") == 0;
	skip 'python3-venv is not installed', 1 unless $made;
	my ($packages) = glob "$dir/venv/lib/python3*/site-packages";
	open(my $out, '>', "$packages/only_here.py");
	print $out "NAME = 'from the virtual environment'\n";
	close $out;
	app('app.py', '(__import__("only_here").NAME + " " + __import__("sys").prefix)');
	$poold->write_config($ini =~ s{srv/app.py}{srv/app.py\nvirtualenv = $dir/venv}r);
	$poold->reload;
	is($poold->get('/app')->body, "from the virtual environment $dir/venv",
	    'a virtual environment has its packages');
	my $config = Poold::Proc::slurp("$dir/venv/pyvenv.cfg") =~ s/version = 3\.\d+/version = 3.4/r;
	open($out, '>', "$dir/venv/pyvenv.cfg");
	print $out $config;
	close $out;
	$poold->write_config($ini =~ s{srv/app.py}{srv/app.py\nvirtualenv = $dir/venv\nenv.OTHER = 1}r);
	$poold->mark;
	like($poold->reload, qr/virtualenv $dir\/venv is one of Python 3\.4\S*; this is Python 3/,
	    'one of another version does not');
}

# ---- a port of its own

my $own = runner_poold('poold-python', <<'INI');
[poold]
access_log = off
libexec = @bin@

[listen wsgi]
address = 127.0.0.1:@port@

[listen asgi]
address = 127.0.0.1:@port2@

[service wsgi]
listen = wsgi
mode = inherit
language = python
app = @bin@/wsgi.py
workers = 2
env.NOTES = @dir@/notes

[service asgi]
listen = asgi
mode = inherit
language = python
app = @bin@/asgi.py
workers = 2
env.NOTES = @dir@/notes
INI
$own->start;
my $client = $own->client;
is($client->get('/show_environ/x')->json->{PATH_INFO}, '/show_environ/x', 'with a port of its own, WSGI is served');
is($client->post('/count_body', 'x' x 300_000)->body, 300000, '... bodies too, on one connection');
is($client->get('/boom')->status, 500, '... an exception is a 500');
$client = $own->client(listener => 2);
is($client->get('/show')->json->{root_path}, '', '... and ASGI');
is($client->post('/read', 'xx')->body, '2 240', '... with bodies');
my ($accepting) = $own->workers('wsgi');
signal_to('KILL', $accepting);
eventually { !grep { $_ == $accepting } $own->workers('wsgi') } 10, '... a worker that dies is replaced';
is($own->get('/several')->body, 'abcdef', '... and they serve');
$own->write_config(Poold::Proc::slurp("$own->{conf}/poold.ini") =~ s/workers = 2/workers = 1/r);
like($own->reload, qr/reload done/, '... a reload goes well');
is($own->stop, 0, '... and an end');
finish();
