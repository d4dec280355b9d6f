# rae-auto: records each command that ends in this shell as the event shell.command. Only the first word of the
# command line is recorded, never an argument. RAE_SHELL_EVENTS=off turns this off in a shell.
if [[ -o interactive ]] && zmodload zsh/datetime; then
    typeset -g _rae_auto_began='' _rae_auto_program='' _rae_auto_cwd=''

    _rae_auto_before() {
        [[ ! -o hist_ignore_space || $1 != ' '* ]] || return 0
        _rae_auto_began=$EPOCHREALTIME _rae_auto_cwd=$PWD
        _rae_auto_word "${3[1,2000]}"
    }

    # The first word behind assignments, if it stands there as it is: what would have to be expanded is not told.
    _rae_auto_word() {
        emulate -L zsh -o extended_glob
        local -a words=("${(Z:C:)1}")
        _rae_auto_program=''
        while [[ $words[1] == (\{|!|time|noglob|nocorrect|-) || $words[1] == [A-Za-z_][A-Za-z0-9_]#(\[*\]|)(+|)=* ]]; do
            # A list goes on over several words.
            [[ $words[1] != *=\(* ]] || return 0
            shift words
        done
        [[ $words[1] == *[\$\`\(\)\<\>\&\|\;]* ]] || _rae_auto_program=${(Q)words[1]}
        (( $#_rae_auto_program <= 200 )) || _rae_auto_program=''
    }

    _rae_auto_after() {
        local exit_code=$? began=$_rae_auto_began program=$_rae_auto_program
        emulate -L zsh
        [[ -n $began ]] || return 0
        _rae_auto_began='' _rae_auto_program=''
        [[ $RAE_SHELL_EVENTS != off ]] || return 0
        # What is no command may be a password that was typed at the wrong moment.
        (( exit_code != 127 )) || program=''
        local seconds fields=()
        [[ -z $program ]] || fields=(--field "program=$program")
        printf -v seconds '%.6f' $(( EPOCHREALTIME > began ? EPOCHREALTIME - began : 0 ))
        # In a shell between, so that neither jobs nor $! know of it.
        (@PROGRAM@ event send shell.command $fields --field "exit_code:=$exit_code" \
            --field "seconds:=$seconds" --field "cwd=$_rae_auto_cwd" </dev/null >/dev/null 2>&1 &)
    }

    autoload -Uz add-zsh-hook
    add-zsh-hook preexec _rae_auto_before
    add-zsh-hook precmd _rae_auto_after
fi
