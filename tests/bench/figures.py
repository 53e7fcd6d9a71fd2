"""What a part of the benchmark gives: figures, with their spread and what they should reach."""

import dataclasses
import json
import operator
import os
import platform
import re
import statistics
import subprocess

OPERATORS = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}


@dataclasses.dataclass
class Figure:
    """One line of the table: the median of `values`. `aim` is such as (">=", 0.6); `compare` says what a ratio is of."""

    name: str
    values: list
    unit: str = ""
    aim: tuple = None
    note: str = ""

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def met(self):
        return None if self.aim is None else OPERATORS[self.aim[0]](self.median, self.aim[1])

    def as_json(self):
        return {"name": self.name, "unit": self.unit, "median": self.median, "least": min(self.values),
                "most": max(self.values), "values": self.values, "aim": self.aim, "met": self.met, "note": self.note}


def number(value):
    """As many digits as it is worth."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3g}"


def line(figure):
    text = f"{figure.name:<52} {number(figure.median):>10} {figure.unit:<12}"
    if len(figure.values) > 1:
        text += f" {number(min(figure.values))} .. {number(max(figure.values))}".ljust(22)
    else:
        text += " " * 22
    if figure.aim:
        text += f" {'reached' if figure.met else 'NOT reached'}: {figure.aim[0]} {number(figure.aim[1])}"
    return (text + (f"  {figure.note}" if figure.note else "")).rstrip()


# ---- where it was measured -----------------------------------------------------------------------


def first_line(*command):
    try:
        return subprocess.run([str(word) for word in command], capture_output=True, text=True).stdout.split("\n")[0]
    except OSError:
        return ""


def processor():
    with open("/proc/cpuinfo") as file:
        match = re.search(r"model name\s*: (.*)", file.read())
    return match.group(1) if match else platform.machine()


def machine(build):
    return {"processor": processor(), "cores": os.cpu_count(), "kernel": platform.release(),
            "load_before": os.getloadavg()[0], "outhookd": first_line(build / "outhookd", "--version"),
            "sqlite3": first_line("sqlite3", "--version").split(" ")[0],
            "libcurl": first_line("curl-config", "--version"),
            "commit": first_line("git", "describe", "--always", "--dirty")}


def write_json(path, document):
    path.write_text(json.dumps(document, indent=1) + "\n")
