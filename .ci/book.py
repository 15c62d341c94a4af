#!/usr/bin/env python3
"""Looks at the built book (`make book`) in a real browser, 400 pixels wide, in a light and a dark theme:
no page may be wider than the screen, every drawing has to be there, and no link may be dead.

    python3 .ci/book.py [CHROMIUM]
"""

import html.parser
import json
import pathlib
import re
import subprocess
import sys
import tempfile

BOOK = pathlib.Path(__file__).resolve().parent.parent / "target" / "book"
WIDTH = 400
# The border of a table may stand out.
TOLERANCE = 5

# Each page in a frame as narrow as a telephone. What comes of it is the harness's own text,
# which --dump-dom prints.
HARNESS = """<!doctype html><meta charset="utf-8"><body><script>
const pages = PAGES, found = [];
function next() {
  const page = pages.shift();
  if (!page) { document.body.innerHTML = "<pre>RESULT" + JSON.stringify(found) + "RESULT</pre>"; return; }
  const frame = document.createElement("iframe");
  frame.width = WIDTH; frame.height = 700;
  frame.onload = () => {
    const page_document = frame.contentDocument, style = page_document.documentElement;
    const boxes = [style, ...page_document.querySelectorAll(".content, main")];
    const images = [...page_document.querySelectorAll("main img")];
    found.push({
      page: page, width: Math.max(...boxes.map(box => WIDTH + box.scrollWidth - box.clientWidth)),
      hidden: images.filter(i => !i.complete || i.naturalWidth == 0).map(i => i.getAttribute("src")),
      silent: images.filter(i => !i.alt).map(i => i.getAttribute("src")),
      text: page_document.querySelector("main").innerText.length,
    });
    frame.remove();
    next();
  };
  frame.src = "file://BOOK/" + page;
  document.body.append(frame);
}
next();
</script>"""


class Links(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.names = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names.add(attributes.get("id"))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])


def dead_links(pages):
    parsed = {page: Links((BOOK / page).read_text(encoding="utf-8")) for page in pages}
    for page, links in parsed.items():
        for link in links.links:
            # A source file of the course is in the repository and not in the book.
            if "://" in link or link.startswith(("mailto:", "../../")):
                continue
            name, _, anchor = link.partition("#")
            target = name or page
            if not (BOOK / target).exists():
                yield f"{page}: no page {link}"
            elif anchor and target in parsed and anchor not in parsed[target].names:
                yield f"{page}: no heading {link}"


def look(chromium, pages, scheme):
    with tempfile.TemporaryDirectory() as folder:
        harness = pathlib.Path(folder) / "harness.html"
        text = HARNESS.replace("PAGES", json.dumps(pages)).replace("WIDTH", str(WIDTH))
        harness.write_text(text.replace("BOOK", str(BOOK)), encoding="utf-8")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        command += ["--allow-file-access-from-files", "--disable-web-security", f"--user-data-dir={folder}/profile"]
        command += ["--virtual-time-budget=600000", "--dump-dom"]
        command += ["--blink-settings=preferredColorScheme=" + ("0" if scheme == "dark" else "1")]
        done = subprocess.run(command + [harness.as_uri()], capture_output=True, text=True, timeout=300)
    result = re.search("RESULT(.*)RESULT", done.stdout, re.S)
    if not result:
        sys.exit(f"the browser came to no end: {done.stderr[-2000:]}")
    return json.loads(html.unescape(result.group(1)))


def main():
    chromium = sys.argv[1] if len(sys.argv) > 1 else "chromium"
    # All pages in one is for a printer.
    pages = sorted(p.name for p in BOOK.glob("*.html") if p.name not in ("404.html", "print.html", "toc.html"))
    wrong = list(dead_links(pages))
    for scheme in ("light", "dark"):
        found = look(chromium, pages, scheme)
        if len(found) != len(pages):
            wrong.append(f"{scheme}: {len(found)} pages were shown, of {len(pages)}")
        for page in found:
            if page["width"] > WIDTH + TOLERANCE:
                wrong.append(f"{page['page']}: {page['width']} pixels wide on a screen of {WIDTH}")
            wrong += [f"{page['page']}, {scheme}: {image} is not shown" for image in page["hidden"]]
            wrong += [f"{page['page']}: {image} has no text for readers who do not see it" for image in page["silent"]]
            if page["text"] < 200:
                wrong.append(f"{page['page']}: hardly a word is shown")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(pages)} pages, light and dark: no dead link, none wider than {WIDTH} pixels")


main()
