#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Completion of poolctl in bash and zsh: what each offers, and that both know all
# commands.
use FindBin;
use lib "$FindBin::Bin/lib";
use Poold::Test;
use Time::HiRes qw(time);

my $completions = Poold::Test::srcdir() . '/conf/completion';
my $poolctl = Poold::Test::real_program(Poold::Test::builddir() . '/poolctl');
my $dir = temp_dir();
delete @ENV{qw(POOLD_CONTROL ZDOTDIR BASH_ENV ENV)};
$ENV{XDG_RUNTIME_DIR} = $ENV{RUNTIME_DIRECTORY} = "$dir/nothing";
$ENV{HOME} = $dir;

my $poold = poold(<<'INI');
[poold]
access_log = off
control = @run@/c.sock

[listen main]
address = 127.0.0.1:@port@

[service search]
route = /search
command = @bin@/echo
workers = 1
description = no {"service":"fake"}, this

[service calc]
route = /calc
command = @bin@/echo
workers = 1

[service Old.calc_2]
route = /old
command = @bin@/echo
workers = 1
INI
my $socket = "$poold->{run}/c.sock";
my @services = qw(Old.calc_2 calc search);

# Nothing but the programs of this folder are found.
mkdir "$dir/$_" for 'path', 'files', 'files/folder';
write_program("$dir/path/$_") for qw(zz-tool zz-other);
write_file("$dir/path/zz-text", '');
write_file("$dir/files/a file", '');

sub write_file {
	my ($path, $text) = @_;
	open(my $fh, '>', $path) or die "$path: $!";
	print $fh $text;
	close $fh or die "$path: $!";
}

sub write_program { write_file($_[0], "#!/bin/sh\n"); chmod 0755, $_[0] }

sub output {
	open(my $out, '-|', @_) or die "$_[0]: $!";
	my @lines = <$out>;
	close $out;
	chomp @lines;
	return @lines;
}

# What bash offers for the last of the words; those after -- come out once each.
sub bash {
	my %offered = map { $_ => 1 } output('bash', '--norc', '--noprofile', '-c', <<'END',
source "$1" || exit
cd "$2" || exit
shift 2
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_poolctl "$1"
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
END
	    'bash', "$completions/poolctl.bash", "$dir/files", $poolctl, @_);
	return [ sort keys %offered ];
}

# --- the commands --------------------------------------------------------------

my @commands = sort map { /^  ([a-z]+) / ? $1 : () } output($poolctl, '-h');
cmp_ok(scalar @commands, '>', 10, 'poolctl -h lists commands');
my $manual = Poold::Proc::slurp(Poold::Test::srcdir() . '/man/poolctl.1');
my ($described) = $manual =~ /^The commands are:\n(.*?)^\.Ss /ms;
my %described = map { $_ => 1 } $described =~ /^\.It Cm (\S+)/mg;
is_deeply([ sort keys %described ], \@commands, 'poolctl(1) describes the same');
is_deeply(bash(''), \@commands, 'bash offers all commands, and nothing else');
is_deeply(bash('st'), [ 'status', 'stop' ], '... or those that begin so');
is_deeply([ sort map { /^\t\t'([a-z]+):/ ? $1 : () }
	    split /\n/, Poold::Proc::slurp("$completions/_poolctl") ],
    \@commands, 'the completion for zsh has the same commands');

# --- bash ------------------------------------------------------------------------

is_deeply(bash('-s', $socket, $_, ''), \@services, "$_: bash asks poold for its services")
    for qw(drain logs restart resume run scale slowlog status);
is_deeply(bash('-s', $socket, $_, ''), [], "$_: no service is offered")
    for qw(check config events metrics reload stop top upgrade);
is_deeply(bash('status', '-s', $socket, 'ca'), ['calc'], 'the socket may come behind the command');
is_deeply(bash('-s', "'$socket'", 'status', 'ca'), ['calc'], '... and in quotes');
is_deeply(bash('-s', $socket, 'status', 'calc', ''), [], 'one service is enough');
is_deeply(bash('-s', "$dir/none", 'status', ''), [], 'no service without a poold');
is_deeply(bash('status', ''), [], '... also by the default socket');
{
	local $ENV{POOLD_CONTROL} = $socket;
	is_deeply(bash('status', 's'), ['search'], 'POOLD_CONTROL names the socket');
}
is_deeply(bash('-s', ''), [ 'a file', 'folder' ], 'files after -s');
is_deeply(bash('-s', $socket, 'scale', 'calc', ''), ['auto'], 'scale: auto behind the service');
is_deeply(bash('-'), [qw(--json -V -h -s)], 'options before the command');
is_deeply(bash('events', '-'), [qw(--json -V -f -h -s)], '... and those of events');
is_deeply(bash('top', '-'), [qw(-V -d -h -s)], '... and of top');
is_deeply(bash('top', '-d', ''), [], 'nothing for seconds');
is_deeply(bash('run', 'calc', '-'), ['--'], 'run: -- behind the service');
{
	local $ENV{PATH} = "$dir/path:$ENV{PATH}";
	is_deeply(bash('run', 'calc', '--', 'zz'), [ 'zz-other', 'zz-tool' ],
	    'run: programs behind --, and no other files');
	is_deeply(bash('run', 'calc', 'zz-t'), ['zz-tool'], '... or without it');
}
is_deeply(bash('run', 'calc', '--', 'complet'), [], '... but no builtins of the shell');
is_deeply(bash('run', 'calc', '--', 'zz-tool', ''), [ 'a file', 'folder' ],
    "run: files behind the program");
is_deeply(bash('run', 'calc', '--', 'zz-tool', '-'), [], '... and no options of poolctl');

# --- zsh -------------------------------------------------------------------------

# Types the words and a tab on a terminal of a real zsh, for each argument; what it
# is about to offer is seen at compadd.
write_file("$dir/drive.zsh", <<'END');
zmodload zsh/zpty || exit
zpty z "zsh -f -i"
integer deadline=$((SECONDS + $2))
await() {
	local text chunk
	until text=$(<$HOME/offered) && [[ $text == *$1* ]]; do
		zpty -r -t z chunk || sleep 0.02
		((SECONDS < deadline)) || { print "no answer"; exit 1 }
	done
}
: >$HOME/offered
zpty -w z "PROMPT=; cd $HOME/files; source $HOME/in.zsh $1"
await ready
shift 2
for line; do
	: >$HOME/offered
	zpty -n -w z "$line"$'\t'
	await '
end'
	print -r -- "== $line"
	print -r -- "$(<$HOME/offered)"
	zpty -n -w z $'\x15'
done
zpty -d z
END
write_file("$dir/in.zsh", <<'END');
fpath=($1 $fpath)
autoload -Uz compinit
compinit -D -u
compadd() {
	local -a hits
	if [[ " ${(j: :)@[1,(i)--]} " != *\ -[a-zA-Z]#[OAD]\ * ]]; then
		builtin compadd -A hits "$@"
		print -rl -- $hits >>$HOME/offered
	fi
	builtin compadd "$@"
}
setopt no_auto_menu no_beep extended_glob
LISTMAX=10000
offer() { print >>$HOME/offered; _main_complete; print end >>$HOME/offered; compstate[insert]= compstate[list]= }
zle -C offer complete-word offer
bindkey '^I' offer
print ready >>$HOME/offered
END

sub zsh {
	my (@lines) = @_;
	my %offered;
	my $line = '';
	for (output('zsh', '-f', "$dir/drive.zsh", $completions, int patience(60),
		map { "$poolctl $_" } @lines)) {
		if (/^== \S+ (.*)/) {
			$line = $1;
		} elsif ($_ ne '' && $_ ne 'end') {
			$offered{$line}{ s/\\//gr } = 1;
		}
	}
	return map { [ sort keys %{ $offered{$_} // {} } ] } @lines;
}

SKIP: {
	my $missing = system('zsh -fc true 2>/dev/null') != 0;
	fail('there is no zsh') if $missing && $ENV{CI};
	skip('zsh is not installed', 17) if $missing;
	local $ENV{PATH} = "$dir/path:$ENV{PATH}";
	is(system('zsh', '-n', "$completions/_poolctl"), 0, 'zsh takes its completion');
	my @offered = zsh('', 'st', "-s $socket status ", "status -s $socket ca",
	    'status ', "-s $socket check ", '-s ', "-s $socket scale calc ", '-', 'events -',
	    'run calc -- zz-', "-s $socket run ", 'run calc zz-tool -', 'run calc -- complet',
	    "run -s $socket ca", 'run calc zz-tool a');
	is_deeply($offered[0], \@commands, 'zsh offers all commands, and nothing else');
	is_deeply($offered[1], [ 'status', 'stop' ], '... or those that begin so');
	is_deeply($offered[2], \@services, 'zsh asks poold for its services');
	is_deeply($offered[3], ['calc'], '... also with the socket behind the command');
	is_deeply($offered[4], [], 'no service without a poold');
	is_deeply([ grep { !/^-/ } @{ $offered[5] } ], [], 'check: nothing but options');
	is_deeply($offered[6], [ 'a file', 'folder' ], 'files after -s');
	is_deeply($offered[7], ['auto'], 'scale: auto behind the service');
	is_deeply($offered[8], [qw(--json -V -h -s)], 'options before the command');
	is_deeply($offered[9], [qw(--json -V -f -h -s)], '... and those of events');
	# zsh may offer all files of PATH
	is_deeply([ grep { $_ ne 'zz-text' } @{ $offered[10] } ], [ 'zz-other', 'zz-tool' ],
	    'run: programs behind --');
	is_deeply($offered[11], \@services, 'run: services');
	is_deeply($offered[12], [], 'run: no options of poolctl behind the program');
	is_deeply($offered[13], [], '... and no builtins');
	is_deeply($offered[14], ['calc'], 'run: options before the service');
	is_deeply($offered[15], ['a file'], 'run: files behind the program');
}

finish();
