#!/usr/bin/env python3
"""The autograder of an assignment in Classroom 50: one stage of the course.

Put it at CLASSROOM/autograders/ASSIGNMENT/autograder.py. The runner starts it in the
student's checkout and reads result.json there. Exit code 0 means that the submission
was graded, whatever the score; another one, that the autograder itself failed.

COURSE is the folder of the course, in the image of the runner: there the checks are
built once, by `make grade ARGS="--prepare --stage N"`. Without it COURSE_URL is cloned
and built, which takes minutes for each submission.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

STAGE = os.environ.get("STAGE", "4")
# name, hint or full: without the names there is nothing to count here.
DETAIL = os.environ.get("DETAIL", "hint")
COURSE_URL = os.environ.get("COURSE_URL", "https://example.org/course.git")


def course(scratch):
    """The folder of the course."""
    if "COURSE" in os.environ:
        return pathlib.Path(os.environ["COURSE"])
    folder = scratch / "course"
    subprocess.run(["git", "clone", "--depth", "1", COURSE_URL, folder], check=True)
    return folder


def whole_numbers(tests):
    """Classroom 50 takes whole numbers: the smallest weight is 1, others are so many times that."""
    unit = min((test["max_score"] for test in tests if test["max_score"] > 0), default=1)
    for test in tests:
        worth = round(test["max_score"] / unit)
        passed = test["status"] == "passed"
        yield {
            "test-name": test["name"],
            "passed": passed,
            "score": worth if passed else 0,
            "max-score": worth,
            "output": test["output"],
        }


def main():
    submission = pathlib.Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        results, pages = scratch / "results.json", scratch / "pages"
        command = ["cargo", "run", "-q", "-p", "lab", "--", "grade", submission, "--stage", STAGE]
        command += ["--json", results, "--feedback", pages, "--detail", DETAIL]
        # The grader says what was wrong with it, if it could not grade.
        graded = subprocess.run(command, cwd=course(scratch), check=False)
        if graded.returncode != 0:
            sys.exit(graded.returncode)
        tests = list(whole_numbers(json.loads(results.read_text())["tests"]))
        page = next(pages.glob("*.md")).read_text()

    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    commit = os.environ["COMMIT_URL"]
    result = {
        "schema": "classroom50/result/v1",
        "classroom": os.environ["CLASSROOM"],
        "assignment": os.environ["ASSIGNMENT"],
        "submission": os.environ["SUBMISSION_TAG"],
        "commit": commit,
        "release": os.environ["RELEASE_URL"],
        "review": os.environ.get("REVIEW_URL") or commit,
        "datetime": now,
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }
    pathlib.Path("result.json").write_text(json.dumps(result, indent=2) + "\n")
    pathlib.Path("release-body.md").write_text(page)


if __name__ == "__main__":
    main()
