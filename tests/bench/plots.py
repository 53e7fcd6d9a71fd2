"""The benchmark's plots, as SVG that needs nothing but a browser."""

import html
import json
import math
import pathlib
import re

PEERS = pathlib.Path(__file__).with_name("peers.json")
WIDTH, ROW, LEFT, RIGHT, TOP = 860, 26, 300, 90, 50
OURS, OTHERS, YARDSTICK = "#1f6f8b", "#b8b8b8", "#e0a030"
COLOURS = ("#1f6f8b", "#c0504d", "#7a9a3a", "#e0a030")


def document(width, height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">', f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="20" y="28" font-size="16">{html.escape(title)}</text>', *parts, "</svg>\n"])


def text(x, y, content, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(str(content))}</text>'


def bars(title, rows):
    """rows: (label, value, least, most, colour), drawn to one scale."""
    most, room, parts = max(row[3] for row in rows), WIDTH - LEFT - RIGHT, []
    for place, (label, value, least, largest, colour) in enumerate(rows):
        y, scale = TOP + ROW * place, room / most
        parts += [text(LEFT - 8, y + 14, label, "end"),
                  f'<rect x="{LEFT}" y="{y}" width="{max(1, value * scale):.1f}" height="18" fill="{colour}"/>',
                  f'<line x1="{LEFT + least * scale:.1f}" x2="{LEFT + largest * scale:.1f}" y1="{y + 9}" y2="{y + 9}" '
                  'stroke="black"/>', text(LEFT + largest * scale + 8, y + 14, f"{value:.3g}")]
    return document(WIDTH, TOP + ROW * len(rows) + 20, title, parts)


def lines(title, x_name, y_name, series):
    """series: {name: [(x, y), …]}; x by powers of ten when it spans many of them."""
    points = [point for values in series.values() for point in values]
    log = max(x for x, _ in points) > 100 * max(1e-9, min(x for x, _ in points))
    def place(x):
        return math.log10(x) if log else x
    low, high = min(place(x) for x, _ in points), max(place(x) for x, _ in points)
    most = 1.1 * max(y for _, y in points) or 1
    left, right, top, bottom = 80, WIDTH - 190, 60, 360
    def at(x, y):
        return left + (right - left) * (place(x) - low) / ((high - low) or 1), bottom - (bottom - top) * y / most
    parts = [f'<path d="M{left} {top} V{bottom} H{right}" fill="none" stroke="black"/>',
             text((left + right) / 2, bottom + 42, x_name, "middle"), text(left, top - 10, y_name)]
    for x in sorted({x for x, _ in points}):
        parts.append(text(at(x, 0)[0], bottom + 20, f"{x:,g}", "middle"))
    for step in range(5):
        y = most * step / 4
        parts.append(text(left - 8, at(points[0][0], y)[1] + 4, f"{y:.3g}", "end"))
    for (name, values), colour in zip(series.items(), COLOURS):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in values))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = at(*values[-1])
        parts.append(text(x + 8, y + 4, name))
    return document(WIDTH, bottom + 60, title, parts)


# ---- of a run's figures --------------------------------------------------------------------------


def peers():
    return json.loads(PEERS.read_text())


def ratios(results):
    """outhook's ratios to bare libcurl, and its peers'."""
    rows = []
    for letter in "abcdh":
        for figure in results["parts"].get(letter, {}).get("figures", []):
            if figure["name"].endswith("outhook of bare libcurl"):
                label = f"outhook: {figure['name'].split(':')[0]}"
                rows.append((label, figure["median"], figure["least"], figure["most"], OURS))
    if not rows:
        return None
    of = peers()["yardstick_per_s"]
    rows += [(peer["name"], *[peer["drained_per_s"] / of] * 3, OTHERS) for peer in peers()["peers"]]
    return bars("Deliveries a second, of bare libcurl's on the same machine in the same run", rows)


def sustained(results):
    series = {}
    for figure in results["parts"].get("e", {}).get("figures", []):
        match = re.match(r"at (\d+) %: (p[\d.]+)", figure["name"])
        if match:
            series.setdefault(match.group(2), []).append((int(match.group(1)), figure["median"]))
    return lines("From commit to receipt", "load, % of capacity", "ms", series) if series else None


def against_rows(results, letter, title, unit, wanted):
    series = {}
    for figure in results["parts"].get(letter, {}).get("figures", []):
        match = re.match(r"([\d,]+) pending(?:: (.*))?$", figure["name"])
        if match:
            name = match.group(2) or wanted
            series.setdefault(name, []).append((int(match.group(1).replace(",", "")), figure["median"]))
    return lines(title, "pending rows", unit, series) if series else None


def draw(results, directory):
    """Writes what there are figures for; returns the paths."""
    plots = {"ratios.svg": ratios(results), "sustained.svg": sustained(results),
             "memory.svg": against_rows(results, "i", "Memory against pending rows", "MiB", "memory"),
             "restart.svg": against_rows(results, "j", "Start to first delivery against pending rows", "ms", "start")}
    written = []
    for name, content in plots.items():
        if content:
            (directory / name).write_text(content)
            written.append(directory / name)
    return written
