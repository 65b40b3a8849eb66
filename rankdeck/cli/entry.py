"""Where the `rankdeck` command begins, before the weight of a command line is loaded."""

from __future__ import annotations

import sys

from rankdeck import __version__


def main() -> None:
    """Answer `--version` at once, everything else through `rankdeck.cli.main`.

    `run` needs a supervisor: its interpreter loads while this one does.
    """
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"rankdeck {__version__}\n")
        return
    if sys.argv[1:2] == ["run"]:
        from rankdeck.run.spawn import start_early

        start_early()
    from rankdeck.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
