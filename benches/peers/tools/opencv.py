"""OpenCV: grab all, retrieve what is wanted; random times by CAP_PROP_POS_FRAMES."""

import cv2


def run(job, _variant):
    cv2.setNumThreads(job.threads)
    video = cv2.VideoCapture(job.clip, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, job.threads])
    quality = [cv2.IMWRITE_JPEG_QUALITY, job.quality]
    for index, frame in seek(job, video) if job.workload == "times" else go_through(job, video):
        cv2.imwrite(f"{job.out}/{index:06d}.jpg", frame, quality)


def go_through(job, video):
    wanted = set(job.indices)
    for index in range(job.indices[-1] + 1):
        if not video.grab():
            return
        if index in wanted:
            yield index, video.retrieve()[1]


def seek(job, video):
    for index in job.indices:
        video.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, frame = video.read()
        if read:
            yield index, frame
