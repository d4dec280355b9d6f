# rae-auto: records each command that ends in this shell as the event shell.command. Only the first word of the
# command line is recorded, never an argument. RAE_SHELL_EVENTS=off turns this off in a shell.
if status is-interactive
    function __rae_auto_before --on-event fish_preexec
        set -g __rae_auto_cwd $PWD
    end

    # The first word behind assignments, if it stands there as it is: what would have to be expanded is not told.
    function __rae_auto_word
        string sub --length 2000 -- "$argv[1]" | read --null --tokenize --list --local words
        while string match --quiet --regex '^([!{]|not|time|and|or|begin|[A-Za-z_][A-Za-z0-9_]*=.*)$' -- "$words[1]"
            set --erase words[1]
        end
        string match --quiet --regex '^[^$()<>&|;]{1,200}$' -- "$words[1]"; and printf '%s' $words[1]
    end

    function __rae_auto_after --on-event fish_postexec
        set -l exit_code $status
        set -l milliseconds $CMD_DURATION
        # What is no command may be a password that was typed at the wrong moment.
        test "$RAE_SHELL_EVENTS" != off; and not set -q fish_private_mode; or return
        string match --quiet --regex '^\s' -- "$argv[1]"; and return
        # The line that brought this here is none of its business.
        set -q __rae_auto_cwd; or return
        set -l fields --field "exit_code:=$exit_code" --field "seconds:="(math "$milliseconds / 1000") --field "cwd=$__rae_auto_cwd"
        if test $exit_code -ne 127
            set -l program (__rae_auto_word "$argv[1]" | string collect)
            set -q program[1]; and set -a fields --field "program=$program"
        end
        # By another shell, so that neither jobs nor $last_pid know of it.
        command sh -c '"$@" </dev/null >/dev/null 2>&1 &' rae-auto @PROGRAM@ event send shell.command $fields
    end
end
