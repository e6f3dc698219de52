"""One run from start to end: the DAG, the summary table, and where everything lies."""

import argparse
import subprocess
import sys
from pathlib import Path

import yaml


def run_name(configfiles: list[str]) -> str:
    """Name of the run that the last of these files to name one selects."""
    name = ""
    for file in ["config/config.yaml", *configfiles]:
        name = (yaml.safe_load(Path(file).read_text()) or {}).get("run", {}).get("name", name)
    return name


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", action="append", default=[], help="laid over config/config.yaml")
    parser.add_argument("--cores", default="all")
    options, extra = parser.parse_known_args(arguments)
    config = ["--configfile", *options.configfile] if options.configfile else []
    snakemake = [sys.executable, "-m", "snakemake", *config]
    if code := subprocess.run([*snakemake, "--cores", options.cores, *extra]).returncode:
        return code
    results = Path("results") / run_name(options.configfile)
    report, summary = results / "report.html", results / "tables/summary.md"
    if not summary.exists():
        return 0  # a dry run, or a target short of the tables
    print(f"\n{summary.read_text()}")
    for what, where in (
        ("report", report),
        ("tables", results / "tables"),
        ("figures", results / "figures"),
        ("models", results / "models"),
        ("hardware", results / "hardware"),
    ):
        print(f"{what + ':':10}{where}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
