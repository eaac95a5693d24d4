"""`run.py book`: the derivations, the lines that compute them, and real numbers, in one page."""

from lab.commands import fail, ready, refused
from lab.runs import write_whole


def book_options(parser, argv):
    parser.add_argument(
        "file", nargs="?", default="docs/index.html", help="the page [docs/index.html]"
    )
    parser.add_argument("--pdf", metavar="FILE", help="print the page there, too, with Chromium")


def book(parser, args):
    try:
        from lab.book import build, print_pdf
    except ModuleNotFoundError as error:
        return fail(f"{error.name} is missing: pip install -r requirements/book.txt")
    ready(parser, args.file)
    if args.pdf:
        ready(parser, args.pdf)
    page = build().encode()
    with refused(parser, args.file):
        write_whole(args.file, page)
    print(f"{args.file}: {len(page) / 1e6:.1f} MB; open it in any browser")
    if args.pdf:
        try:
            print_pdf(args.file, args.pdf)
        except OSError as error:
            return fail(f"{args.pdf} is not printed: {error}")
        print(args.pdf)
    return 0
