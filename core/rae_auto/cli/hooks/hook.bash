# rae-auto: records each command that ends in this shell as the event shell.command. Only the first word of the
# command line is recorded, never an argument. RAE_SHELL_EVENTS=off turns this off in a shell.
if [[ $- == *i* && -z ${__rae_auto_hook-} ]]; then
    if ((BASH_VERSINFO[0] < 5)); then
        echo 'rae-auto: the hook needs bash 5 or newer' >&2
    else
        __rae_auto_hook=1 __rae_auto_none='' __rae_auto_began=0 __rae_auto_wanted=0 __rae_auto_line='' __rae_auto_cwd=''

        # Before the first simple command of a line; "$_" is passed on so that it stays what it was.
        __rae_auto_before() {
            __rae_auto_wanted=0
            [[ $BASH_COMMAND == __rae_auto_* ]] || __rae_auto_line=${BASH_COMMAND:0:2000} __rae_auto_cwd=$PWD
        }

        # The first word behind assignments, if it stands there as it is: what would have to be expanded is not told.
        __rae_auto_word() {
            local line=$1 name='^[A-Za-z_][A-Za-z0-9_]*(\[[^]]*\])?[+]?=' value
            local plain="[^[:space:]\\\\'\"\`\$()<>&|;]" escaped='\\.' single="'[^']*'" double='"([^"\`$]|\\.)*"'
            value="($plain|$escaped|$single|$double)"
            REPLY=
            while [[ $line =~ $name ]]; do
                [[ $line =~ ${name}${value}*[[:space:]]+ ]] || return 0
                line=${line#"${BASH_REMATCH[0]}"}
            done
            # Without anything to expand in it, so that this only takes the quotes away.
            [[ $line =~ ^${value}+([[:space:]]|$) ]] && eval "REPLY=${BASH_REMATCH[0]}"
            ((${#REPLY} <= 200)) || REPLY=
        }

        __rae_auto_after() {
            local status=$? ended=${EPOCHREALTIME/[^0-9]/} REPLY=
            local began=$__rae_auto_began line=$__rae_auto_line cwd=${__rae_auto_cwd:-$PWD}
            __rae_auto_began=0 __rae_auto_wanted=0 __rae_auto_line='' __rae_auto_cwd=''
            if ((began)) && [[ ${RAE_SHELL_EVENTS-} != off ]]; then
                # What is no command may be a password that was typed at the wrong moment.
                ((status == 127)) || __rae_auto_word "$line"
                local took=$((ended > began ? ended - began : 0)) seconds
                printf -v seconds '%d.%06d' $((took / 1000000)) $((took % 1000000))
                # In a shell between, so that neither jobs nor $! know of it.
                (@PROGRAM@ event send shell.command ${REPLY:+--field "program=$REPLY"} --field "exit_code:=$status" \
                    --field "seconds:=$seconds" --field "cwd=$cwd" </dev/null >/dev/null 2>&1 &)
            fi
            return "$status"
        }

        # Expanded when a line was entered and before it runs: in this very shell, which is why it may assign.
        PS0=${PS0-}'${__rae_auto_none:$((__rae_auto_wanted = 1, __rae_auto_began = ${EPOCHREALTIME/[^0-9]/}, 0)):0}'
        PROMPT_COMMAND="__rae_auto_after${PROMPT_COMMAND:+$'\n'$PROMPT_COMMAND}"
        # The trap that is there stays: of the words that would set it again, the third is what it does.
        eval "__rae_auto_line=($(trap -p DEBUG))"
        trap 'if ((__rae_auto_wanted)); then __rae_auto_before "$_"; fi'"${__rae_auto_line[2]:+$'\n'${__rae_auto_line[2]}}" DEBUG
        unset __rae_auto_line
    fi
fi
