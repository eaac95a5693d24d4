"""`make book`: the derivations, the lines that compute them, and real numbers, in one page.

python -m lab.book [FILE] [--pdf FILE]
"""

import sys

from lab.kit import write_whole
from lab.kit.command_line import Parser, fail, option


def main(words=None):
    parser = Parser("make book", description="README, code and checks in one page.")
    option(parser, "file", "FILE", "the page", "docs/index.html", nargs="?")
    option(parser, "--pdf", "FILE", "print the page there, too, with Chromium")
    args = parser.parse_args(words)
    try:
        from lab.book.page import build, print_pdf
    except ModuleNotFoundError as error:
        return fail(f"{error.name} is missing: pip install -r requirements/book.txt")
    parser.ready(args.file)
    if args.pdf:
        parser.ready(args.pdf)
    page = build().encode()
    with parser.refusing(args.file):
        write_whole(args.file, page)
    print(f"{args.file}: {len(page) / 1e6:.1f} MB; open it in any browser")
    if args.pdf:
        try:
            print_pdf(args.file, args.pdf)
        except OSError as error:
            return fail(f"{args.pdf} is not printed: {error}")
        print(args.pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
