"""``nas COMMAND [overrides]``: dispatches to the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import nas
from nas.cli.commands import COMMANDS
from nas.cli.hydra.completion import complete_value
from nas.cli.screen import USER_ERROR, error, standard_streams
from nas.errors import unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, 2 after a user error, 130 after an interrupt."""
    with standard_streams():
        return _main(list(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"hwnas {nas.__version__}")
        return 0
    if arguments[0] in ("-sc", "--shell-completion"):
        return _complete(arguments)
    if arguments[0] not in COMMANDS:
        error(str(unknown("command", arguments[0], COMMANDS, hint="`nas --help` says what each does")))
        return USER_ERROR
    return COMMANDS[arguments[0]].main(arguments[1:])


def run_module(name: str, file: str) -> None:
    """Runs the command that a module is named after, if Python was started with that module."""
    if name == "__main__":
        sys.exit(main([Path(file).stem, *sys.argv[1:]]))


def overview() -> str:
    """The list of commands."""
    lines = [f"  {name:<8} {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "nas: searches for neural networks that are accurate and fast on your hardware",
            "",
            "usage: nas COMMAND [SETTING=VALUE ...]",
            "",
            *lines,
            "",
            '`nas COMMAND --help` shows every setting. Completion in bash: eval "$(nas -sc install=bash)"',
        ]
    )


def _complete(arguments: list[str]) -> int:
    """Shell completion: completes commands and registered values; Hydra completes a command's settings.

    Hydra's shell function calls ``nas -sc query=bash`` with the line typed so far in COMP_LINE. Hydra has no
    commands, so the command is removed from that line first.
    """
    if not any(argument.startswith("query=") for argument in arguments):
        return COMMANDS["run"].main(
            arguments
        )  # prints the shell function, which is the same for every command
    program, *words = os.environ.get("COMP_LINE", "").split(" ")
    words = [word for word in words if word]
    if not words or words[0] not in COMMANDS:
        print(" ".join(name for name in COMMANDS if name.startswith(words[0] if words else "")))
        return 0
    if not os.environ["COMP_LINE"].endswith(" ") and (values := complete_value(words[-1])):
        print(" ".join(values))
        return 0
    rest = os.environ["COMP_LINE"].split(words[0], 1)[1]
    os.environ["COMP_LINE"] = f"{program}{rest}"
    return COMMANDS[words[0]].main(arguments)


if __name__ == "__main__":
    sys.exit(main())
