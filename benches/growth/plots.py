"""Lines, log-log, beside the slope they should have; and their slopes as rows of a table."""

import math

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

# Below this the start of a program is what is measured.
SECONDS_THAT_COUNT = 0.05


def draw(subject, lines, path):
    figure, (above, below) = plt.subplots(2, 1, figsize=(7, 8), sharex=True, height_ratios=[2, 1])
    for name, points in lines.items():
        sizes, seconds, memory = zip(*points)
        (line,) = above.plot(sizes, seconds, "o-", label=name)
        ideal = [seconds[-1] * (size / sizes[-1]) ** subject.slope for size in sizes]
        above.plot(sizes, ideal, ":", color=line.get_color(), alpha=0.6)
        below.plot(sizes, memory, "o-", color=line.get_color())
    above.set(xscale="log", yscale="log", ylabel="seconds", title=f"{subject.title} (dotted: in proportion)")
    above.set_ylim(bottom=min(p[1] for points in lines.values() for p in points) / 2)
    above.legend()
    below.set(xscale="log", yscale="log", xlabel=subject.unit, ylabel="peak MiB")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)


def steepest(points):
    """Of seconds over sizes, both as logarithms; none where nothing took long."""
    pairs = zip(points, points[1:])
    slopes = [math.log(b[1] / a[1]) / math.log(b[0] / a[0]) for a, b in pairs if a[1] >= SECONDS_THAT_COUNT]
    return max(slopes, default=None)


def rows(name, subject, lines):
    for line, points in lines.items():
        first, last = points[0], points[-1]
        slope = steepest(points)
        told = [f"{p[0]:,} {subject.unit}: {p[1]:.3f} s, {p[2]:.0f} MiB" for p in (first, last)]
        yield f"| ![{subject.title}](benches/plots/{name}.png) | {line} | {told[0]} | {told[1]} | {'' if slope is None else f'{slope:.2f}'} |"
