# SPDX-License-Identifier: ISC
package Poold::LanguageChaos;

# What t/chaos-languages.t and bench/chaos --languages do to the workers of one
# language, while bench/ledger asks for bench/languages/app.*: kill them, and the
# processes that they have for it, with SIGKILL.

use strict;
use warnings;
use parent 'Poold::Chaos';
use List::Util qw(shuffle);
use Time::HiRes qw(time sleep);
use Poold::Control;
use Poold::Proc qw(alive stat_of signal_to);
use Poold::Runner ();
use Poold::Test ();

# A worker that dies within a second of being ready counts as dying young, and
# waits for its successor.  An application that died twice within one request
# fails it, by poold-fastcgi(8); no request takes a second.
my $OLD_ENOUGH = 1.05;
our $LARGE = 'size=102400';

# runner: files of libexec; runtime: programs; app: the file, or how it is made;
# ini: lines of the service; workers; concurrency: requests that a worker has at most;
# inner: the program of a worker's own process for the language; template: 1 if one
# process of poold's is what workers are forked from; streams: a large answer is
# written in parts, so that it may be cut.
my %languages = (
	c => { app => 'chaos-worker', workers => 16 },
	python => { runner => ['poold-python'], app => 'app.py', workers => 16,
		template => 1 },
	asgi => { runner => ['poold-python'], app => 'app.py', workers => 8,
		template => 1, language => 'python', callable => ':asgi', concurrency => 16 },
	cgi => { runner => ['poold-cgi'], app => 'app.cgi', workers => 16, streams => 1 },
	php => { runner => ['poold-fastcgi'], runtime => ['php-cgi'], app => 'app.php',
		workers => 8, inner => qr/^php-cgi/, streams => 1, ini => 'only_scripts = yes' },
	csharp => { runner => [ 'poold-csharp', 'Poold.dll' ], runtime => [ 'mcs', 'mono' ],
		app => 'App.cs', workers => 6 },
	node => { runner => [ 'poold-node', Poold::Runner::files('poold-node*.js') ], runtime => ['node'],
		app => 'app.js', workers => 6, inner => qr/^node/, concurrency => 64 },
);
our @NAMES = qw(c python asgi cgi php csharp node);

# What a language lacks here; '': nothing.
sub lacks {
	my ($name) = @_;
	my $language = $languages{$name} // return "no language $name";
	for my $file (@{ $language->{runner} // [] }) {
		return "$file was not built" unless -e Poold::Runner::path_of($file);
	}
	for my $program (@{ $language->{runtime} // [] }) {
		return "$program is not installed"
		    if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
	}
	return '';
}

# workers; nowait: return before poold serves.
sub new {
	my ($class, $name, %args) = @_;
	my $language = $languages{$name};
	my $self = bless { name => $name, concurrency => 1, template => 0, seen => {},
		first_id => 1, victims => [],
		killed => { worker => 0, inner => 0 }, %$language,
		map { $_ => $args{$_} } grep { defined $args{$_} } keys %args }, $class;
	my $poold = $self->{poold} = Poold::Test::new_poold($self->config);
	$poold->{keep} = qr/^apps\//;
	mkdir "$poold->{dir}/$_" for qw(apps tmp);
	chmod 0777, "$poold->{dir}/tmp";
	for my $file (@{ $self->{runner} // [] }) {
		Poold::Test::copy_program(
		    Poold::Test::real_program(Poold::Runner::path_of($file)),
		    "$poold->{bin}/$file");
	}
	$self->make_app;
	$poold->start(nowait => $self->{nowait});
	return $self;
}

sub make_app {
	my ($self) = @_;
	my $apps = "$self->{poold}{dir}/apps";
	my $from = $self->{name} eq 'c' ? Poold::Test::builddir() . '/bench'
	    : Poold::Test::srcdir() . '/bench/languages';
	Poold::Test::copy_program("$from/$self->{app}", "$apps/$self->{app}");
	return if $self->{name} ne 'csharp';
	system('mcs', '-r:' . Poold::Runner::path_of('Poold.dll'), "-out:$apps/App.exe",
	    "$apps/App.cs") == 0 or die "mcs does not compile App.cs\n";
}

sub config {
	my ($self) = @_;
	my $language = $self->{language} // $self->{name};
	my $app = $self->{app} =~ s/\.cs$/.exe/r . ($self->{callable} // '');
	return "[poold]\naccess_log = off\nlibexec = \@bin\@\ncontrol = \@run\@/control\n"
	    . ($> == 0 ? "user = nobody\n" : '') . <<"INI"
[listen main]
address = 127.0.0.1:\@port\@
keepalive_requests = 1000000000

[service chaos]
route = /chaos
language = $language
app = \@dir\@/apps/$app
workers = $self->{workers}
retries = 20
start_timeout = 60s
env.TMPDIR = \@dir\@/tmp
env.CHAOS_HOME = \@dir\@
INI
	    . ($self->{concurrency} > 1 ? "concurrency = $self->{concurrency}\n" : '')
	    . ($self->{ini} // '');
}

# --- the load

# Half of the requests take a moment, so that a kill meets some; a tenth have
# answers of 100 KiB.
sub load {
	my ($self, %o) = @_;
	return $self->ledger(x => [ '450:sleep_us=5000', "100:$LARGE" ], %o);
}

# Of a report: the large answers that were cut.
sub cut { return $_[1]{"fate.cut.$LARGE"} // 0 }

# --- who lives

sub children {
	my ($pid) = @_;
	return split ' ', Poold::Proc::slurp("/proc/$pid/task/$pid/children") // '';
}

sub program {
	my ($pid) = @_;
	return (readlink("/proc/$pid/exe") // '') =~ s{.*/|\s.*}{}gr;
}

# A status, as poold gives it.
sub status {
	my ($self, %of) = @_;
	Poold::Test::wait_until(sub {
		$self->{control} //= eval { Poold::Control->new("$self->{poold}{run}/control") };
	}, 15) or die "$self->{name}: poold does not serve\n" . $self->{poold}->log_text;
	return $self->{control}->ask('status', %of);
}

# What may be killed: pid => { kind, age, start }.  The age is since it was first
# seen to be ready; start tells a pid from its reuse.
sub living {
	my ($self) = @_;
	my $service = $self->status(service => 'chaos');
	my @workers = map { $_->{pid} } grep { $_->{state} =~ /^(?:idle|busy)$/ }
	    @{ $service->{workers} };
	my @inner = $self->{inner} ? grep { program($_) =~ $self->{inner} }
	    map { children($_) } @workers : ();
	my $template = $service->{template};
	push @inner, $template->{pid} if $template && $template->{state} eq 'ready';
	my %living = ((map { $_ => { kind => 'worker' } } @workers),
	    (map { $_ => { kind => 'inner' } } @inner));
	my %seen;
	for my $pid (keys %living) {
		my $one = $living{$pid};
		$one->{start} = (stat_of($pid) // {})->{start} // 0;
		my $key = "$pid.$one->{start}";
		$seen{$key} = $self->{seen}{$key} // time;
		$one->{age} = time - $seen{$key};
	}
	$self->{seen} = \%seen;
	return %living;
}

sub wait_whole {
	my ($self) = @_;
	return Poold::Test::wait_until(sub {
		my %living = $self->living;
		my $want = $self->{workers} * ($self->{inner} ? 2 : 1) + $self->{template};
		return keys %living == $want && $self->{poold}->router;
	}, 60);
}

# --- the deed

# Kills one process that is old enough, if there is any.  Returns whether it did.
sub kill_one {
	my ($self) = @_;
	my $victim = shift @{ $self->{victims} };
	if (!$victim) {
		my %living = $self->living;
		my @old = grep { $living{$_}{age} >= $OLD_ENOUGH } keys %living;
		# to look takes longer than to kill, and those that are old are of one age
		$self->{victims} = [ shuffle map { { pid => $_, %{ $living{$_} } } } @old ];
		$victim = shift @{ $self->{victims} } // return 0;
	}
	# in no step with anything
	sleep rand 0.01;
	# its worker may have been killed meanwhile, and it with that
	my $now = stat_of($victim->{pid}) // return 0;
	return 0 if $now->{start} != $victim->{start} || $now->{state} eq 'Z';
	signal_to('KILL', $victim->{pid});
	$self->{killed}{ $victim->{kind} }++;
	return 1;
}

sub killed { return $_[0]{killed}{worker} + $_[0]{killed}{inner} }

# Whether each kind was killed.
sub has_killed {
	my ($self) = @_;
	return $self->{killed}{worker}
	    && ($self->{killed}{inner} || !($self->{inner} || $self->{template}));
}

# --- what is left

# Processes that poold has made, and it itself: pid => [role, descriptors].
sub tree {
	my ($self) = @_;
	my @pids = ($self->{poold}->pid);
	my %tree;
	while (defined(my $pid = shift @pids)) {
		my $fds = Poold::Proc::fds($pid) // {};
		my $role = Poold::Proc::title($pid) =~ /^poold: (supervisor|router|logger)/
		    ? $1 : program($pid);
		$tree{$pid} = [ $role, scalar keys %$fds ];
		push @pids, children($pid);
	}
	return %tree;
}

# Processes of this poold that are no longer below it.
sub strays {
	my ($self) = @_;
	my $poold = $self->{poold};
	my %tree = defined $poold->exited ? () : $self->tree;
	my %ours = map { $_ => 1 } Poold::Proc::mentioning($poold->{dir}),
	    grep { (Poold::Proc::slurp("/proc/$_/environ") // '')
		=~ /(?:^|\0)CHAOS_HOME=\Q$poold->{dir}\E(?:\0|$)/ } Poold::Proc::pids();
	return map { "$_ (" . Poold::Proc::title($_) . ')' }
	    grep { !$tree{$_} && $_ != $$ && alive($_) } sort { $a <=> $b } keys %ours;
}

# Processes and descriptors by role, when nobody asks for anything and each
# worker has answered.
sub sample {
	my ($self) = @_;
	$self->wait_whole or die "$self->{name}: not all workers are there\n";
	my $warm_up = $self->report($self->load(c => 8, n => 20 * $self->{workers}));
	Poold::Test::wait_until(sub { ($self->status->{poold}{connections} // 1) == 0 }, 10)
	    or die "$self->{name}: connections that nobody has\n";
	my %sample;
	for (values %{ { $self->tree } }) {
		my ($role, $fds) = @$_;
		$sample{$role}{processes}++;
		$sample{$role}{fds} += $fds;
	}
	$sample{failed} = $warm_up->{failed};
	return \%sample;
}

# The same text for the same cost.
sub cost {
	my ($sample) = @_;
	return join ', ', map { my $role = $_;
		"$sample->{$role}{processes} $role with $sample->{$role}{fds} descriptors" }
	    grep { ref $sample->{$_} } sort keys %$sample;
}

# Waits until as much is there as there was.
sub wait_cost {
	my ($self, $before) = @_;
	my $after;
	Poold::Test::wait_until(sub {
		$after = $self->sample;
		return cost($after) eq cost($before);
	}, 10);
	return $after;
}

# --- what must hold

# Of the report of a load under which processes were killed.  A large answer may be
# cut where it is written in parts: at most one for each death.
sub broken {
	my ($self, $report) = @_;
	my $cut = $self->{streams} ? $self->cut($report) : 0;
	my $failed = $report->{failed} - $cut;
	my @broken;
	push @broken, "$failed requests failed" if $failed;
	push @broken, "$cut large answers were cut by " . $self->killed . ' kills'
	    if $cut > $self->killed;
	push @broken, 'not all was killed that can be' if !$self->has_killed;
	push @broken, "no request with $_ was answered" for grep { !$report->{"fate.ok.$_"} }
	    'plain', 'sleep_us=5000', $LARGE;
	return @broken;
}

# Ends poold.  Returns what is left of it.
sub left {
	my ($self) = @_;
	my $poold = $self->{poold};
	my @left;
	delete $self->{control};
	$self->{counters} = $self->counters;
	push @left, "poold ended with status $self->{exit}" if $self->{exit} ne '0';
	Poold::Test::wait_until(sub { !$self->strays }, 5);
	return (@left, $self->strays, glob("$poold->{dir}/tmp/*"), glob("$poold->{run}/*"));
}

1;
