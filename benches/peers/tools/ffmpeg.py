"""ffmpeg's command line. Ten times are ten calls that seek, or one that decodes everything: whichever a user would take."""

# ffmpeg's scale for MJPEG, in whole steps and so the one that all others are fitted to.
QUALITY = 2
START = ["ffmpeg", "-version"]


def commands(job, variant):
    base = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", job.threads]
    if variant == "decode":
        return [[*base, "-i", job.clip, "-f", "null", "-"]]
    output = ["-q:v", QUALITY]
    if job.workload == "times":
        # -ss gives the first frame at or after a time.
        seek = lambda i: ["-ss", f"{max(0, i - 0.5) / job.rate:.6f}"]  # noqa: E731
        return [[*base, *seek(i), "-i", job.clip, "-frames:v", 1, *output, f"{job.out}/{i:06d}.jpg"] for i in job.indices]
    filters = ["-vf", f"select=not(mod(n\\,{job.rate // 2}))"] if job.workload == "fps2" else []
    return [[*base, "-i", job.clip, *filters, "-fps_mode", "passthrough", *output, f"{job.out}/%06d.jpg"]]
