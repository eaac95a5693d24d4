"""The text as a book: README and docs/, the lines that compute them, and real numbers, in one page.

chapters  the text as HTML; formulas become MathML
panels    beside every equation: its code, its check's verdict, one row of numbers
ladder    the nine stairs, one at a time
drawings  its figures, whose colours follow the look
page      all of it in one file, docs/index.html, and printed
"""
