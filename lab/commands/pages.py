"""`run.py figures` and `explorer`: what is generated."""

from lab import pictures


def figures_options(parser, argv):
    parser.add_argument("names", nargs="*", metavar="NAME", help="which [all]")
    parser.add_argument(
        "--figures-dir", default="figures", metavar="DIR", help="where they go [figures]"
    )


def figures(parser, args):
    try:
        paths = pictures.draw_all(args.names, args.figures_dir)
    except ValueError as error:
        parser.refuse(str(error))
    except OSError as error:
        parser.refuse(f"--figures-dir {args.figures_dir} cannot be written: {error.strerror}")
    print(*paths, sep="\n")
    return 0


def explorer_options(parser, argv):
    parser.add_argument(
        "file",
        nargs="?",
        default="docs/explorer-data.js",
        metavar="FILE",
        help="the data of the page that trains [docs/explorer-data.js]",
    )


def explorer(parser, args):
    print("training in Python what the page breaks; this takes some minutes", flush=True)
    try:
        size = pictures.write(args.file)
    except OSError as error:
        parser.refuse(f"{args.file} cannot be written: {error.strerror}")
    print(f"{args.file}: {size / 1000:.0f} kB; the page is docs/explorer.html, for any browser")
    return 0
