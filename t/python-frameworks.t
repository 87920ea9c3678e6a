#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Flask, Django and Starlette as Debian packages them run unchanged.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Runner;
use File::Copy qw(copy);

need_runner('poold-python', 'libpython3-dev');

sub installed { return system("/usr/bin/python3 -c 'import $_[0]' 2>/dev/null") == 0 }

# name => [ module, app, further keys ]
my %apps = (
	flask => [ 'flask', 'flask_app.py', '' ],
	django => [ 'django', 'django_app.py', '' ],
	djasgi => [ 'django', 'django_app.py:asgi', "concurrency = 8" ],
	starlette => [ 'starlette', 'starlette_app.py', "concurrency = 8" ],
);
for my $name (sort keys %apps) {
	my ($module) = @{ $apps{$name} };
	next if installed($module);
	BAIL_OUT("python3-$module is not installed") if $ENV{CI};
	diag("skipped: python3-$module is not installed");
	delete $apps{$name};
}
plan(skip_all => 'no framework is installed') unless %apps;

my $ini = <<'INI';
[poold]
access_log = off
libexec = @bin@

[listen main]
address = 127.0.0.1:@port@
INI
$ini .= <<"INI" for sort keys %apps;

[service $_]
route = /$_
language = python
app = \@bin\@/$apps{$_}[1]
workers = 2
start_timeout = 60s
$apps{$_}[2]
INI
my $poold = runner_poold('poold-python', $ini);
copy($_, $poold->{bin}) for glob Poold::Test::srcdir() . '/t/frameworks/*.py';
chmod 0644, glob "$poold->{bin}/*_app.py";
$poold->start;

my $boundary = 'xxBOUNDARYxx';
my $form = join "\r\n", "--$boundary", 'Content-Disposition: form-data; name="field"', '', 'value',
    "--$boundary", 'Content-Disposition: form-data; name="file"; filename="a.bin"',
    'Content-Type: application/octet-stream', '', 'x' x 3_000_000, "--$boundary--", '';
my $lines = join '', map { "$_\n" } 0 .. 999;

for my $name (sort keys %apps) {
	my $r = $poold->get("/$name/hello/you%20there?a=1", headers => [ 'X-Some: thing', 'Cookie: c=7' ]);
	is($r->status, 200, "$name answers") or diag $poold->log_text;
	my $got = $r->json;
	is(join('|', map { $_ // '' } @$got{qw(name header cookie)}, $got->{args}{a}), 'you there|thing|7|1',
	    '... knows the request');
	like($got->{url}, qr{^http://localhost/$name/hello/you(?:%20| )there\?a=1$},
	    '... and its own address');
	is($got->{here}, "/$name/hello/you%20there", '... makes links below its route') if $got->{here};
	is($got->{ready}[0], 'yes', '... ran its start-up') if $got->{ready};
	if ($name eq 'starlette') {
		is($poold->post('/starlette/upload', 'x' x 3_000_000)->json->{size}, 3_000_000, '... takes an upload');
	} else {
		$got = $poold->post("/$name/form", $form, headers =>
		    [ "Content-Type: multipart/form-data; boundary=$boundary" ])->json;
		is("@$got{qw(field name size)}", 'value a.bin 3000000', '... takes a form with a file');
	}
	is($poold->get("/$name/stream")->body, $lines, '... streams');
	like($poold->get("/$name/file")->body, qr/^# SPDX.*boom in \w/s, '... sends a file');
	is($poold->exchange('HEAD', "/$name/file")->status, 200, '... answers HEAD');
	is($poold->get("/$name/nothing")->status, 404, '... does not find what is not there');
	$poold->mark;
	is($poold->get("/$name/boom")->status, 500, '... has its own error page');
	# Django has its own ways to tell of it
	ok($poold->wait_log(qr/RuntimeError: boom in/), '... and its traceback is in the log')
	    unless $name =~ /^dj/;
}

finish();
