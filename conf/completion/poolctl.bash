# SPDX-License-Identifier: ISC
# bash completion of poolctl(1).  Uses cur, the word to complete, and COMPREPLY of
# its caller.

# Those of the words that begin like cur.
_poolctl_offer() {
	local word
	for word; do
		[[ $word != "$cur"* ]] || COMPREPLY+=("$word")
	done
}

# The services of the poold that runs; nothing if there is none, or none that answers.
_poolctl_services() {
	local names
	mapfile -t names < <(timeout 2 "${ask[@]}" --json status 2>/dev/null </dev/null |
		tr '{,' '\n' | sed -n 's/^ *"service": *"\([A-Za-z0-9._-]*\)".*/\1/p')
	_poolctl_offer "${names[@]}"
}

_poolctl_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

# Programs only: run knows no builtins and no aliases.
_poolctl_programs() {
	local dir dirs file
	if [[ $cur == */* ]]; then
		_poolctl_files
		return
	fi
	IFS=: read -r -a dirs <<<"$PATH"
	for dir in "${dirs[@]}"; do
		for file in "$dir/$cur"*; do
			[[ ! -f $file || ! -x $file ]] || COMPREPLY+=("${file##*/}")
		done
	done
}

# The words of a command line that name something come in args: the command first.
_poolctl_arguments() {
	local command=${args[0]-}
	case $command:${#args[@]} in
	:0)
		_poolctl_offer check config drain events logs metrics reload restart resume \
			run scale slowlog status stop top upgrade
		;;
	drain:1 | logs:1 | restart:1 | resume:1 | run:1 | scale:1 | slowlog:1 | status:1)
		_poolctl_services
		;;
	scale:2) _poolctl_offer auto ;;
	run:2) _poolctl_programs ;;
	run:*) _poolctl_files ;;
	esac
}

_poolctl_options() {
	_poolctl_offer -h -V -s
	[[ ${args[0]-} == top ]] || _poolctl_offer --json
	case ${args[0]-} in
	events | logs) _poolctl_offer -f ;;
	top) _poolctl_offer -d ;;
	esac
}

_poolctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} word value='' ended='' i
	local ask=("$1") args=()
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $value == -s ]]; then
			# as the shell will read it, but for variables
			word=${word//[\'\"\\]/}
			ask=("$1" -s "${word/#\~\//$HOME/}")
			value=''
		elif [[ $value ]]; then
			value=''
		elif [[ $word == -- && ! $ended && (${args[0]-} != run || ${#args[@]} -le 2) ]]; then
			ended=yes
		elif [[ ! $ended && $word == -* && ! (${args[0]-} == run && ${#args[@]} -ge 2) ]]; then
			[[ $word != -[sd] ]] || value=$word
		else
			args+=("$word")
		fi
	done
	if [[ $value == -s ]]; then
		_poolctl_files
	elif [[ $value ]]; then
		:
	elif [[ ! $ended && ${args[0]-} == run && ${#args[@]} -eq 2 && $cur == -* ]]; then
		_poolctl_offer --
	elif [[ ! $ended && $cur == -* && ! (${args[0]-} == run && ${#args[@]} -gt 2) ]]; then
		_poolctl_options
	else
		_poolctl_arguments
	fi
} && complete -F _poolctl poolctl
