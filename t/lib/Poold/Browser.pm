# SPDX-License-Identifier: ISC
package Poold::Browser;

# A headless Chromium, driven by Debian's chromedriver over plain HTTP (W3C
# WebDriver), so that a test needs no modules beyond perl's own.

use strict;
use warnings;
use File::Path qw(make_path);
use File::Spec;
use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX qw(WNOHANG);
use Time::HiRes qw(time sleep);
use Poold::Proc qw(signal_to);

my $json = JSON::PP->new->utf8->allow_nonref;

sub find_program {
	for my $name (@_) {
		for my $dir (File::Spec->path) {
			return "$dir/$name" if -x "$dir/$name" && !-d _;
		}
	}
	return;
}

# What is missing for a browser; undef: nothing.
sub missing {
	return 'chromium' unless find_program('chromium');
	return 'chromedriver (Debian: chromium-driver)' unless find_program('chromedriver');
	return;
}

# dir: a folder for what it leaves.
sub new {
	my ($class, %args) = @_;
	my $self = bless { http => HTTP::Tiny->new(timeout => 60 * ($ENV{POOLD_TEST_FACTOR} || 1)),
		%args }, $class;
	make_path($self->{dir});
	my $port = Poold::Test::free_port();
	$self->{url} = "http://127.0.0.1:$port";
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0) {
		setpgrp(0, 0);
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', "$self->{dir}/chromedriver.log");
		open(STDERR, '>&', \*STDOUT);
		$ENV{HOME} = $ENV{TMPDIR} = $self->{dir};
		exec find_program('chromedriver'), "--port=$port" or POSIX::_exit(127);
	}
	Poold::Test::wait_until(sub {
		my $status = eval { $self->call(GET => '/status') };
		return $status && $status->{ready};
	}, 30) or die "chromedriver does not start\n";
	$self->begin;
	return $self;
}

sub begin {
	my ($self) = @_;
	my @args = ('--headless=new', '--disable-gpu', '--disable-quic', '--no-first-run',
		'--disable-background-networking', '--disable-component-update', '--disable-sync',
		'--disable-default-apps', '--disable-dev-shm-usage', '--hide-scrollbars',
		'--force-color-profile=srgb', '--lang=en-US', '--window-size=1280,900',
		"--user-data-dir=$self->{dir}/profile", $> == 0 ? '--no-sandbox' : ());
	my $session = $self->call(POST => '/session', { capabilities => { alwaysMatch => {
		browserName => 'chrome',
		'goog:chromeOptions' => { binary => find_program('chromium'), args => \@args },
		'goog:loggingPrefs' => { browser => 'ALL' },
	} } });
	$self->{session} = $session->{sessionId};
}

# One command of WebDriver: its value.  Dies with what the driver says.
sub call {
	my ($self, $method, $path, $body) = @_;
	my $response = $self->{http}->request($method, $self->{url} . $path, {
		headers => { 'Content-Type' => 'application/json' },
		$method eq 'POST' ? (content => $json->encode($body // {})) : () });
	my $reply = eval { $json->decode($response->{content}) };
	die "chromedriver: $path: $response->{status} $response->{content}\n"
	    unless $response->{success} && $reply;
	return $reply->{value};
}

sub command {
	my ($self, $method, $path, $body) = @_;
	return $self->call($method, "/session/$self->{session}$path", $body);
}

sub go { my ($self, $url) = @_; return $self->command(POST => '/url', { url => $url }) }

# Runs a function's body in the page: what it returns.
sub js {
	my ($self, $script, @args) = @_;
	return $self->command(POST => '/execute/sync', { script => $script, args => \@args });
}

# A command of Chromium's own debugging protocol.
sub cdp {
	my ($self, $name, %params) = @_;
	return $self->command(POST => '/goog/cdp/execute', { cmd => $name, params => \%params });
}

# Waits until the body gives something true, which it returns.
sub wait_js {
	my ($self, $seconds, $script, @args) = @_;
	my $found;
	Poold::Test::wait_until(sub { $found = $self->js($script, @args) }, $seconds);
	return $found;
}

# A click as a person does it: it scrolls there, and fails when something is above.
sub click {
	my ($self, $selector) = @_;
	my $element = $self->command(POST => '/element', { using => 'css selector', value => $selector });
	my ($id) = values %$element;
	return $self->command(POST => "/element/$id/click");
}

sub type {
	my ($self, $selector, $text) = @_;
	my $element = $self->command(POST => '/element', { using => 'css selector', value => $selector });
	my ($id) = values %$element;
	return $self->command(POST => "/element/$id/value", { text => $text });
}

# Keys for whatever has the focus.
sub keys {
	my ($self, @keys) = @_;
	return $self->command(POST => '/actions', { actions => [ { type => 'key', id => 'keyboard',
		actions => [ map { ({ type => 'keyDown', value => $_ }, { type => 'keyUp', value => $_ }) } @keys ] } ] });
}

# light or dark, and the width of the window.
sub look {
	my ($self, $scheme, $width, $height) = @_;
	$self->cdp('Emulation.setEmulatedMedia',
	    features => [ { name => 'prefers-color-scheme', value => $scheme } ]);
	$self->cdp('Emulation.setDeviceMetricsOverride', width => $width + 0,
	    height => ($height // 900) + 0, deviceScaleFactor => 1,
	    mobile => $width < 600 ? JSON::PP::true : JSON::PP::false);
}

# A picture of the window, or of the whole page, as PNG.
sub picture {
	my ($self, $file, $whole) = @_;
	my $got = $self->cdp('Page.captureScreenshot', format => 'png',
	    captureBeyondViewport => $whole ? JSON::PP::true : JSON::PP::false);
	open(my $fh, '>:raw', $file) or die "$file: $!";
	print $fh decode_base64($got->{data});
	close $fh or die "$file: $!";
	return -s $file;
}

# What the page said on its console since the last time: level and message.
sub console {
	my ($self) = @_;
	return @{ $self->command(POST => '/se/log', { type => 'browser' }) };
}

sub quit {
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	eval { $self->command(DELETE => '') } if $self->{session};
	signal_to 'TERM', $pid;
	my $gone = Poold::Test::wait_until(sub { waitpid($pid, WNOHANG) == $pid }, 10);
	# what was left of its group
	kill 'KILL', -$pid;
	waitpid $pid, 0 unless $gone;
}

sub DESTROY {
	my ($self) = @_;
	local ($@, $?, $!);
	$self->quit;
}

1;
