"""Install pinned and hashed requirements, and say how far it is: pip alone is silent for minutes, or says far too much.

Usage: python requirements/install.py requirements/dev.txt
"""

import re
import subprocess
import sys
from pathlib import Path

LINES = 20  # at most so many are shown while packages are fetched


def main(requirements: str) -> int:
    """Install, and return pip's exit code."""
    total = len(re.findall(r"^[\w.\[\]-]+==", Path(requirements).read_text(encoding="utf-8"), re.MULTILINE))
    argv = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    fetched = 0
    with subprocess.Popen(
        [*argv, "--require-hashes", "-r", requirements], stdout=subprocess.PIPE, text=True
    ) as pip:  # its errors go where ours go
        for line in pip.stdout or ():
            if line.startswith("Collecting "):
                fetched += 1
                if fetched % (total // LINES + 1) == 0:
                    _say(f"  fetched {fetched} of {total} packages at most")
            elif line.startswith("Installing collected"):
                _say("  installing them")
    return pip.returncode


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
