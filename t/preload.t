#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Workers that are forked from a template (preload = yes).
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Poold::Proc qw(alive signal_to stat_of title state);
use Time::HiRes qw(time sleep);

alarm patience(200); # some of it waits for time limits

sub config {
	my ($service, @more) = @_;
	return "[listen main]\naddress = 127.0.0.1:\@port\@\n\n[service app]\nroute = /\n"
	    . "command = \@bin\@/preload\npreload = yes\n$service\n" . join '', @more;
}

sub template_of {
	my ($poold, $name) = @_;
	my %children = $poold->children;
	my ($pid) = grep { $children{$_} =~ /^poold: $name template\b/ } keys %children;
	return $pid;
}

# What poolctl says of a service.
sub status {
	my ($poold, $name) = @_;
	my $poolctl = Poold::Test::builddir() . '/poolctl';
	return scalar `$poolctl -s $poold->{run}/c.sock status $name 2>&1`;
}

sub fd_count { my @fds = glob "/proc/$_[0]/fd/*"; return scalar @fds }

# A replacement for a worker that was killed; how long it took.
sub replaced {
	my ($poold, $name, $count, $victim) = @_;
	my $start = time;
	signal_to 'KILL', $victim;
	wait_until(sub {
		my @workers = $poold->workers($name);
		return @workers == $count && !grep { $_ == $victim } @workers;
	}, 10) or return;
	return time - $start;
}

# ---- the life of a worker

{
	my $poold = poold("[poold]\ncontrol = \@run\@/c.sock\n" . config('workers = 3', <<'INI'));
[service plain]
route = /plain
command = @bin@/preload
workers = 1
INI
	my $template = template_of($poold, 'app');
	ok($template, 'a pool with preload has a template');
	ok(!template_of($poold, 'plain'), '... one without has none');
	like(status($poold, 'app'),
	    qr/^ *SLOT .*\n *template +- +$template +ready .* \d+\.\d[KM] +\d\S* -\n *0 +1 /m,
	    'poolctl status shows it above its workers');
	unlike(status($poold, 'plain'), qr/template/, '... and none where there is none');
	my @workers = $poold->workers('app');
	is(scalar @workers, 3, 'its workers are there');
	is(scalar(grep { stat_of($_)->{ppid} == $poold->pid } @workers), 3,
	    '... children of the supervisor');
	my %told = map { my $json = $poold->get('/')->json; ($json->{pid} => $json) } 1 .. 30;
	is(join(' ', sort keys %told), join(' ', sort @workers), '... and answer, all of them');
	my ($one) = values %told;
	is($one->{loads}, 1, '... with what the template has loaded');
	is($one->{byte}, 'x', '... whole');
	is($one->{child_calls}, 1, '... after the hook of the program');
	ok(!$one->{template}, '... without POOLD_TEMPLATE');
	is($one->{sid}, $one->{pid}, '... in a session of its own');
	my %slots = map { $_->{slot} => 1 } values %told;
	is(join(' ', sort keys %slots), '0 1 2', '... each with its slot');
	is($poold->get('/plain')->json->{child_calls}, 0,
	    'the same program serves without a template');


	# deaths
	my $load = load($poold, target => '/', rate => 100);
	my $quickest;
	sleep 1.1; # a death that comes too soon is followed by a pause
	for my $victim (@workers) {
		my $took = replaced($poold, 'app', 3, $victim) // 99;
		$quickest = $took if !defined $quickest || $took < $quickest;
	}
	my $result = $load->stop;
	is(scalar @{ $result->{failures} }, 0, 'no request is lost when workers are killed')
	    or diag "@{ $result->{failures} }";
	cmp_ok($quickest, '<', 0.45, 'a new worker does not load anything anew');
	note sprintf 'a killed worker was replaced after %.0f ms', $quickest * 1000;
	is(template_of($poold, 'app'), $template, '... the template is the same');

	# the template
	my @before = $poold->workers('app');
	$poold->mark;
	signal_to 'KILL', $template;
	ok($poold->wait_log(qr/service app: its template \(pid $template\) was killed by signal 9/),
	    'a template that is killed is told of in the log');
	ok(wait_until(sub { my $new = template_of($poold, 'app'); $new && $new != $template }, 10),
	    '... and replaced');
	is(join(' ', $poold->workers('app')), "@before", '... its workers go on');
	is($poold->get('/')->status, 200, '... and answer');
	ok(defined replaced($poold, 'app', 3, $before[0]), '... and have successors again');
	$template = template_of($poold, 'app');
	signal_to 'KILL', $template, $before[1];
	ok(wait_until(sub {
		my @now = grep { $_ != $before[1] } $poold->workers('app');
		return @now == 3;
	}, 15), 'a worker and its template may die together');

	is($poold->stop, 0, 'it all ends with poold');
	is(scalar(grep { alive($_) } template_of($poold, 'app') // ()), 0, '... the template too');
	$poold->destroy;
}

# ---- templates that do what they should not

sub misbehaving {
	my ($what, @more) = @_;
	return config("workers = 2\nstart_timeout = 2s\n" . join('', @more))
	    =~ s{/preload\n}{/preload --do $what --if \@dir\@/flag\n}r;
}

my %broken = (
	'exit-early' => qr/app: its template \(pid \d+\) exited with status 3 before it was ready: cannot load: as asked/,
	'hang-early' => qr/its template \(pid \d+\) .* it took longer than start_timeout/,
	'thread' => qr/it has 2 threads when everything is loaded.* set preload = no/,
	'exit-late' => qr/its template \(pid \d+\) exited with status 4/,
	'lie' => qr/its template \(pid \d+\) .*it broke the lease contract/,
);
for my $what (sort keys %broken) {
	my $poold = poold(misbehaving($what));
	my @workers = $poold->workers('app');
	my $template = template_of($poold, 'app');
	open(my $flag, '>', "$poold->{dir}/flag") or die;
	close $flag;
	$poold->write_config(misbehaving($what, "env.CHANGED = 1\n"));
	my $line = $poold->reload(20);
	like($line, qr/reload failed.*$broken{$what}/, "$what: the reload fails, and says why");
	is(join(' ', $poold->workers('app')), "@workers", '... the old generation goes on');
	is(template_of($poold, 'app'), $template, '... with its template')
	    if wait_until(sub { (template_of($poold, 'app') // 0) == $template }, 5);
	is($poold->get('/')->status, 200, '... and answers');
	unlink "$poold->{dir}/flag";
	like($poold->reload(20), qr/reload(?:ed| done)/, '... the next reload goes well');
	is($poold->stop, 0, '... and poold ends');
}

# A template that hangs when it is to fork is ended after its time.
{
	my $poold = poold(misbehaving('hang-late'));
	my ($victim) = $poold->workers('app');
	my $template = template_of($poold, 'app');
	open(my $flag, '>', "$poold->{dir}/flag") or die;
	close $flag;
	signal_to 'KILL', $victim;
	ok($poold->wait_log(qr/template \(pid $template\) .*did not fork a worker in time/, 30),
	    'a template that hangs while it forks is ended');
	is($poold->get('/')->status, 200, '... while another worker answers');
	unlink "$poold->{dir}/flag";
	ok(wait_until(sub { my @now = $poold->workers('app'); @now == 2 }, 30),
	    '... and the next one forks');
	my $status = $poold->stop('INT');
	is($status, 0, '... it all ends');
}

# A program that is none
{
	my $poold = new_poold(config('workers = 1') =~ s{/preload\n}{/echo\n}r);
	$poold->start(nowait => 1);
	ok($poold->wait_log(qr/service app: its template .*it is no template: set preload = no/, 15),
	    'a program that cannot be a template says so');
	$poold->stop;
}

# ---- scaling, restarts, descriptors, upgrade

{
	my $poold = poold(config("scaling = ondemand\nworkers_max = 4\nidle_timeout = 200ms"));
	ok(wait_until(sub { template_of($poold, 'app') }, 5), 'a service without workers has its template');
	my $start = time;
	is($poold->get('/')->status, 200, '... which makes one for the first request');
	note sprintf 'the first request took %.0f ms', (time - $start) * 1000;
	is($poold->get('/')->json->{loads}, 1, '... that has loaded nothing itself');
	$poold->stop;
}
{
	my $rounds = $ENV{POOLD_TEST_FACTOR} ? 40 : 200;
	my $poold = poold(config("workers = 4\nmax_requests = 1\nrecycle_jitter = 0"));
	my $template = template_of($poold, 'app');
	$poold->get('/') for 1 .. 8;
	wait_until(sub { my @now = $poold->workers('app'); @now == 4 }, 10);
	my @before = (fd_count($poold->pid), fd_count($template));
	my %pids;
	# who has had its request goes on until its successor is there
	ok(wait_until(sub {
		my $r = $poold->get('/');
		$pids{ $r->json->{pid} }++ if $r->status == 200;
		return keys %pids >= $rounds;
	}, 40), 'workers are replaced again and again')
	    or diag scalar keys %pids;
	ok(wait_until(sub {
		my @now = $poold->workers('app');
		@now == 4 && fd_count($poold->pid) <= $before[0] + 2 && fd_count($template) == $before[1];
	}, 15), '... and no descriptor is lost on the way')
	    or diag "@before: " . fd_count($poold->pid) . ' ' . fd_count($template);
	is(template_of($poold, 'app'), $template, '... of one template');

	my @workers = $poold->workers('app');
	$poold->mark;
	$poold->signal('USR2');
	ok($poold->wait_log(qr/goes on in the place of/, 20), 'poold is upgraded');
	is(template_of($poold, 'app'), $template, '... the template stays');
	is($poold->get('/')->status, 200, '... its workers answer');
	ok(wait_until(sub {
		my %now = map { $_ => 1 } $poold->workers('app');
		keys %now == 4 && grep { !$now{$_} } @workers;
	}, 15), '... and it forks their successors');
	my $load = load($poold, target => '/', rate => 50);
	is($poold->reload(20) =~ /reload(?:ed| done)/, 1, '... a reload goes well');
	is(scalar @{ $load->stop->{failures} }, 0, '... no request is lost');
	$poold->stop;
}
# An upgrade while the template has been asked for a worker that is not there yet.
{
	my $poold = poold(misbehaving('hang-late') =~ s/start_timeout = 2s/start_timeout = 30s/r);
	my ($victim, $other) = $poold->workers('app');
	my $template = template_of($poold, 'app');
	open(my $flag, '>', "$poold->{dir}/flag") or die;
	close $flag;
	signal_to 'KILL', $victim;
	ok($poold->wait_log(qr/worker \d+ \(pid $victim\) was killed/), 'a worker dies');
	my $naps = sub { Poold::Proc::status_of($template)->{voluntary_ctxt_switches} };
	my $before = $naps->();
	# it naps in the middle of its fork, again and again
	ok(wait_until(sub { $naps->() >= $before + 4 }, 10), '... and the template is asked for its successor');
	$poold->signal('USR2');
	my $upgraded = $poold->wait_log(qr/goes on in the place of/, 2);
	is($poold->get('/')->pid, $other, '... when poold is upgraded, the other answers');
	unlink "$poold->{dir}/flag";
	ok($upgraded || $poold->wait_log(qr/goes on in the place of/, 20), '... the upgrade is done');
	ok(wait_until(sub { my @now = $poold->workers('app'); @now == 2 }, 20), '... and there are two workers');
	my $now = template_of($poold, 'app');
	my ($next) = grep { $_ != $other } $poold->workers('app');
	ok(wait_until(sub { my %seen = map { $poold->get('/')->pid => 1 } 1 .. 8; keys %seen == 2 }, 10),
	    '... which both answer');
	ok(defined replaced($poold, 'app', 2, $next), '... and the template goes on forking');
	# none that nobody knows: each process with its title is one of the two
	my %children = $poold->children;
	is(scalar(grep { $children{$_} =~ /^poold: app / } keys %children), 3, '... no worker is left over');
	is($poold->stop, 0, '... and poold ends');
	note 'upgraded ' . ($upgraded ? 'at once' : 'when it had forked') . '; the template '
	    . ($now == $template ? 'stayed' : 'was replaced');
}

# ---- the watchdog

{
	my $poold = poold(config("workers = 2\nhealth_type = watchdog\nhealth_interval = 500ms"));
	my $template = template_of($poold, 'app');
	my @workers = $poold->workers('app');
	$poold->mark;
	signal_to 'STOP', $workers[0];
	ok($poold->wait_log(qr/worker \d+ \(pid $workers[0]\) did not send WATCHDOG=1/),
	    'a forked worker that stops sending to the watchdog is found out');
	ok(wait_until(sub {
		my @now = $poold->workers('app');
		@now == 2 && !grep { $_ == $workers[0] } @now;
	}, 30), '... and another one is forked'); # one that is stopped needs all of stop_timeout
	is($poold->get('/')->json->{loads}, 1, '... from the same template');
	is(template_of($poold, 'app'), $template, '... of which nobody expects to send');
	unlike($poold->log_text($poold->{log_mark}), qr/\(pid $workers[1]\) did not send/, '... and who sends stays');
	$poold->stop;
}
Poold::Test::finish();
