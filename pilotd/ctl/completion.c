/* pilotctl completion: a script for each shell; all ask `pilotctl __complete` (complete.c). */
#include "ctl/ctl.h"

#include <string.h>

const struct flag *const completion_flags[] = { NULL };

/* Bash takes a colon or an equals sign for the end of a word: what it thinks stands there already
 * is cut off. */
static const char bash[] =
    "_pilotctl() {\n"
    "    local line=\"${COMP_LINE:0:COMP_POINT}\" current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
    "    local words word\n"
    "    read -ra words <<< \"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=(\"\")\n"
    "    [[ $current == [=:] ]] && current=\"\"\n"
    "    local begun=\"${words[-1]%\"$current\"}\"\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r word _; do\n"
    "        COMPREPLY+=(\"${word#\"$begun\"}\")\n"
    "    done < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -o default -F _pilotctl pilotctl\n";

static const char zsh[] =
    "#compdef pilotctl\n"
    "_pilotctl() {\n"
    "    local -a candidates\n"
    "    local word text\n"
    "    while IFS=$'\\t' read -r word text; do\n"
    "        candidates+=(\"${word//:/\\\\:}${text:+:$text}\")\n"
    "    done < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    if (( ${#candidates} )); then _describe pilotctl candidates; else _files; fi\n"
    "}\n"
    "if [[ $funcstack[1] == _pilotctl ]]; then _pilotctl \"$@\"; else compdef _pilotctl pilotctl; "
    "fi\n";

static const char fish[] = "function __pilotctl_complete\n"
                           "    set -l words (commandline -opc) (commandline -ct)\n"
                           "    set -l found ($words[1] __complete $words[2..-1] 2>/dev/null)\n"
                           "    if test (count $found) -gt 0\n"
                           "        printf '%s\\n' $found\n"
                           "    else\n"
                           "        __fish_complete_path (commandline -ct)\n"
                           "    end\n"
                           "end\n"
                           "complete -c pilotctl -f -a '(__pilotctl_complete)'\n";

int verb_completion(struct ctl *ctl)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
    for (size_t i = 0; i < ARRAY_COUNT(scripts) && ctl->args.count == 1; i++)
        if (strcmp(ctl->args.items[0], scripts[i].shell) == 0) {
            fputs(scripts[i].script, stdout);
            return EXIT_GOOD;
        }
    return ctl_fail(EXIT_USAGE, "completion: bash, zsh or fish is needed");
}
