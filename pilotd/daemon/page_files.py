#!/usr/bin/python3
"""Makes page_files.c: the files of the status page as tables of bytes (page.h).

    page_files.py FILE… > page_files.c
"""

import os
import sys

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
MAX_BYTES = 100_000


def main():
    print('/* Made by pilotd/daemon/page_files.py. */\n#include "daemon/page.h"\n')
    rows, total = [], 0
    for number, path in enumerate(sys.argv[1:]):
        data = open(path, "rb").read()
        total += len(data)
        kind = TYPES[os.path.splitext(path)[1]]
        body = ",".join(map(str, data + b"\0"))  # a string to who wants one
        print(f"static const unsigned char file_{number}[] = {{{body}}};")
        rows.append(f'    {{"/ui/{os.path.basename(path)}", "{kind}; charset=utf-8", '
                    f"file_{number}, {len(data)}}},")
    if total > MAX_BYTES:
        sys.exit(f"the status page has {total} bytes, at most {MAX_BYTES}")
    print("const struct page_file page_files[] = {\n" + "\n".join(rows) + "\n};")
    print(f"const size_t page_file_count = {len(rows)};")


if __name__ == "__main__":
    main()
