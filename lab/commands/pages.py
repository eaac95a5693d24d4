"""`run.py figures` and `explorer`: what is generated."""

from lab import pictures
from lab.commands import option, refused


def figures_options(parser, argv):
    option(parser, "names", "NAME", "which [all]", nargs="*")
    option(parser, "--figures-dir", "DIR", "where they go", "figures")


def figures(parser, args):
    with refused(parser, f"--figures-dir {args.figures_dir}"):
        paths = pictures.draw_all(args.names, args.figures_dir)
    print(*paths, sep="\n")
    return 0


def explorer_options(parser, argv):
    help = "the data of the page that trains"
    option(parser, "file", "FILE", help, "docs/explorer-data.js", nargs="?")


def explorer(parser, args):
    if not args.file.endswith(".js"):
        parser.refuse(f"{args.file} must end in .js")
    print("training in Python what the page breaks; this takes some minutes", flush=True)
    with refused(parser, args.file):
        size = pictures.write(args.file)
    print(f"{args.file}: {size / 1000:.0f} kB; the page is docs/explorer.html, for any browser")
    return 0
