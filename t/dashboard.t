#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The dashboard as a person sees it: in Chromium, under load.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Browser;
use Poold::Proc qw(signal_to);
use File::Path qw(make_path);
use JSON::PP ();
use Time::HiRes qw(time sleep);

my $missing = Poold::Browser::missing();
if ($missing && $ENV{CI}) {
	BAIL_OUT("no $missing");
} elsif ($missing) {
	plan(skip_all => "no $missing");
}

my $json = JSON::PP->new->utf8;
my $token = 'a-token-that-nobody-guesses';
my $hostile = q{<img src=x onerror="window.hurt=1">};
my $ini = <<'INI';
[listen main]
address = 127.0.0.1:@port@

[listen other]
address = 127.0.0.1:@port2@

[service admin]
listen = main
route = /admin
command = @bin@/admin --token-file @conf@/token
workers = 1
concurrency = 300
control = change
description = What you are looking at
tags = poold

[service search]
listen = main
route = /api/search
route = /api/find
command = @bin@/echo
workers = 4
slow_threshold = 200ms
description = Full-text search in all that is known
example = /api/search?q=reload
tags = demo
required = yes

[service shop]
listen = main
route = /shop weight=90
command = @bin@/echo
workers = 3
description = The shop, as it is
example = /shop

[service shop-next]
listen = main
route = /shop weight=10
command = @bin@/echo
workers = 1
description = The shop, as it will be

[service mail]
listen = other
route = /mail
command = @bin@/echo
workers = 2
example = /mail

[service orders]
listen = main
route = /shop/orders
command = @bin@/echo
workers = 8
description = What was bought, and what became of it
tags = shop, demo
example = /shop/orders/4711
INI
my $poold = new_poold($ini);
Poold::Test::copy_program(($ENV{POOLD_LIBEXEC} // Poold::Test::builddir() . '/libexec') . '/admin',
    "$poold->{bin}/admin");
open(my $file, '>', "$poold->{conf}/token") or die $!;
print $file "$token\n";
close $file;
chmod 0600, "$poold->{conf}/token";
chown((getpwnam 'nobody')[2], -1, "$poold->{conf}/token") if is_root();
$poold->start;

my $pictures = Poold::Test::builddir() . '/screenshots';
make_path($pictures);
my $base = 'http://127.0.0.1:' . $poold->port . '/admin/';
my $browser = Poold::Browser->new(dir => Poold::Test::temp_dir() . '/browser');

sub ctl {
	open(my $out, '-|', Poold::Test::builddir() . '/poolctl', '-s',
	    "$poold->{run}/control.sock", '--json', @_) or die $!;
	local $/;
	return $json->decode(scalar <$out>);
}
sub services { return map { $_->{service} => $_ } @{ ctl('status')->{services} } }

# What the page shows of a service's worker squares.
sub squares {
	return @{ $browser->js('return [...document.querySelectorAll(`#service-${arguments[0]} .squares .w`)].map((w) => ({ ...w.dataset, age: Number(w.style.getPropertyValue("--age")) }))', $_[0]) };
}
sub field {
	return $browser->js('return document.querySelector(`#service-${arguments[0]} [data-field=${arguments[1]}]`).dataset.value', @_);
}

# --- what it shows ------------------------------------------------------------

$browser->look('light', 1280);
$browser->go($base);
ok($browser->wait_js(20, 'return document.querySelectorAll(".squares .w").length === 19'),
    'there is a square for every worker');
is($browser->js('return document.querySelectorAll(".card").length'), 6, '... and a card for every service');
ok($browser->wait_js(15, 'return document.querySelector("#verdict").dataset.status === "ok"'), 'all is well');
is($browser->js('return document.querySelectorAll("#timeline .mk[data-event=generation_ready]").length'), 6,
    'the timeline has what was before the page was opened');
my %said = services();
for my $name (sort keys %said) {
	is_deeply([ sort map { $_->{pid} } squares($name) ], [ sort $poold->workers($name) ],
	    "$name: the squares are its workers");
	is($browser->js('return document.querySelector(`#service-${arguments[0]}`).dataset.state', $name),
	    $said{$name}{state}, '... its state is that of poolctl');
	is(field($name, $_), $said{$name}{$_}, "... and so is $_") for qw(workers_max workers_target restarts);
}

# --- under load ---------------------------------------------------------------

my $load = load($poold, target => '/api/search', rate => 100);
my @more = (load($poold, target => '/shop', rate => 40), load($poold, target => '/shop/orders?sleep_ms=40', rate => 12));
my @slow = map { my $client = $poold->client; $client->request('GET', '/api/search?sleep_ms=6000'); $client } 1 .. 2;
ok($browser->wait_js(15, 'return [...document.querySelectorAll("#service-search .w")].filter((w) => w.dataset.state === "busy" && Number(w.style.getPropertyValue("--age")) > 0.3).length >= 2'),
    'squares turn busy, and age');
is($browser->js('const place = document.createElement("i"); place.className = "w"; place.dataset.state = "busy"; document.querySelector("#services").append(place); const young = getComputedStyle(place).backgroundColor; place.style.transition = "none"; place.style.setProperty("--age", "1"); const old = getComputedStyle(place).backgroundColor; place.remove(); return young !== old') ? 1 : 0,
    1, '... which is another colour');
ok($browser->wait_js(15, 'return Number(document.querySelector("#service-search [data-field=requests_per_second]").dataset.value) > 1'),
    'requests a second are shown');
ok($browser->wait_js(15, 'return document.querySelector("#service-search .spark.rate .line").getAttribute("d").split("L").length > 3'),
    '... also as a line');
ok($browser->wait_js(15, 'return /[µm]?s$/.test(document.querySelector("#service-search .spark.latency b").textContent)'),
    '... and how long they took');
$_->response(timeout => patience(20)) for @slow;
ok($browser->wait_js(15, 'return [...document.querySelectorAll("#slow tr")].some((row) => row.textContent.includes("/api/search"))'),
    'slow requests are listed');
ok($browser->js('return document.querySelector("#routes").textContent.includes("shop-next 10%")'),
    'the routes have their weights');

my ($victim) = $poold->workers('search');
my $began = time;
signal_to 'KILL', $victim;
ok($browser->wait_js(10, 'return [...document.querySelectorAll("#timeline .mk[data-event=worker_died]")].some((mark) => mark.title.includes(`pid ${arguments[0]}`))', $victim),
    'a kill -9 is a crash on the timeline');
ok($browser->wait_js(10, 'const all = [...document.querySelectorAll("#service-search .w")]; return all.length === 4 && all.every((w) => w.dataset.pid && w.dataset.pid !== String(arguments[0]) && /idle|busy/.test(w.dataset.state))', $victim),
    '... and the square comes back');
my $took = time - $began;
cmp_ok($took, '<', patience(2) * ($ENV{CI} ? 3 : 1), '... soon');
note(sprintf 'after %.2f s', $took);
like($browser->js('return document.querySelector("#events .what").textContent'), qr/killed by signal 9/,
    '... and among the events');

# --- what it does -------------------------------------------------------------

is($browser->js('return document.querySelector("#service-search .foot").hidden') ? 1 : 0, 1,
    'who is not logged in has no buttons');
my $status = $browser->js('return fetch("actions/scale", { method: "POST", headers: { "Content-Type": "application/json", "X-Poold-Admin": "1" }, body: JSON.stringify({ service: "search", workers: 6 }) }).then((answer) => answer.status)');
is($status, 401, '... and what they do is refused');
$browser->click('#login');
$browser->type('#token', 'wrong');
$browser->click('#login-form button.main');
ok($browser->wait_js(10, 'return document.querySelector("#login-said").textContent.includes("wrong")'),
    'a wrong token is refused');
$browser->js('document.querySelector("#token").value = ""');
$browser->type('#token', $token);
$browser->click('#login-form button.main');
ok($browser->wait_js(10, 'return !document.querySelector("#service-search .foot").hidden'),
    'with the right one there are buttons');
is($browser->js('return document.cookie'), '', '... and nothing for scripts to steal');
$browser->click('#service-search [data-action="more workers for"]');
ok($browser->wait_js(10, 'return document.querySelectorAll("#service-search .w").length === 5'),
    'the scale button adds a worker');
is({ services() }->{search}{workers_target}, 5, '... which poolctl shows, too');
$browser->click('#service-mail [data-action="drain"]');
is({ services() }->{mail}{state}, 'running', 'one click does not drain');
$browser->click('#service-mail [data-action="drain"]');
ok($browser->wait_js(10, 'return document.querySelector("#service-mail").dataset.state === "drained"'), 'two do');
ok($browser->wait_js(10, 'return document.querySelector("#problems").textContent.includes("mail: it is drained")'),
    '... which is the first thing that is said');
is(ctl('check')->{problems}[0]{problem}, 'it is drained', '... as poolctl check does');

# --- pictures -----------------------------------------------------------------

sub picture {
	my ($name, $scheme, $width, $height, $whole) = @_;
	$browser->look($scheme, $width, $height);
	ok($browser->wait_js(10, 'return !document.getAnimations().some((a) => a instanceof CSSTransition && a.playState === "running")'),
	    "the page is at rest: $name");
	cmp_ok($browser->picture("$pictures/$name.png", $whole), '>', 10_000, "a picture: $name");
	is($browser->js('return document.documentElement.scrollWidth > innerWidth') ? 'wider' : 'fits', 'fits',
	    '... nothing is wider than the window');
	return;
}
# Requests of different age: each is a second old before the next one begins.
my %sent;
my @busy = map {
	my $client = $poold->client;
	my ($service) = m{(\w+)$};
	my $count = ++$sent{$service};
	$client->request('GET', "$_?sleep_ms=12000");
	wait_until(sub {
		my @ages = grep { defined } map { $_->{request_seconds} }
		    @{ ctl('status', $service)->{workers} };
		return @ages >= $count && !grep { $_ < 1 } @ages;
	}, 10);
	$client;
} '/shop/orders', '/api/search', '/shop/orders', '/shop/orders', '/api/search';
picture('dashboard-light', 'light', 1280, 860);
is($browser->js('return document.documentElement.dataset.theme'), 'light', 'light as the system is');
picture('dashboard-dark', 'dark', 1280, 860);
is($browser->js('return document.documentElement.dataset.theme'), 'dark', '... or dark');
picture('dashboard-medium', 'light', 800, 1000);
picture('dashboard-narrow', 'dark', 390, 844, 1);
$browser->look('light', 1280);
$_->close for @busy;
$browser->click('#service-mail [data-action="resume"]');
ok($browser->wait_js(10, 'return document.querySelector("#verdict").dataset.status === "ok"'), 'all is well again');

# --- examples -----------------------------------------------------------------

$browser->click('#service-search .try');
ok($browser->wait_js(10, 'return document.querySelector("#service-search .answer p").dataset.pid'),
    'an example is answered');
my $heads = $browser->js('const heads = document.querySelector("#service-search .answer p"); return { ...heads.dataset, text: heads.textContent }');
is($heads->{status}, 200, '... with its status');
like($heads->{text}, qr/ms/, '... its time');
ok((grep { $_ == $heads->{pid} } $poold->workers('search')), '... and the worker that gave it');
is($browser->js('const link = document.querySelector("#service-mail .example a"); return link && link.href'),
    'http://127.0.0.1:' . $poold->port(2) . '/mail', 'one on another listener is a link');
$browser->click('#service-search summary');
ok($browser->wait_js(10, 'return document.querySelectorAll("#service-search tbody tr").length === 5'),
    'behind a click there is a table of its workers');

# --- text from elsewhere ------------------------------------------------------

my @workers = $poold->workers('shop');
$poold->write_config($ini =~ s/^(description = The shop, as it is)\nexample = .*$/$1 $hostile\nexample = \/\/example.org\/elsewhere\nexample = javascript:window.hurt=1/mr);
ctl('reload');
ok($browser->wait_js(10, 'return document.querySelector("#service-shop .about").textContent === arguments[0]',
    "The shop, as it is $hostile"), 'a description that is HTML is shown as it is');
ok(!$browser->js('return window.hurt'), '... and does nothing');
$browser->click('#service-shop summary');
is($browser->js('return document.querySelectorAll("#service-shop .example :is(a, button)").length'), 0,
    'an example that is no path of this machine cannot be tried');
is_deeply([ $poold->workers('shop') ], \@workers, '... and needs no new workers');

# --- keyboard -----------------------------------------------------------------

$browser->js('document.activeElement.blur()');
$browser->keys('j', 'j');
is($browser->js('return document.activeElement.dataset.service'), 'search', 'j goes to the next service');
$browser->keys('k');
is($browser->js('return document.activeElement.dataset.service'), 'admin', 'k to the one before');
$browser->keys('/');
is($browser->js('return document.activeElement.id'), 'filter', '/ goes to the filter');
$browser->keys(split //, 'demo');
is($browser->js('return [...document.querySelectorAll(".card")].filter((card) => !card.hidden).map((card) => card.dataset.service).join()'),
    'search,orders', '... which knows tags');
$browser->keys("\x{E00C}");
is($browser->js('return [...document.querySelectorAll(".card")].filter((card) => !card.hidden).length'), 6,
    'Escape forgets it');
$browser->keys('t');
is($browser->js('return document.documentElement.dataset.theme'), 'light', 't changes the colours');
is_deeply($browser->js('return [...document.querySelectorAll("button, input, a, summary")].filter((node) => node.offsetParent && !(node.textContent.trim() || node.getAttribute("aria-label") || node.labels && node.labels.length)).map((node) => node.outerHTML)'),
    [], 'everything that can be used has a name');

# --- what the page shows is what poolctl says, at rest -------------------------

my $report = $load->stop;
push @{ $report->{failures} }, map { @{ $_->stop->{failures} } } @more;
is_deeply($report->{failures}, [], 'no request of the load failed');
eventually {
	my %now = services();
	!grep { my $name = $_; grep { (field($name, $_) // '') ne ($now{$name}{$_} // '') }
	    qw(workers_busy workers_idle requests errors restarts queued) } qw(search shop orders mail);
} 15, 'the figures are those of poolctl';

# --- away, and back -----------------------------------------------------------

my ($worker) = $poold->workers('admin');
my $rounds = $browser->js('return document.documentElement.dataset.rounds');
signal_to 'KILL', $worker;
ok($browser->wait_js(20, 'return Number(document.documentElement.dataset.rounds) > arguments[0] + 2', $rounds + 0),
    'when its worker dies the page goes on with another');
ok($browser->js('return !document.querySelector("#service-search .foot").hidden'), '... and is logged in');
$browser->click('#login');
ok($browser->wait_js(10, 'return document.querySelector("#service-search .foot").hidden'), 'logging out takes the buttons away');

# fetch's own lines for the answers that were asked for here, and a connection that was cut
my @bad = grep { $_->{level} =~ /SEVERE|WARNING/ && $_->{message} !~ m{/(?:actions/scale|login|events|session) - Failed to load resource} } $browser->console;
is_deeply([ map { $_->{message} } @bad ], [], 'there are no errors on the console');
$browser->quit;

finish();
