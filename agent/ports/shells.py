"""The port to people's shells: what to put into bash, zsh or fish so that Tab completes a command of ours.

Each script asks the program itself: ``PROGRAM __complete WORD…``, the words that stand behind the program's name, the
last one being what is typed just now, perhaps empty. It answers with a line for each word that may follow, with a tab
and what it means behind it; no line at all lets the shell offer files. It never says anything on a failure.
"""

from collections.abc import Iterable, Mapping

WORD = "__complete"
"""Begins the request."""

_BASH = """\
_NAME_complete() {
    local IFS=$'\\n' line
    COMPREPLY=()
    while read -r line; do
        COMPREPLY+=("${line%%$'\\t'*}")
    done < <(command PROGRAM __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _NAME_complete PROGRAM
"""
_ZSH = """\
#compdef PROGRAM
_NAME_complete() {
    local -a found
    found=(${(f)"$(command PROGRAM __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#found} )); then
        found=("${(@)found//:/\\\\:}")
        found=("${(@)found/$'\\t'/:}")
        _describe PROGRAM found
    else
        _files
    fi
}
compdef _NAME_complete PROGRAM
"""
_FISH = """\
function __NAME_complete
    set -l found (command PROGRAM __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c PROGRAM -f -a '(__NAME_complete)'
"""
SHELLS: Mapping[str, str] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
HOW: Mapping[str, str] = {
    "bash": 'eval "$(PROGRAM completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(PROGRAM completion zsh)"   in ~/.zshrc, behind compinit',
    "fish": "PROGRAM completion fish > ~/.config/fish/completions/PROGRAM.fish",
}
"""How a person puts the script where the shell finds it."""


def script(program: str, shell: str) -> str:
    """What the shell has to read once. Raises KeyError for a shell that is not in `SHELLS`."""
    return SHELLS[shell].replace("NAME", program.replace("-", "_")).replace("PROGRAM", program)


def how(program: str, shell: str) -> str:
    """How to put it there, in one line."""
    return HOW[shell].replace("PROGRAM", program)


def answer(found: Iterable[tuple[str, str]], typed: str) -> str:
    """The lines for a shell: words that begin as `typed`, each with what it means."""
    fitting = [(word, " ".join(about.split())) for word, about in found if word.startswith(typed)]
    return "".join(f"{word}\t{about}\n" if about else f"{word}\n" for word, about in fitting)
