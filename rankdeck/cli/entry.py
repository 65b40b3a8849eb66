"""Where the `rankdeck` command begins: `--version` without the weight of a command line."""

from __future__ import annotations

import sys

from rankdeck import __version__


def main() -> None:
    """Answer `--version` at once, everything else through `rankdeck.cli.main`."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"rankdeck {__version__}\n")
        return
    from rankdeck.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
