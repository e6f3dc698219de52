"""`snakemake --lint` without the one wish that does not apply: one locked environment serves every rule."""

import subprocess
import sys

ACCEPTED = "Specify a conda environment or container for each rule."


def lints() -> list[str]:
    """What Snakemake's linter finds beyond that wish, a line each; its output where it could not run."""
    done = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    if not any("Lints for" in line or "Congratulations" in line for line in lines):
        return lines
    where, found = "", []
    for line in lines:
        if line.startswith("Lints for"):
            where = line.removeprefix("Lints for ").rstrip(":")
        elif line.startswith("    * ") and ACCEPTED not in line:
            found.append(f"{where}: {line.strip(' *:')}")
    return found


if __name__ == "__main__":
    remaining = lints()
    print("\n".join(remaining) or "snakemake --lint: clean")
    sys.exit(bool(remaining))
