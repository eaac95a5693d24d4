"""The workbook: the lesson with its gradients erased, and a grader that knows the usual mistakes.

blanks      which functions are blank, and the folder that a reader fills in
cases       what each of them is asked
mistakes    what people write instead, each with the words that say so
grading     the reader's code, in a process of its own, against cases and mistakes
hints       the question, the equation before, the formula in words
"""

from lab.practice.blanks import BLANKS, CHAPTERS, LADDER, MODULES, PAGE, Blank, write_workbook
from lab.practice.grading import grade, grade_table, line_of, stand_in
from lab.practice.hints import hint
from lab.practice.mistakes import MISTAKES, edited
